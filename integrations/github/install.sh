#!/usr/bin/env bash
# The step of action.yml that installs `policy`, or finds it. What the next steps run with is its output `python`;
# later steps of the job find `policy` in their PATH.
set -euo pipefail

fail() {
  printf '::error title=policy gate::%s\n' "$2"
  exit "$1"
}

# A value of several lines would be several outputs.
output() {
  case $2 in *$'\n'*) fail 2 "a path with a line feed is none of ours" ;; esac
  printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
}

if [ -z "$INPUT_WHEELHOUSE" ]; then
  command -v policy >/dev/null || fail 3 "policy is not installed on this runner, and no wheelhouse is given"
  found=$(command -v "${INPUT_PYTHON:-python3}") || fail 3 "there is no Python on this runner"
  output python "$found"
  exit 0
fi

[ -d "$INPUT_WHEELHOUSE" ] || fail 2 "the wheelhouse is no folder"
wheelhouse=$(cd -- "$INPUT_WHEELHOUSE" && pwd -P)
workspace=$(cd -- "$GITHUB_WORKSPACE" && pwd -P)
# What is judged could bring a program of its own there, and that would judge it.
if [[ $wheelhouse/ == "$workspace"/* && -z $INPUT_WHEELHOUSE_DIGEST ]]; then
  fail 2 "a wheelhouse inside of the workspace may be the pull request's own: put it elsewhere, or give its digest"
fi

place=$(mktemp -d "$RUNNER_TEMP/policy-gate.XXXXXX")
POLICY_PYTHON=$INPUT_PYTHON "$GITHUB_ACTION_PATH/integrations/install.sh" \
  "$wheelhouse" "$place/environment" "$INPUT_WHEELHOUSE_DIGEST" ||
  fail $? "policy could not be installed from the wheelhouse; the log says why"
# `policy` alone: the environment's own python is none of the job's.
mkdir "$place/bin"
ln -s "$place/environment/bin/policy" "$place/bin/policy"
printf '%s\n' "$place/bin" >>"$GITHUB_PATH"
output python "$place/environment/bin/python"

#!/usr/bin/env bash
# Installs `policy` from a wheelhouse into a folder of its own; fetches nothing and compiles nothing.
#   install.sh WHEELHOUSE FOLDER [sha256:DIGEST]
#   POLICY_PYTHON=/path/to/python    the interpreter; otherwise the one that the wheelhouse was made for is looked for
# Leaves with 2 where the call is wrong, 3 where it cannot be installed, 6 where the wheelhouse has another digest.
set -euo pipefail

fail() {
  local status=$1
  printf 'error: %s\n' "$2" >&2
  printf '  help: %s\n' "$3" >&2
  exit "$status"
}

[ $# -ge 2 ] || fail 2 "install.sh wants a wheelhouse and a folder" "install.sh WHEELHOUSE FOLDER [sha256:DIGEST]"
wheelhouse=$1
[ -d "$wheelhouse" ] || fail 2 "the wheelhouse \`$wheelhouse\` is no folder" "\`make wheelhouse\` fills one"

# The engine is the one wheel that is built for a single Python: its name says for which.
engine=
for file in "$wheelhouse"/durable_rules-*.whl; do
  [ ! -e "$file" ] || engine=${file##*/}
done
[[ $engine =~ -cp3([0-9]+)- ]] ||
  fail 3 "the wheelhouse \`$wheelhouse\` holds no wheel of durable_rules" "\`make wheelhouse\` fills one"
version=3.${BASH_REMATCH[1]}

# -I: nothing of the working directory, which holds what is to be judged, is ever imported.
suits() {
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -I -c 'import sys, venv, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$version" \
      >/dev/null 2>&1
}

if [ -n "${POLICY_PYTHON:-}" ]; then
  candidates=("$POLICY_PYTHON")
else
  candidates=("python$version" python3 python "${RUNNER_TOOL_CACHE:-/nowhere}/Python/$version".*/*/bin/python3)
fi
for python in "${candidates[@]}"; do
  if suits "$python"; then
    exec "$python" -I "$(dirname "${BASH_SOURCE[0]}")/install.py" "$@"
  fi
done
fail 3 "the wheelhouse is for Python $version, and none with venv was found" \
  "install it (actions/setup-python, or apt-get install python3-venv), or name it in POLICY_PYTHON"

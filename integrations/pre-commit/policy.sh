#!/usr/bin/env bash
# What the hooks run: `policy` out of the wheelhouse that POLICY_WHEELHOUSE names, which is installed into the user's
# cache once, else the `policy` that is installed.
set -euo pipefail

fail() {
  local status=$1
  printf 'error: %s\n' "$2" >&2
  printf '  help: %s\n' "$3" >&2
  exit "$status"
}

# pre-commit gives the names of files behind the hook's args, with nothing between them: a file at the path
# `--baseline=workloads/base.yaml` would be an option. Which of the two is meant is not to be known, and either guess
# could let something pass.
for word in "$@"; do
  [ "$word" != -- ] || break
  if [[ $word == -* ]] && { [ -e "$word" ] || [ -L "$word" ]; }; then
    fail 2 "\`$word\` is a file, and would be taken for an option" "give the file another name"
  fi
done

# Without a folder only the shipped rules would be checked, and no change of a layer could fail.
if [ "${1:-}" = rules ]; then
  layer=
  for word in "${@:3}"; do
    [ ! -d "${word#--policy=}" ] || layer=$word
  done
  [ -n "$layer" ] || fail 2 "the hook policy-rules-${2:-} is given no folder with a layer of rules" \
    "name the folder in the hook's args, as args: [acme]"
fi

if [ -n "${POLICY_WHEELHOUSE:-}" ]; then
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/policy-engine/hooks
  "$(dirname "${BASH_SOURCE[0]}")/../install.sh" "$POLICY_WHEELHOUSE" "$folder" "${POLICY_WHEELHOUSE_DIGEST:-}"
  exec "$folder/bin/policy" "$@"
fi
command -v policy >/dev/null ||
  fail 3 "policy is not installed" "install it, or name a wheelhouse (make wheelhouse) in POLICY_WHEELHOUSE"
exec policy "$@"

#!/usr/bin/env bash
# What the hooks run: `policy` out of the wheelhouse that POLICY_WHEELHOUSE names, which is installed into the user's
# cache once, else the `policy` that is installed.
set -euo pipefail

if [ -n "${POLICY_WHEELHOUSE:-}" ]; then
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/policy-engine/hooks
  "$(dirname "${BASH_SOURCE[0]}")/../install.sh" "$POLICY_WHEELHOUSE" "$folder" "${POLICY_WHEELHOUSE_DIGEST:-}"
  exec "$folder/bin/policy" "$@"
fi
if ! command -v policy >/dev/null; then
  printf 'error: policy is not installed\n' >&2
  printf '  help: install it, or name a wheelhouse (make wheelhouse) in POLICY_WHEELHOUSE\n' >&2
  exit 3
fi
exec policy "$@"

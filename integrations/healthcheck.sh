#!/usr/bin/env bash
# Whether this container does its work. A server answers at /healthz, on the port of POLICY_HEALTH_PORT (8181);
# anything else could decide now: whatever is wrong with the engine, the rules or the ledger's schema shows there.
set -euo pipefail
if tr '\0' '\n' <"${POLICY_HEALTH_OF:-/proc/1}/cmdline" | grep -qx serve; then
    exec python3 -I -c 'import sys, urllib.request as u
o = u.build_opener(u.ProxyHandler({}))
sys.exit(o.open(f"http://127.0.0.1:{sys.argv[1]}/healthz", timeout=5).status != 200)' "${POLICY_HEALTH_PORT:-8181}" 2>/dev/null
fi
exec policy evaluate -q --ledger sqlite:///:memory: "${0%/*}/workload.yaml"

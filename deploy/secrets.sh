#!/bin/sh
# Makes the passwords that compose.yaml wants, under secrets/, and nothing that is there already:
#   sudo sh deploy/secrets.sh
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
for name in owner server auditor; do
    if [ ! -e "secrets/$name-password" ]; then
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name-password"
    fi
    if [ "$name" != auditor ]; then
        printf 'database:5432:policy:policy_%s:%s\n' "$name" "$(cat "secrets/$name-password")" >"secrets/$name.pgpass"
    fi
done
# Each reads its own as its own user, by number: the engine 10001, PostgreSQL in its image 999.
chown 10001:10001 secrets secrets/*.pgpass
chown 999:999 secrets/*-password

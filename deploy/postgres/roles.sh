#!/bin/sh
# Makes the roles of whoever serves and of the auditor; their rights are given by `policy db grants`.
set -eu
for name in server auditor; do
    psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
        --set=role="policy_$name" --set=password="$(cat "/run/secrets/$name-password")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done

#!/bin/sh
# Runs PgBouncer in a container: configuration from the template, users from the mounted secrets.
set -eu
umask 077
folder=$(mktemp -d)
for role in streams_app streams_readonly; do
    printf '"%s" "%s"\n' "$role" "$(cat "/run/secrets/$role")"
done >"$folder/userlist.txt"
for region in us-east us-central us-west; do
    printf 'streams-%s = host=postgres-%s port=5432 dbname=streams\n' "$region" "$region"
done >"$folder/regions.ini"
sed -e "s|\${all_regions}|%include $folder/regions.ini|" \
    -e "s|\${server_host}|$POSTGRES_HOST|" \
    -e 's|${server_port}|5432|' \
    -e 's|${listen_host}|0.0.0.0|' \
    -e 's|${listen_port}|6432|' \
    -e 's|${stats_user}|streams_readonly|' \
    -e "s|\${auth_file}|$folder/userlist.txt|" \
    config/pgbouncer/pgbouncer.ini >"$folder/pgbouncer.ini"
exec pgbouncer "$folder/pgbouncer.ini"

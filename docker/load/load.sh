#!/bin/sh
# load.sh DATABASE PROXY: run a small load until it is stopped. Both are libpq URLs. Tables
# are created directly in the database; all other statements go through the proxy.
set -eu
cd "$(dirname "$0")"

days=$((24 * 60 * 60))

pgbench --quiet --initialize "$1"

pgbench --no-vacuum --client=34 --jobs=2 --rate=60 --time=$((365 * days)) \
    --protocol=prepared --builtin=select-only@4 --builtin=simple-update@1 "$2" &

pgbench --no-vacuum --client=2 --rate=2 --time=$((365 * days)) \
    --connect --define=turn=0 --file=sometimes.sql "$2" &

wait

#!/bin/sh
# Usage: load.sh DATABASE PROXY, both as libpq URLs.
# Create pgbench's tables in DATABASE directly, then run a small load through PROXY until
# stopped.
set -eu
cd "$(dirname "$0")"

days=$((24 * 60 * 60))

pgbench --quiet --initialize "$1"

pgbench --no-vacuum --client=34 --jobs=2 --rate=60 --time=$((365 * days)) \
    --protocol=prepared --builtin=select-only@4 --builtin=simple-update@1 "$2" &

pgbench --no-vacuum --client=2 --rate=2 --time=$((365 * days)) \
    --connect --define=turn=0 --file=sometimes.sql "$2" &

wait

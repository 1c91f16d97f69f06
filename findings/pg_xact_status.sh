#!/usr/bin/env bash
# PostgreSQL 15 (Debian 12, postgresql-15)
#
# Expected: a client that lost its connection during COMMIT learns from pg_xact_status() whether its transaction took place. The manual
# offers the function for this: the application "and database server become disconnected while a COMMIT is in progress".
# Seen: after a crash of the server, the function says "committed" of a transaction that is gone. Its number was only in memory, so the
# server gives it to another transaction after the crash, and tells the fate of that one. The number has not wrapped around, and neither
# pg_postmaster_start_time() nor the timeline has changed. fsync and synchronous_commit are on.
# What it means for Vedette: a COMMIT whose answer is lost is looked up in a table of its own, `commits`, and not by number
# (docs/postgresql.md).
#
# This script ends with 0 as long as PostgreSQL behaves so. It needs postgresql-15, and root or a user who may run it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${VEDETTE_TEST_POSTGRESQL:-}" ]; then exec tests/postgresql.py --durable "$PWD/findings/pg_xact_status.sh"; fi

run() { psql -XAtq "$VEDETTE_TEST_POSTGRESQL" "$@"; }
coproc ours { run; }
echo "BEGIN; CREATE TABLE ours (x int); SELECT pg_current_xact_id(), pg_backend_pid();" >&"${ours[1]}"
IFS='|' read -r -t 60 number process <&"${ours[0]}"
started=$(run -c "SELECT pg_postmaster_start_time()")
kill -9 "$process"  # The server restarts all its processes, as after any crash.
for attempt in $(seq 200); do
  other=$(run -c "BEGIN" -c "CREATE TABLE IF NOT EXISTS other (x int)" -c "SELECT pg_current_xact_id()" -c "COMMIT" 2>/dev/null) && break
  sleep 0.1
done
answer=$(run -c "SELECT pg_xact_status('$number')")
is_there=$(run -c "SELECT to_regclass('ours') IS NOT NULL")
echo "our transaction $number, the next one after the crash $other; pg_xact_status('$number') = $answer; our table is there: $is_there"
echo "the server started at $started, and says now: $(run -c 'SELECT pg_postmaster_start_time()')"
[ "$answer" = committed ] && [ "$is_there" = f ] || { echo "PostgreSQL behaves otherwise now." >&2; exit 1; }

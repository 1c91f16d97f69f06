#!/usr/bin/env bash
# From nothing to verdicts: installs what is missing, builds, starts the server, renders a sample set and runs the whole job
# through the public API with boto3. The server keeps running; with --exit it is stopped at the end. Running it again is quick.
set -euo pipefail
cd "$(dirname "$0")"
. tools/build.sh
stop_at_end=false
case "${1:-}" in
  --exit) stop_at_end=true ;;
  "") ;;
  *) echo "usage: ./quickstart.sh [--exit]" >&2; exit 2 ;;
esac

install_build_packages
install_packages "${client_packages[@]}"
build vedette vedette-trainer

vedette=build/release/vedette
log=vedette-data/server.log
started=
stop() { [ -n "$started" ] && kill "$started" 2>/dev/null && wait "$started" 2>/dev/null || true; }

answers() { (exec 3<>/dev/tcp/127.0.0.1/8420) 2>/dev/null; }
if answers; then
  say "A server is running on 127.0.0.1:8420"
else
  say "Starting the server on 127.0.0.1:8420, data in vedette-data/"
  mkdir -p vedette-data
  $vedette serve >>"$log" 2>&1 &
  started=$!
  trap stop EXIT
  for _ in $(seq 150); do
    answers && break
    kill -0 "$started" 2>/dev/null || { tail -n 5 "$log" >&2; exit 1; }
    sleep 0.1
  done
fi

if [ ! -f build/sample/manifests/test.manifest ]; then
  say "Rendering the sample set: steel flanges, good and damaged"
  $vedette sample build/sample
fi

say "Running the job: project, dataset, training, hosting, detection"
/usr/bin/python3 tools/quickstart.py --endpoint http://127.0.0.1:8420 --credentials vedette-data/admin-credentials --sample build/sample

if $stop_at_end; then
  say "Done; the server is stopped"
else
  trap - EXIT
  say "Done. The server runs on http://127.0.0.1:8420 (log: $log); keys: vedette-data/admin-credentials"
  [ -z "$started" ] || echo "Stop it with: kill $started"
  say "The console: open http://127.0.0.1:8420/console/ in a browser, and paste this into the field “Access key”:"
  cat vedette-data/admin-credentials
fi

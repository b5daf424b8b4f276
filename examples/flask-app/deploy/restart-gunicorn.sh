#!/usr/bin/env bash
# Restarts gunicorn on servers without systemd: RESTART="BASE=… /path/to/restart-gunicorn.sh". With systemd, see hello.service.
set -euo pipefail
base=${BASE:?folder of the application} bind=${BIND:-127.0.0.1:8000}
pid_file=$base/gunicorn.pid

if [ -s "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null; then
  for _ in $(seq 100); do [ -e "$pid_file" ] || break; sleep 0.1; done
fi
cd "$base/current"
exec "${PYTHON:-python3}" run.py --daemon --pid "$pid_file" --bind "$bind" --error-logfile "$base/gunicorn.log" hello.app:app

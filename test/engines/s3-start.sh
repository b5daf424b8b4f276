#!/usr/bin/env bash
# Starts one real S3 server on loopback with a fresh data dir; prints one JSON line when it answers; stops and removes its
# data on TERM/INT or when standard input closes.     usage: s3-start.sh versitygw|minio|rclone|s3proxy PORT [BIN_DIR]
# BIN_DIR holds the Go binaries (go install with GOBIN=BIN_DIR) or, for s3proxy, lib/ with the jars (s3proxy-pom.xml).
set -euo pipefail
engine=$1 port=$2 bin=${3:-${S3_BIN:-}}; key=testkey secret=testsecret
dir=$(mktemp -d "${TMPDIR:-/tmp}/s3-$engine.XXXXXX"); mkdir "$dir/data"; pid=
stop() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }; rm -rf "$dir"; }
trap stop EXIT; trap 'exit 0' TERM INT
case $engine in
  versitygw) mkdir "$dir/iam" # without an IAM dir a wrong access key is answered 404, which HEAD cannot tell from a missing object
    ROOT_ACCESS_KEY=$key ROOT_SECRET_KEY=$secret VGW_QUIET=true VGW_HEALTH=/health \
      "$bin/versitygw" --port "127.0.0.1:$port" --iam-dir "$dir/iam" posix "$dir/data" >"$dir/log" 2>&1 & pid=$!; ready=/health ;;
  minio) MINIO_ROOT_USER=$key MINIO_ROOT_PASSWORD=$secret MINIO_BROWSER=off MINIO_UPDATE=off HOME="$dir" \
      "$bin/minio" server --quiet --address "127.0.0.1:$port" "$dir/data" >"$dir/log" 2>&1 & pid=$!; ready=/minio/health/ready ;;
  rclone) "$bin/rclone" serve s3 --config /dev/null --addr "127.0.0.1:$port" --auth-key "$key,$secret" "$dir/data" >"$dir/log" 2>&1 & pid=$!; ready= ;;
  s3proxy) mkdir "$dir/conf"
    printf '<configuration><appender name="S" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%%d %%level %%msg%%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="S"/></root></configuration>\n' >"$dir/conf/logback.xml"
    printf 's3proxy.endpoint=http://127.0.0.1:%s\ns3proxy.authorization=aws-v4\ns3proxy.identity=%s\ns3proxy.credential=%s\njclouds.provider=filesystem-nio2\njclouds.filesystem.basedir=%s\n' "$port" "$key" "$secret" "$dir/data" >"$dir/s3.conf"
    java -Xmx512m -cp "$dir/conf:$bin/lib/*" org.gaul.s3proxy.Main --properties "$dir/s3.conf" >"$dir/log" 2>&1 & pid=$!; ready= ;;
  *) echo "unknown engine $engine" >&2; exit 2 ;;
esac
up=
for _ in $(seq 300); do
  kill -0 "$pid" 2>/dev/null || { cat "$dir/log" >&2; exit 5; }
  if [ -n "$ready" ]; then curl -fs -o /dev/null "http://127.0.0.1:$port$ready" && { up=1; break; }; else curl -s -o /dev/null "http://127.0.0.1:$port/" && { up=1; break; }; fi
  sleep 0.1
done
[ -n "$up" ] || { echo "$engine did not answer in 30 s" >&2; cat "$dir/log" >&2; exit 4; }
echo "{\"engine\":\"$engine\",\"endpoint\":\"http://127.0.0.1:$port\",\"accessKeyId\":\"$key\",\"secretAccessKey\":\"$secret\",\"region\":\"us-east-1\",\"forcePathStyle\":true,\"pid\":$pid}"
while read -r _; do :; done

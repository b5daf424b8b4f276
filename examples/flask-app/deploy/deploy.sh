#!/usr/bin/env bash
# Brings the server to what a channel points to, and back by itself when that is sick. Needs curl, tar and coreutils; no index,
# no git host, no compiler, no Node. Exit 0: the release is up (or was already). Exit 1: it is not, and the one before runs.
#
#   STORMCELLAR_URL    address of Stormcellar
#   STORMCELLAR_TOKEN  may `read`; with `bundle`, a sick release is rolled back for every server, not only for this one
#   APP, CHANNEL       what to deploy; default: hello, production
#   BASE               folder of the application; default: /srv/$APP
#   RESTART            command that restarts it; default: systemctl restart $APP
#   HEALTH_URL         answers 200 and names the running version; default: http://127.0.0.1:8000/health
#   HEALTH_SECONDS     how long a release may take to come up; default: 30
#   KEEP               releases that stay on the server; default: 5
set -euo pipefail

: "${STORMCELLAR_URL:?address of Stormcellar}"
app=${APP:-hello} channel=${CHANNEL:-production}
base=${BASE:-/srv/$app}
restart=${RESTART:-systemctl restart $app}
health_url=${HEALTH_URL:-http://127.0.0.1:8000/health}
bundles=${STORMCELLAR_URL%/}/bundles/$app

mkdir -p "$base/releases" "$base/incoming"
exec 9>"$base/.lock"
flock -n 9 || { echo "another deployment is under way" >&2; exit 1; }

# The token is handed over on standard input, so that it stands on no command line.
fetch() {
  local auth=''
  [ -z "${STORMCELLAR_TOKEN:-}" ] || auth="header = \"Authorization: Bearer $STORMCELLAR_TOKEN\""
  curl --fail --silent --show-error --retry 3 --connect-timeout 10 --config - "$@" <<<"$auth"
}

# 1. Where does the channel point? From here on everything goes by the version, so that a move meanwhile does no harm.
headers=$(fetch --head "$bundles/@$channel/download" | tr -d '\r')
header() { sed -n "s/^$1: //Ip" <<<"$headers" | tail -n 1; }
version=$(header x-stormcellar-version)
sha256=$(header x-checksum-sha256)
place=$(header content-location)
file=${place##*/}
# These become names of files: nothing but what Stormcellar allows.
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._+!~-]*$ && $sha256 =~ ^[0-9a-f]{64}$ && $file =~ ^[A-Za-z0-9_][A-Za-z0-9._+!~%-]*$ ]] ||
  { echo "no sensible answer from $bundles/@$channel" >&2; exit 1; }

release=$base/releases/$version-${sha256:0:12}
previous=$(readlink "$base/current" || true)

# Is the version that answers the one that we want? An old process that still runs is not.
healthy() {
  local wanted=$1 deadline=$((SECONDS + ${HEALTH_SECONDS:-30}))
  while ((SECONDS < deadline)); do
    if curl --fail --silent --max-time 3 "$health_url" | grep -qF "\"$wanted\""; then return 0; fi
    sleep 0.2
  done
  return 1
}
# A rename replaces the link in one step: there is no moment without one.
switch_to() {
  ln -sfn "$1" "$base/current.new"
  mv -T "$base/current.new" "$base/current"
}

if [ "$previous" = "$release" ] && curl --fail --silent --max-time 3 "$health_url" | grep -qF "\"$version\""; then
  echo "$app $version is up already"
  exit 0
fi

# 2. Fetch, going on where an earlier call broke off, and verify. Bytes that are wrong are not kept.
archive=$base/incoming/$sha256
verified() { sha256sum --check --status <<<"$sha256  $archive" 2>/dev/null; }
if [ ! -d "$release" ]; then
  verified || fetch --continue-at - --output "$archive" "$bundles/${place#../}"
  if ! verified; then
    rm -f "$archive"
    echo "$file does not have the digest that Stormcellar announced" >&2
    exit 1
  fi
  # 3. Unpack beside the running release.
  rm -rf "$release.new"
  mkdir "$release.new"
  tar -xf "$archive" -C "$release.new" --strip-components=1 --no-same-owner --no-same-permissions
  mv -T "$release.new" "$release"
  rm -f "$archive"
fi

# 4. Switch, restart, look.
switch_to "$release"
if bash -c "$restart" 9>&- && healthy "$version"; then
  echo "$app $version is up"
  # 5. Old releases go; what runs, and what ran before it, stay.
  ls -1dt "$base/releases"/*/ | sed 's:/$::' | tail -n "+$((${KEEP:-5} + 1))" |
    while read -r old; do [ "$old" = "$release" ] || [ "$old" = "$previous" ] || rm -rf "$old"; done
  exit 0
fi

echo "$app $version does not become healthy" >&2
if [ -n "$previous" ] && [ "$previous" != "$release" ] && [ -d "$previous" ]; then
  switch_to "$previous"
  before=${previous##*/} before=${before%-*}
  if bash -c "$restart" 9>&- && healthy "$before"; then echo "$app $before is up again" >&2; else echo "$app $before does not come up either" >&2; fi
fi
# `expected`: if somebody has moved the channel meanwhile, it stays where they put it.
fetch --request POST --header 'Content-Type: application/json' --output /dev/null \
  --data "{\"expected\": \"$version\", \"why\": \"not healthy on $(hostname)\"}" "$bundles/channels/$channel/rollback" &&
  echo "$channel is rolled back" >&2 || echo "$channel could not be rolled back; see above" >&2
exit 1

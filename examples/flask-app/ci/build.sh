#!/usr/bin/env bash
# Test, vendor, pack, push: what CI does with every commit. The same on a laptop.
#
#   STORMCELLAR_URL    address of Stormcellar; pip installs through it too
#   STORMCELLAR_TOKEN  a token that may `bundle` this application (and `read`, where reading is closed)
#   CHANNEL            channel that the new version goes to; default: staging
set -euo pipefail
cd "$(dirname "$0")/.."

: "${STORMCELLAR_URL:?address of Stormcellar}" "${STORMCELLAR_TOKEN:?a token}"
python=${PYTHON:-python3}
version=$(cat VERSION)

# Every install goes through Stormcellar: what was fetched once is there for ever, whatever becomes of the public index.
# The token goes into a file that only we can read, not onto command lines; pip and curl both look there.
umask 077
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
host=${STORMCELLAR_URL#*://} && host=${host%%[:/]*}
printf 'machine %s login __token__ password %s\n' "$host" "$STORMCELLAR_TOKEN" >"$secrets/netrc"
export NETRC=$secrets/netrc
export PIP_INDEX_URL=${STORMCELLAR_URL%/}/simple/ PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
umask 022

# 1. Test what will be shipped, by the lock.
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --require-hashes -r requirements-dev.txt
.venv/bin/python -m unittest discover -s tests -t .

# 2. Vendor the lock, and pack everything into one file.
rm -rf vendors dist
.venv/bin/python -m pip install --quiet --require-hashes --no-deps --no-compile --target vendors -r requirements.txt
.venv/bin/python -m build --sdist --no-isolation >/dev/null
file=dist/hello-$version.tar.gz

# 3. Push it, with the lock that it was made from. `curl -T "$file" …/bundles/hello/$version/${file##*/}` does it without one.
curl --fail-with-body --silent --show-error --netrc-file "$NETRC" \
  --header "X-Checksum-Sha256: $(sha256sum "$file" | cut -d' ' -f1)" \
  --form-string "version=$version" \
  --form-string "channel=${CHANNEL:-staging}" \
  --form-string "commit=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}" \
  --form-string "buildUrl=${BUILD_URL:-}" \
  --form "lock=@requirements.txt" \
  --form "content=@$file" \
  "${STORMCELLAR_URL%/}/bundles/hello" >"$secrets/answer.json"
echo "hello $version is in ${CHANNEL:-staging}"

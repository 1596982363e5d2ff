#!/usr/bin/env bash
# What the browser tests need: Debian's Chromium, unless one is there, and the packages of package-lock.json. Node must
# be there: 20 or newer.
set -euo pipefail
cd "$(dirname "$0")"

if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
  echo "The browser tests need Node 20 or newer." >&2
  exit 1
fi
if [[ ! -x ${CHROMIUM:-/usr/bin/chromium} ]]; then
  root=()
  if [[ $(id -u) != 0 ]]; then root=(sudo); fi
  "${root[@]}" apt-get update
  "${root[@]}" apt-get install --yes --no-install-recommends chromium
fi
npm ci --no-audit --no-fund

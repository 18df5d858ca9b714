#!/bin/sh
# frame_js_test.sh VECTORS FRAME_LINES: the JavaScript decoder, in little memory. Skips where there is no Node.js.
set -eu
command -v node > /dev/null || { echo "no Node.js here"; exit 77; }
exec node --max-old-space-size=64 "$(dirname "$0")/frame_js_test.mjs" "$@"

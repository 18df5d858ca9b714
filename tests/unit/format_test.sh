#!/bin/sh
# Fails when a C file is not as clang-format 14 writes it.
#   format_test.sh ROOT
set -eu
cd "$1"
command -v clang-format > /dev/null || { echo "clang-format is not installed"; exit 77; }
find device-sdk gateway handlers tests boards -name node_modules -prune -o -name '*.[ch]' -print0 |
    xargs -0 clang-format --dry-run --Werror

#!/bin/sh
# Runs clang-tidy with the tree's .clang-tidy over what is built.
#   tidy_test.sh ROOT BUILD
set -eu
command -v clang-tidy > /dev/null || { echo "clang-tidy is not installed"; exit 77; }
cd "$1"
find device-sdk gateway handlers -name '*.c' -print0 |
    xargs -0 -n 8 -P "$(nproc)" clang-tidy --quiet -p "$2" 2> /dev/null

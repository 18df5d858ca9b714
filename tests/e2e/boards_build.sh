#!/bin/sh
# Cross-builds for one board, as `cmake --preset` does but into $BUILD/boards/PRESET.
#   boards_build.sh PRESET CMAKE-OPTION...
# A compiler that is missing is an error: gateway/setup.sh --boards installs it.
set -eu
preset=$1
shift
cd "$ROOT"
cmake --preset "$preset" -B "$BUILD/boards/$preset" -G Ninja -DSLUICE_WERROR=ON "$@"
cmake --build "$BUILD/boards/$preset" --parallel 1

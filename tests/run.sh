#!/bin/sh
# Installs what is missing, builds, and runs every test. A second run only builds
# what changed. SLUICE_JOBS sets how many jobs run at once (default: the cores).
#
#   build-debug  every test, under AddressSanitizer and UndefinedBehaviorSanitizer
#   build-fuzz   the fuzz targets, by clang's libFuzzer, each a bounded number of runs
#   build-tsan   what runs on several threads, under ThreadSanitizer
#   build        every test again on the program as it is installed
set -eu
cd "$(dirname "$0")/.."
jobs=${SLUICE_JOBS:-$(nproc)}

sh gateway/setup.sh --tests
sh tests/e2e/setup-node.sh

for preset in debug fuzz tsan release; do
    echo "== $preset"
    cmake --preset "$preset" -G Ninja -DSLUICE_WERROR=ON > /dev/null
    cmake --build --preset "$preset" --parallel "$jobs" > "build-$preset.log" 2>&1 || {
        cat "build-$preset.log"
        exit 1
    }
    rm "build-$preset.log"
    ctest --preset "$preset" --parallel "$jobs" --no-tests=error
done

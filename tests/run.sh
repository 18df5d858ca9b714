#!/bin/sh
# Installs what is missing, builds, and runs every test. A second run only builds
# what changed. SLUICE_JOBS sets how many jobs run at once (default: the cores).
set -eu
cd "$(dirname "$0")/.."
jobs=${SLUICE_JOBS:-$(nproc)}

sh gateway/setup.sh --tests
sh tests/e2e/setup-node.sh

# run PRESET [CTEST-ARGUMENT...]: builds in the preset's folder and runs its tests.
run() {
    preset=$1
    shift
    echo "== $preset"
    cmake --preset "$preset" -G Ninja -DSLUICE_WERROR=ON > /dev/null
    cmake --build --preset "$preset" --parallel "$jobs" > "build-$preset.log" 2>&1 || {
        cat "build-$preset.log"
        exit 1
    }
    rm "build-$preset.log"
    ctest --preset "$preset" --parallel "$jobs" --no-tests=error "$@"
}

run debug -LE boards # all, under AddressSanitizer and UBSan, but what cross-builds
run fuzz  # clang's libFuzzer, 40 s each
# What has threads, under ThreadSanitizer.
run tsan -R '^(net|tls|tls_trust|port|state|journal_thread|supervisor|authenticator|token)_test$'
run mbedtls -R '^(tls|tls_trust|pki|token|passwords)_test$' # what stands on libcrypto, without it
run release                                       # all again, as it is installed

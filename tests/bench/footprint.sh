#!/bin/sh
# What device-sdk/examples/publish.c takes of a device. Prints each figure with its limit, and fails when one is over
# it. The limits, and how each figure is measured, are the table under "Footprint" in README.md of this folder.
. "$ROOT/tests/e2e/lib.sh"

program=bin/sluice-publish
boards=$BUILD/boards

# build NAME TOOLCHAIN-FILE CMAKE-OPTION TARGET...: in $boards/NAME.
build() {
    name=$1 toolchain=$2 option=$3
    shift 3
    cmake -S "$ROOT" -B "$boards/$name" -G Ninja -DCMAKE_BUILD_TYPE=MinSizeRel -DSLUICE_GATEWAY=OFF \
        --toolchain "$ROOT/$toolchain" "$option" > "$DIR/build.log" 2>&1 &&
        cmake --build "$boards/$name" --parallel 2 --target "$@" >> "$DIR/build.log" 2>&1 || fail "cannot build $name"
}

# sum_sdk: sets `bytes` to the code and constants that the program links of wire and client. They are compiled without
# optimisation at link time, which would leave no trace of where a function came from.
sum_sdk() {
    objects=device-sdk/examples/CMakeFiles/sluice-publish.dir/publish.c.o
    build sdk boards/raspberrypi/armhf.cmake -DCMAKE_INTERPROCEDURAL_OPTIMIZATION_MINSIZEREL=OFF sluice_client $objects
    (cd "$boards/sdk" && arm-linux-gnueabihf-ld -r --gc-sections -e main -Map="$DIR/sdk.map" -o "$DIR/sdk.o" $objects \
        device-sdk/client/libsluice_client.a device-sdk/wire/libsluice_wire.a)
    bytes=0
    for size in $(sed '1,/^Linker script and memory map/d' "$DIR/sdk.map" | awk '
        $1 ~ /^\.(text|rodata|data|ARM\.ex)/ { section = $1; if (NF == 1) { getline; $0 = section " " $0 } }
        $1 == section && $4 ~ /libsluice_(client|wire)[.]a[(]/ { print $3 }'); do
        bytes=$((bytes + size))
    done
    [ "$bytes" -ge 8000 ] || fail "the linker map was not understood: $bytes bytes are not the SDK"
}

# file_bytes BUILD STRIP: of the executable as it would be copied to a device.
file_bytes() {
    "$2" -o "$DIR/stripped" "$boards/$1/$program"
    stat -c %s "$DIR/stripped"
}

# resident_bytes PID
resident_bytes() {
    echo $(($(sed -n 's/^Rss: *\([0-9]*\) kB$/\1/p' "/proc/$1/smaps_rollup") * 1024))
}

# check KEY BYTES: against the row of the table that begins with | `KEY` |, whose third column is the limit.
over=
check() {
    limit=$(sed -n "s/^| \`$1\` |[^|]*| *\([0-9,]*\) *|.*/\1/p" "$ROOT/tests/bench/README.md" | tr -d ,)
    [ -n "$limit" ] || fail "tests/bench/README.md has no limit for $1"
    printf '%-10s %8d B, limit %8d B\n' "$1" "$2" "$limit"
    [ "$2" -le "$limit" ] || over="$over $1"
}

build x86-64 tests/bench/x86-64.cmake -DSLUICE_WERROR=ON sluice-publish
sum_sdk
check sdk "$bytes"
check x86-64 "$(file_bytes x86-64 strip)"
check arm64 "$(file_bytes raspberrypi-arm64 aarch64-linux-gnu-strip)"
check armhf "$(file_bytes raspberrypi-armhf arm-linux-gnueabihf-strip)"
check stack "$("$BUILD/tests/stack_depth")"

make_pki device
configure_clients
start_gateway
cd "$DIR/pki"
"$boards/x86-64/$program" localhost "$MQTTS" device t/device 2> "$DIR/device.log" &
device=$!
started "$device"
wait_for '^online' "$DIR/device.log" "$device"
check resident "$(resident_bytes "$device")"
cd /
stop_gateway
[ -z "$over" ] || fail "over the limit of tests/bench/README.md:$over"

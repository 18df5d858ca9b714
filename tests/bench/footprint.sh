#!/bin/sh
# What device-sdk/examples/publish.c takes of a device. Prints each figure with its limit, and fails when one is over
# it. The limits, and how each figure is measured, are the table under "Footprint" in README.md of this folder.
. "$ROOT/tests/e2e/lib.sh"

program=bin/sluice-publish
arm64=$BUILD/boards/raspberrypi-arm64 armhf=$BUILD/boards/raspberrypi-armhf x86_64=$BUILD/boards/x86-64

{
    cmake -S "$ROOT" -B "$x86_64" -G Ninja -DCMAKE_BUILD_TYPE=MinSizeRel -DSLUICE_GATEWAY=OFF \
        --toolchain "$ROOT/tests/bench/x86-64.cmake" && cmake --build "$x86_64" --target sluice-publish --parallel 2
} > "$DIR/build.log" 2>&1 || fail "the build for x86-64 failed"

# text_of MAP ARCHIVE...: bytes of code and constants that the linker took of these archives.
text_of() {
    map=$1
    shift
    archives=$(printf '%s|' "$@")
    bytes=0
    for size in $(sed '1,/^Linker script and memory map/d' "$map" | awk -v archives="/(${archives%|})[(]" '
        $1 ~ /^\.(text|rodata|ARM\.ex)/ { section = $1; if (NF == 1) { getline; $0 = section " " $0 } }
        $1 == section && $4 ~ archives && $2 !~ /^0x0+$/ { print $3 }'); do
        bytes=$((bytes + size))
    done
    echo $bytes
}

# file_bytes BUILD-FOLDER STRIP: of the executable as it would be copied to a device.
file_bytes() {
    "$2" -o "$DIR/stripped" "$1/$program"
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

check sdk "$(text_of "$armhf/$program.map" libsluice_wire.a libsluice_client.a)"
check x86-64 "$(file_bytes "$x86_64" strip)"
check arm64 "$(file_bytes "$arm64" aarch64-linux-gnu-strip)"
check armhf "$(file_bytes "$armhf" arm-linux-gnueabihf-strip)"
check stack "$("$BUILD/tests/stack_depth")"

make_pki device
configure_clients
start_gateway
cd "$DIR/pki"
"$x86_64/$program" localhost "$MQTTS" device t/device 2> "$DIR/device.log" &
device=$!
started "$device"
wait_for '^online' "$DIR/device.log" "$device"
check resident "$(resident_bytes "$device")"
cd /
stop_gateway
[ -z "$over" ] || fail "over the limit of tests/bench/README.md:$over"

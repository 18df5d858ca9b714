#!/bin/sh
# A board boots: an emulated 64-bit ARM computer with Debian's kernel and what boards/flash writes publishes what it
# measures of itself over mutual TLS to the gateway on this machine, takes a command and answers it. The gateway's
# configuration is that of the README's page for newcomers, but for the ports, which the system chooses.
. "$ROOT/tests/e2e/lib.sh"
need qemu-system-aarch64 cpio mosquitto_rr
"$BUILD/bin/sluice" pki init "$DIR/pki" > "$DIR/pki.log"
"$BUILD/bin/sluice" pki issue "$DIR/pki" gateway --server --host 10.0.2.2 >> "$DIR/pki.log"
awk '/^## / { here = /^## From a blank SD card/ } here && /^END$/ { exit } inside
    here && /^cat > serverless.yml/ { inside = 1 }' "$ROOT/README.md" |
    sed 's/\(127\.0\.0\.1\|0\.0\.0\.0\):[0-9]*/127.0.0.1:0/g' > "$DIR/serverless.yml"
start_gateway
# shellcheck disable=SC2046 # a list of options
subscribe telemetry $(plain) -t 'farm/+/telemetry'
telemetry=$SUBSCRIBER

cat "$ROOT/boards/qemu-arm64/agent.conf" - > "$DIR/profile.conf" << END
[gateway]
commands = farm/%c/commands
[action machine]
run = uname -m
END
sh "$ROOT/boards/qemu-arm64/boot.sh" --name shed --gateway 10.0.2.2 --port "$MQTTS" --pki "$DIR/pki" \
    --sluice "$BUILD/bin/sluice" --agent "$BUILD/boards/qemu-arm64/bin/sluice-agent" --profile "$DIR/profile.conf" \
    > "$DIR/board.log" 2>&1 &
board=$!
started "$board"
# Real readings: it has been busy with booting, and has about 220 of its 256 MB left.
wait_for '^got farm/shed/telemetry .*"cpu_busy":[1-9][0-9.]*,"memory_available":2[0-9][0-9]' "$DIR/telemetry.log" "$board"
# shellcheck disable=SC2046 # a list of options
mosquitto_rr $(plain) -V 5 -q 1 -W 100 -t farm/shed/commands/machine -e farm/shed/answers -n > "$DIR/answer"
expect_lines "$DIR/answer" '{"output":"aarch64\n"}'

kill "$board"
! wait "$board" || fail "a board that was switched off ended by itself"
stop_gateway

#!/bin/sh
# A board boots: an emulated 64-bit ARM computer with Debian's kernel and what boards/flash writes publishes what it
# measures of itself over mutual TLS to the gateway on this machine.
. "$ROOT/tests/e2e/lib.sh"
need qemu-system-aarch64 cpio
make_pki
"$BUILD/bin/sluice" pki issue "$DIR/pki" board-gateway --server --host 10.0.2.2 >> "$DIR/pki.log"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/board-gateway.crt, key: pki/board-gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:shed", publish: ["farm/%c/#"], subscribe: ["farm/%c/commands/#"]}
    - {who: anonymous, publish: ["farm/#"], subscribe: ["farm/#"]}
END
start_gateway
# shellcheck disable=SC2046 # a list of options
subscribe telemetry $(plain) -t 'farm/#'
telemetry=$SUBSCRIBER

sh "$ROOT/boards/qemu-arm64/boot.sh" --name shed --gateway 10.0.2.2 --port "$MQTTS" --pki "$DIR/pki" \
    --sluice "$BUILD/bin/sluice" --agent "$BUILD/boards/qemu-arm64/bin/sluice-agent" > "$DIR/board.log" 2>&1 &
board=$!
started "$board"
# Real readings: it has been busy with booting, and has about 220 of its 256 MB left.
wait_for '^got farm/shed/telemetry .*"cpu_busy":[1-9][0-9.]*,"memory_available":2[0-9][0-9]' "$DIR/telemetry.log" "$board"

kill "$board"
! wait "$board" || fail "a board that was switched off ended by itself"
stop_gateway

#!/bin/sh
# A full disk: version 5 gets 0x97, version 3.1.1's PUBACK is withheld, and when there is space again everything
# works again and nothing that was acknowledged is lost. The disk is a small tmpfs, mounted in a namespace of this
# test's own.
if [ "${1:-}" != inside ]; then
    unshare -rm true 2> /dev/null || { echo "SKIP: this user may not mount a file system of its own"; exit 77; }
    exec unshare -rm sh "$0" inside
fi
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir "$DIR/disk"
mount -t tmpfs -o size=2m tmpfs "$DIR/disk" || skip "a tmpfs cannot be mounted"
cat > "$DIR/serverless.yml" << END
gateway:
  data: disk/data
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "free/#"], subscribe: ["out/#", "free/#"]}]
  journal: {segmentBytes: 65536}
functions:
  gated:
    handler: $BUILD/tests/faulty.so
    runtime: native
    timeout: 900
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT do, n FROM 'in/#'"}}]
    reply: out/gated
END
start_gateway
subscribe out $(plain) -V mqttv5 -q 0 -t 'out/#' -t 'free/#'
out=$SUBSCRIBER
publish $(plain) -q 1 -t in/device -m '{"do":"wait"}'
publish $(plain) -q 1 -t in/device -m '{"n":0}'
mount -o remount,size=$(du -sk "$DIR/disk" | cut -f 1)k "$DIR/disk"
dd if=/dev/zero of="$DIR/disk/other" bs=4096 2> /dev/null || true

# What was taken before the disk said no waits with its PUBACK; then version 5 is told.
version_5_is_told() {
    printf '{"n":1,"larger than what the journal has on disk already":"%0200000d"}' 0 > "$DIR/large"
    mosquitto_pub $(plain) -V mqttv311 -q 1 -t in/device -f "$DIR/large" > "$DIR/withheld.log" 2>&1 &
    withheld=$!
    started "$withheld"
    wait_for 'the disk is full' "$DIR/gateway.log" "$GATEWAY"
    mosquitto_pub $(plain) -V mqttv5 -q 1 -t in/device -m '{"n":-1}' > "$DIR/publish.log" 2>&1 || true
    grep -q 'Quota exceeded' "$DIR/publish.log" || fail "not refused: $(cat "$DIR/publish.log")"
    kill -0 "$withheld" || fail "a message that is not on disk was acknowledged: $(cat "$DIR/withheld.log")"
}

# Messages that need no disk go on.
others_go_on() {
    publish $(plain) -q 0 -t free/a -m zero
    expect out "$out" 'free/a 0 0 zero'
    publish $(plain) -q 1 -t free/a -m one
    expect out "$out" 'free/a 0 0 one'
}

everything_works_again() {
    rm "$DIR/disk/other"
    mount -o remount,size=2m "$DIR/disk"
    wait "$withheld" || fail "the withheld PUBACK did not come: $(cat "$DIR/withheld.log")"
    publish $(plain) -q 1 -t in/device -m '{"n":2}'
    publish $(plain) -V mqttv5 -q 1 -t in/device -m '{"n":3}'
}

# Also those from while the disk was full; the one that was refused is not there.
what_was_acknowledged_is_handled() {
    kill_gateway
    start_gateway
    subscribe after $(plain) -q 1 -t 'out/#'
    touch "$DIR/gate"
    for n in 0 1 2 3; do
        expect after "$SUBSCRIBER" "out/gated 1 0 {\"n\":$n}"
    done
    stop_gateway
    grep -q '"n":-1' "$DIR/after.log" && fail "the refused message was handled"
    [ "$(ledger invoked) $(ledger queued)" = "5 0" ] || fail "$(cat "$DIR/gateway.out")"
}

version_5_is_told
others_go_on
everything_works_again
what_was_acknowledged_is_handled

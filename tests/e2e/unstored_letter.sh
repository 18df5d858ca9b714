#!/bin/sh
# A dead letter that a full disk does not take is still in its queue when the gateway stops, and is counted once. The
# disk is a small tmpfs, mounted in a namespace of this test's own.
if [ "${1:-}" != inside ]; then
    unshare -rm true 2> /dev/null || { echo "SKIP: this user may not mount a file system of its own"; exit 77; }
    exec unshare -rm sh "$0" inside
fi
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub

mkdir "$DIR/disk"
mount -t tmpfs -o size=2m tmpfs "$DIR/disk" || skip "a tmpfs cannot be mounted"
cat > "$DIR/serverless.yml" << END
gateway:
  data: disk/data
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"]}]
functions:
  gated:
    handler: $BUILD/tests/faulty.so
    runtime: native
    timeout: 900
    maximumRetryAttempts: 0
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT do FROM 'in/#'"}}]
END
start_gateway
publish $(plain) -q 1 -t in/device -m '{"do":"wait"}'
publish $(plain) -q 1 -t in/device -m '{"do":"fail"}'
mount -o remount,size=$(du -sk "$DIR/disk" | cut -f 1)k "$DIR/disk"
dd if=/dev/zero of="$DIR/disk/other" bs=4096 2> /dev/null || true
touch "$DIR/gate"
wait_for 'function gated gave up' "$DIR/gateway.log" "$GATEWAY"
stop_gateway

rm "$DIR/disk/other"
mount -o remount,size=2m "$DIR/disk"
start_gateway
letter_is_there() {
    dead_letters | grep -q '^1 dead letters$'
}
wait_until letter_is_there
stop_gateway

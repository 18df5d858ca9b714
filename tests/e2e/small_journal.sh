#!/bin/sh
# The smallest journal there may be goes round and round, though one old message in it is never fetched.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", kept, flood], subscribe: [kept, flood]}]
  journal: {maxBytes: 16777216}
functions:
  calm:
    handler: $BUILD/tests/faulty.so
    runtime: native
    events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]
END
start_gateway
subscribe keeper $(plain) -c -i keeper -q 1 -t kept
kill "$SUBSCRIBER"
wait "$SUBSCRIBER" || true
publish $(plain) -q 1 -t kept -m old

{ printf '{"pad":"'; head -c 200000 /dev/zero | tr '\0' x; printf '"}'; } > "$DIR/event"

# publish_events COUNT TOPIC: 40 messages of 200 kB are half of the journal.
publish_events() {
    count=0
    while [ "$count" -lt "$1" ]; do
        timeout 60 mosquitto_pub $(plain) -q 1 -t "$2" -f "$DIR/event" > "$DIR/publish.log" 2>&1 ||
            fail "message $count of $2 was not acknowledged: $(cat "$DIR/publish.log")"
        count=$((count + 1))
    done
}

publish_events 200 in/device

# A session that is never fetched either, and gets more than the journal holds, stops nobody.
subscribe away $(plain) -c -i away -q 1 -t flood
kill "$SUBSCRIBER"
wait "$SUBSCRIBER" || true
publish_events 120 flood
publish_events 120 in/device
subscribe keeper $(plain) -c -i keeper -q 1 -t kept
expect keeper "$SUBSCRIBER" 'kept 1 0 old'
stop_gateway

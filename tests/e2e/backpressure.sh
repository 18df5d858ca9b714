#!/bin/sh
# A function that stands still, and publishers at full speed: they get no more PUBACKs than its queue has room, the
# gateway's memory stays where it is, other functions go on, and nothing is lost.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

# Freed memory that AddressSanitizer keeps for a while is not the gateway's.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1"

QUEUE_SIZE=300
PUBLISHERS="1 2 3"
PUBLISHER_COUNT=1000  # messages of each: together ten times the queue
PAYLOAD_BYTES=16000   # so that is 48 MB
GROWTH_KB_MAX=24576   # of the gateway: 2 MB of queues, twice the 8 MB of what the journal writes, and connections
ECHO_COUNT=20

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  limits: {receiveMaximum: 100}
  access: [{who: anonymous, publish: ["in/#", "slow/#", "echo"], subscribe: ["out/#"]}]
provider: {runtime: native, timeout: 900, environment: {GATE: $DIR/gate}}
functions:
  full:
    handler: $BUILD/tests/faulty.so
    files: {read: [.]}
    queueSize: $QUEUE_SIZE
    queueMemoryBytes: 1048576
    events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]
    reply: out/full
  slow:
    handler: $BUILD/tests/faulty.so
    files: {read: [.]}
    queueMemoryBytes: 1048576
    events: [{iot: {sql: "SELECT * FROM 'slow/#'", acknowledge: processed}}]
  echo:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'echo'"}}]
    reply: out/echo
END

# publish_all NAME TOPIC: sends the payloads as fast as they are taken.
publish_all() {
    stdbuf -oL mosquitto_pub -d $(plain) -V 5 -q 1 -t "$2" -l < "$DIR/payloads" > "$DIR/$1.pub" 2>&1 &
    started $!
    WAITING="$WAITING $!"
}

# acknowledged NAME: the PUBACKs of all publishers NAME...
acknowledged() {
    cat "$DIR/$1"*.pub | grep -c 'received PUBACK' || true
}

queue_is_full() {
    [ "$(acknowledged in)" -ge "$QUEUE_SIZE" ]
}

# memory_kb FIELD: of the gateway's status.
memory_kb() {
    sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$GATEWAY/status"
}

all_is_handled() {
    [ "$(got out | grep -c '^got out/full ')" = $((3 * PUBLISHER_COUNT)) ]
}

another_function_goes_on() {
    for n in $(seq "$ECHO_COUNT"); do
        publish $(plain) -q 1 -t echo -m "{\"n\":$n}"
        expect out "$SUBSCRIBER" "out/echo 1 0 {\"n\":$n}"
    done
}

yes "$(printf '{"do":"wait","pad":"%0*d"}' "$PAYLOAD_BYTES" 0)" | head -n "$PUBLISHER_COUNT" > "$DIR/payloads"
WAITING=
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
publish $(plain) -q 1 -t echo -m '{"n":0}'
expect out "$SUBSCRIBER" 'out/echo 1 0 {"n":0}'
before_kb=$(memory_kb VmRSS)
for publisher in $PUBLISHERS; do
    publish_all "in$publisher" in/x
done
publish_all slow slow/x
wait_until queue_is_full
another_function_goes_on
[ "$(acknowledged in)" = "$QUEUE_SIZE" ] || fail "a queue of $QUEUE_SIZE took $(acknowledged in)"
[ "$(acknowledged slow)" = 0 ] || fail "$(acknowledged slow) were acknowledged that are not processed"

touch "$DIR/gate"
for publisher in $WAITING; do
    wait "$publisher" || fail "a publisher ended with status $?"
done
wait_until all_is_handled
grew_kb=$(($(memory_kb VmHWM) - before_kb))
[ "$grew_kb" -le "$GROWTH_KB_MAX" ] || fail "the gateway took $grew_kb kB more"
echo "the gateway took $grew_kb kB more"
stop_gateway
[ "$(ledger accepted) $(ledger queued) $(ledger deadLetters)" = "$((4 * PUBLISHER_COUNT + ECHO_COUNT + 1)) 0 0" ] ||
    fail "$(cat "$DIR/gateway.out")"

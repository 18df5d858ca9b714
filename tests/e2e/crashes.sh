#!/bin/sh
# What was acknowledged before the gateway is killed is handled after it starts again.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "out/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  gated:
    handler: $BUILD/tests/faulty.so
    timeout: 900
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT do, n FROM 'in/#'"}}]
    reply: out/gated
  batched:
    handler: $BUILD/tests/faulty.so
    timeout: 900
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT n FROM 'in/#' WHERE n >= 0", batchSize: 11, maximumBatchingWindow: 300}}]
    reply: out/batched
END

# One function holds the first event back, so those behind it wait, and the other's batch is not full until the
# gateway has died twice.
accepted_messages_are_handled_after_a_kill() {
    start_gateway
    publish $(plain) -q 1 -t in/device -m '{"do":"wait"}'
    for n in 1 2 3; do
        publish $(plain) -q 1 -t in/device -m "{\"n\":$n}"
        publish $(plain) -q 2 -V mqttv5 -t in/device -m "{\"n\":$((n + 3))}"
        publish $(plain) -q 1 -i "publisher$n" -c -V mqttv311 -t in/device -m "{\"n\":$((n + 6))}"
    done
    kill_gateway
    start_gateway
    publish $(plain) -q 1 -t in/device -m '{"n":10}'
    kill_gateway
    start_gateway
    subscribe out $(plain) -q 1 -t 'out/#'
    publish $(plain) -q 1 -t in/device -m '{"n":11}'
    touch "$DIR/gate"
    for n in 1 2 3 4 5 6 7 8 9 10 11; do
        expect out "$SUBSCRIBER" "out/gated 1 0 {\"n\":$n}"
    done
    wait_for '^got out/batched .*"n\\":1}.*"n\\":11}' "$DIR/out.log" "$SUBSCRIBER"
    wait_for '^got out/gated 1 0 {"waited":true}$' "$DIR/out.log" "$SUBSCRIBER"
    stop_gateway
    [ "$(ledger restored) $(ledger queued)" = "21 0" ] || fail "$(cat "$DIR/gateway.out")"
}

# What was handled is not handled again by the next gateway.
handled_messages_are_not_repeated() {
    start_gateway
    stop_gateway
    [ "$(ledger restored) $(ledger invocations)" = "0 0" ] || fail "$(cat "$DIR/gateway.out")"
}

# What waits when the gateway stops in good order waits for the next one, which says how much there is.
waiting_messages_survive_a_clean_stop() {
    rm "$DIR/gate"
    start_gateway
    publish $(plain) -q 1 -t in/device -m '{"do":"wait"}'
    publish $(plain) -q 1 -t in/device -m '{"n":12}'
    stop_gateway
    [ "$(ledger accepted) $(ledger queued)" = "3 3" ] || fail "$(cat "$DIR/gateway.out")"
    start_gateway
    subscribe out $(plain) -q 1 -t 'out/gated'
    touch "$DIR/gate"
    expect out "$SUBSCRIBER" 'out/gated 1 0 {"n":12}'
    stop_gateway
    [ "$(ledger restored) $(ledger queued)" = "3 1" ] || fail "$(cat "$DIR/gateway.out")"
}

accepted_messages_are_handled_after_a_kill
handled_messages_are_not_repeated
waiting_messages_survive_a_clean_stop

#!/bin/sh
# When publishers get their acknowledgements: at once, from the disk, or from the function.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub
need_paho

configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:$1"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "fast/#", "bad/#"], subscribe: ["out/#"]}]
  journal: {commitDelay: $2}
provider: {runtime: native, timeout: 900, environment: {GATE: $DIR/gate}}
functions:
  gated:
    handler: $BUILD/tests/faulty.so
    files: {read: [.]}
    events: [{iot: {sql: "SELECT do, n FROM 'in/#'", acknowledge: processed}}]
    reply: "out/gated/\${n}"
  echo:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT n FROM 'in/#'"}}]
    reply: "out/echo/\${n}"
  failing:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT * FROM 'bad/#'", acknowledge: processed}}]
  fast:
    handler: $BUILD/tests/faulty.so
    files: {read: [.]}
    events: [{iot: {sql: "SELECT * FROM 'fast/#'", acknowledge: received}}]
END
}

# start_publisher NAME ARGUMENTS...: of publisher.py, with its lines in $DIR/NAME.log; sets PUBLISHER and its name.
start_publisher() {
    PUBLISHER_NAME=$1
    shift
    "$PYTHON" -B "$ROOT/tests/e2e/publisher.py" "$MQTT" "$PUBLISHER_NAME" "$@" > "$DIR/$PUBLISHER_NAME.log" 2>&1 &
    PUBLISHER=$!
    started "$PUBLISHER"
}

# expect_acknowledged LINE...: all that the publisher started last has said when it ends.
expect_acknowledged() {
    wait "$PUBLISHER" || fail "the publisher $PUBLISHER_NAME"
    expect_lines "$DIR/$PUBLISHER_NAME.log" "$@"
}

# One rule stores, the other processes: the later holds, and what is behind it waits for its turn.
processed_comes_after_the_function_in_the_order_of_publishing() {
    rm -f "$DIR/gate"
    start_publisher order 1 in/x '{"do":"wait","n":1}' 1 fast/x '{"n":2}' 1 in/x '{"n":3}'
    expect out "$SUBSCRIBER" 'out/echo/1 1 0 {"n":1}'
    expect out "$SUBSCRIBER" 'out/echo/3 1 0 {"n":3}'
    [ ! -s "$DIR/order.log" ] || fail "acknowledged before the function was done: $(cat "$DIR/order.log")"
    touch "$DIR/gate"
    expect_acknowledged "acknowledged 1" "acknowledged 2" "acknowledged 3"
}

repetition_has_come() {
    [ "$(got out | grep -c '^got out/echo/4 ')" -ge 2 ]
}

# The publisher gets none, and so repeats both; QoS 1 may then be handled twice, QoS 2 is taken once.
over_a_crash_it_is_repeated() {
    rm "$DIR/gate"
    start_publisher crash 1 in/x '{"do":"wait","n":4}' 2 in/x '{"do":"wait","n":5}'
    expect out "$SUBSCRIBER" 'out/echo/4 1 0 {"n":4}'
    expect out "$SUBSCRIBER" 'out/echo/5 1 0 {"n":5}'
    kill_gateway
    [ ! -s "$DIR/crash.log" ] || fail "acknowledged before the function was done: $(cat "$DIR/crash.log")"
    start_gateway
    wait_until repetition_has_come
    [ ! -s "$DIR/crash.log" ] || fail "acknowledged before the function was done: $(cat "$DIR/crash.log")"
    touch "$DIR/gate"
    expect_acknowledged "acknowledged 1" "acknowledged 2"
    expect out "$SUBSCRIBER" 'out/gated/5 1 0 .*'
}

# What the function never takes is acknowledged when it is a dead letter.
a_dead_letter_is_processed() {
    publish $(plain) -q 1 -t bad/x -m '{"do":"fail"}'
    dead_letters | grep -q '^failing  bad/x ' || fail "$(dead_letters)"
}

# A commit waits a second for more; what is killed before that has no trace of the message.
received_may_be_lost() {
    configure 0 1000
    rm "$DIR/gate"
    for turn in 1 2 3 4 5 6 7 8 9 10; do
        start_gateway
        publish $(plain) -q 1 -t fast/x -m '{"do":"wait"}'
        kill_gateway
        start_gateway
        stop_gateway
        [ "$(ledger restored)" = $((turn - 1)) ] && return
    done
    fail "ten messages were on disk when they were acknowledged"
}

configure 0 2
start_gateway
configure "$MQTT" 2
subscribe out $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#' # it reconnects by itself
processed_comes_after_the_function_in_the_order_of_publishing
over_a_crash_it_is_repeated
a_dead_letter_is_processed
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"
received_may_be_lost

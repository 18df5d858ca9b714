#!/bin/sh
# An ordered event: what belongs together is handled in its order, also over failures and a crash, and what fails for
# ever holds up nothing else and becomes a dead letter.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir "$DIR/records"
chmod 777 "$DIR/records" # the function has a user of its own
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["door/#", "step/#", later], subscribe: ["out/#"]}]
provider: {runtime: native, environment: {GATE: $DIR/gate}}
functions:
  doors:
    handler: $BUILD/tests/faulty.so
    files: {read: [.]}
    reservedConcurrency: 2
    reply: "out/%c/\${n}"
    events:
      - iot:
          sql: "SELECT * FROM 'door/#'"
          mode: ordered
          parallelizationFactor: 2
          maximumRetryAttempts: 10000
  later:
    handler: $BUILD/tests/faulty.so
    reply: out/later
    events: [{iot: {sql: "SELECT * FROM 'later'", delaySeconds: 2.5}}]
  steps:
    handler: $BUILD/tests/faulty.so
    environment: {HANDLED: $DIR/records/handled}
    files: {write: [records]}
    events:
      - iot:
          sql: "SELECT * FROM 'step/#'"
          mode: ordered
          partitionKey: \${stairs}
          batchSize: 6
          maximumBatchingWindow: 60
          functionResponseType: ReportBatchItemFailures
          maximumRetryAttempts: 1
END

# knock CLIENT MESSAGE...: publishes them in order.
knock() {
    client=$1
    shift
    printf '%s\n' "$@" | mosquitto_pub -p "$MQTT" -q 1 -i "$client" -t door/x -l
}

a_closed_door_holds_up_only_who_waits_at_it() {
    knock anna '{"do":"knock","n":1}' '{"n":2}' '{"n":3}'
    knock bert '{"n":4}' '{"n":5}'
    wait_for '^got out/bert/5' "$DIR/out.log" "$out"
    [ "$(got out | grep -c anna)" = 0 ] || fail "anna was overtaken: $(got out)"
}

# Over the crash, and no sooner than it should.
published_ms=0
what_is_delayed_comes_when_it_is_due() {
    wait_for '^got out/later' "$DIR/later.log" "$SUBSCRIBER"
    [ "$(($(date +%s%3N) - published_ms))" -ge 2500 ] || fail "it came too early"
}

# The same order after a crash as before.
opened_it_lets_all_in_by_their_order() {
    published_ms=$(date +%s%3N)
    publish $(plain) -q 1 -t later -m '{"later":true}'
    kill_gateway
    touch "$DIR/gate"
    start_gateway
    subscribe later $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
    wait_for '^got out/anna/3' "$DIR/later.log" "$SUBSCRIBER"
    got later | sed -n 's/^got out\/anna\/\(.\).*/\1/p' > "$DIR/order"
    expect_lines "$DIR/order" 1 2 3
}

letter_count() {
    [ "$(dead_letters | tail -n 1)" = "$1 dead letters" ]
}

# The third step of one flight of stairs is rotten; it is reported twice, and then left out.
a_reported_record_is_a_checkpoint() {
    for step in '{"stairs":"a","n":1}' '{"stairs":"b","n":2}' '{"stairs":"a","n":3,"is":"rotten"}' \
        '{"stairs":"a","n":4}' '{"stairs":"b","n":5}' '{"stairs":"b","n":6}'; do
        publish $(plain) -q 1 -t step/x -m "$step"
    done
    wait_until letter_count 1
    dead_letters | grep -q '^steps  step/x  2 attempts, attempts: ' || fail "$(dead_letters)"
    wait_until all_steps_are_taken
    grep -x '[14]' "$DIR/records/handled" > "$DIR/order"
    expect_lines "$DIR/order" 1 4
    grep -x '[256]' "$DIR/records/handled" > "$DIR/order"
    expect_lines "$DIR/order" 2 5 6
}

all_steps_are_taken() {
    [ "$(sort "$DIR/records/handled" | tr -d '\n')" = 12456 ]
}

start_gateway
subscribe out $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
out=$SUBSCRIBER
a_closed_door_holds_up_only_who_waits_at_it
opened_it_lets_all_in_by_their_order
what_is_delayed_comes_when_it_is_due
a_reported_record_is_a_checkpoint
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"

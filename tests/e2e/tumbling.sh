#!/bin/sh
# Tumbling windows: each record is once in the state of its window, also over crashes, failures and the dead letter
# queue.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "in-long/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  sums:
    handler: $BUILD/tests/summing.so
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    reply: "out/\${kind}"
    events:
      - iot:
          sql: "SELECT * FROM 'in/#'"
          mode: ordered
          partitionKey: topic
          batchSize: 10
          maximumRetryAttempts: 1
          tumblingWindowInSeconds: 1
      - iot:
          sql: "SELECT * FROM 'in-long/#'"
          mode: ordered
          partitionKey: topic
          batchSize: 10
          tumblingWindowInSeconds: 3
END

# publish_numbers TOPIC NUMBER...
publish_numbers() {
    topic=$1
    shift
    printf '{"n":%d}\n' "$@" | mosquitto_pub $(plain) -q 1 -t "$topic" -l
}

# The sum of all windows. One that ended in a crash may be told twice: its start and its sum are the same.
sum_of_windows() {
    cat "$DIR"/out*.log | grep '^got out/final' | sed 's/.*"start":"\([^"]*\)","sum":\([0-9]*\).*/\1 \2/' | sort -u |
        awk '{ sum += $2 } END { print sum + 0 }'
}

sum_is() {
    [ "$(sum_of_windows)" = "$1" ]
}

# Each round has acknowledged numbers, and a gateway that is killed at any point of their handling.
every_number_is_in_one_window() {
    for round in 1 2 3 4; do
        publish_numbers in/a $(seq "$((round * 100 - 99))" "$((round * 100))")
        kill_gateway
        start_gateway
        subscribe "out$round" $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
    done
    wait_until sum_is 80200
}

# Behind the windows of before, whose last ones these are.
a_partition_has_windows_of_its_own() {
    publish_numbers in/b 1 2 3
    publish_numbers in/c 10 20 30
    wait_until sum_is 80266
}

no_state_is_a_failure() {
    mosquitto_pub $(plain) -q 1 -t in/a -m '{"n":5}'
    mosquitto_pub $(plain) -q 1 -t in/a -m '{"n":1000,"mute":true}'
    mosquitto_pub $(plain) -q 1 -t in/a -m '{"n":6}'
    wait_until sum_is 80277
    dead_letters | grep -q '^sums  in/a  2 attempts, attempts: Sluice.NoState' || fail "$(dead_letters)"
}

is_in_state() {
    grep -q "^got out/step .*\"sum\":$1," "$DIR"/out*.log
}

# Its window is open, and its message in no queue any more.
a_start_without_the_function_keeps_the_states() {
    publish_numbers in-long/a 4000
    wait_until is_in_state 4000
    stop_gateway
    cp "$DIR/serverless.yml" "$DIR/kept.yml"
    sed -i 's/^  sums:/  others:/' "$DIR/serverless.yml"
    start_gateway
    stop_gateway
    mv "$DIR/kept.yml" "$DIR/serverless.yml"
    start_gateway
    subscribe out5 $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
    wait_until sum_is 84277
}

end_is_a_dead_letter() {
    dead_letters | grep -q '^sums  $window/end  2 attempts, attempts: Closed'
}

# With its state, which is nowhere else then; the windows behind it go on, and it can be put back. So can the
# message without a state of before: to the window of now, since its own was told.
an_end_that_is_given_up_keeps_its_state() {
    publish_numbers in/d 777
    wait_until end_is_a_dead_letter
    publish_numbers in/d 1
    wait_until sum_is 84278
    touch "$DIR/gate"
    replayed=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    "$BUILD/bin/sluice" dlq replay sums --config "$DIR/serverless.yml" > "$DIR/replay.log" 2>&1 || fail "dlq replay"
    wait_until sum_is 86055
    start=$(cat "$DIR"/out*.log | sed -n 's/^got out\/final .*"start":"\([^"]*\)","sum":1000,.*/\1/p')
    printf '%s\n' "$replayed" "$start" | LC_ALL=C sort -c || fail "put back at $replayed, its window began at $start"
}

start_gateway
subscribe out0 $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
every_number_is_in_one_window
a_partition_has_windows_of_its_own
no_state_is_a_failure
a_start_without_the_function_keeps_the_states
an_end_that_is_given_up_keeps_its_state
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"

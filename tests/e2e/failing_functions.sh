#!/bin/sh
# A function that fails harms nothing but its own event: that is tried again, and then kept as a dead letter.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "batch/#", "calm/#", "drop/#", "both/#"], subscribe: ["out/#"]}]
  workers: {restartBase: 0.01, restartCap: 0.05}
provider: {runtime: native}
functions:
  faulty:
    handler: $BUILD/tests/faulty.so
    timeout: 1
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]
    reply: out/faulty
  batched:
    handler: $BUILD/tests/faulty.so
    timeout: 1
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT * FROM 'batch/#'", batchSize: 5, maximumBatchingWindow: 300}}]
  dropping:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    destinations: {onFailure: none}
    events: [{iot: {sql: "SELECT * FROM 'drop/#'"}}]
  twofold:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'both/#'"}}, {iot: {sql: "SELECT * FROM 'both/+'"}}]
  calm:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'calm/#'"}}]
    reply: out/calm
END
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
out=$SUBSCRIBER

letter_count() {
    dead_letters | grep -q "^$1 dead letters\$"
}

# Every way to fail, between good events of the same function, while another function goes on.
each_failure_ends_as_a_dead_letter() {
    count=0
    for fault in crash exit fail garbage hang; do
        count=$((count + 1))
        publish $(plain) -q 1 -t in/device -m "{\"do\":\"$fault\"}"
        publish $(plain) -q 1 -t in/device -m "{\"good\":$count}"
        publish $(plain) -q 1 -t calm/device -m "{\"calm\":$count}"
        expect out "$out" "out/calm 1 0 {\"calm\":$count}"
        expect out "$out" "out/faulty 1 0 {\"good\":$count}"
        wait_until letter_count "$count"
    done
}

# What no JSON route can read is kept at once, without bothering the function.
what_is_no_json_is_a_dead_letter() {
    publish $(plain) -q 1 -t in/device -m 'temperature: 21'
    wait_until letter_count 6
}

expect_letters() {
    dead_letters > "$DIR/letters"
    [ "$(wc -l < "$DIR/letters")" = 7 ] || fail "these are not six letters: $(cat "$DIR/letters")"
    while read -r letter; do
        grep -q -- "$letter" "$DIR/letters" || fail "no '$letter' in: $(cat "$DIR/letters")"
    done << END
^faulty  in/device  2 attempts, attempts: Runtime.ExitError: .*signal: Segmentation fault$
^faulty  in/device  2 attempts, attempts: Runtime.ExitError: .*exit status 3$
^faulty  in/device  2 attempts, attempts: Refused: this event is never good$
^faulty  in/device  2 attempts, attempts: Runtime.ExitError: the worker broke the worker protocol .*a malformed frame$
^faulty  in/device  2 attempts, attempts: Sandbox.Timedout: Task timed out after 1.00 seconds$
^faulty  in/device  0 attempts, rejected: InvalidPayload: .*JSON
^6 dead letters$
END
}

# A batch with one bad record is halved until only the bad one fails.
one_bad_record_does_not_take_its_batch_along() {
    for record in '{"n":1}' '{"n":2}' '{"do":"crash"}' '{"n":4}' '{"n":5}'; do
        publish $(plain) -q 1 -t batch/device -m "$record"
    done
    wait_until letter_count 7
    "$BUILD/bin/sluice" dlq ls --config "$DIR/serverless.yml" batched > "$DIR/letters"
    grep -q '^1 dead letters$' "$DIR/letters" || fail "not one: $(cat "$DIR/letters")"
}

# Where no dead letters are wanted a failed event is dropped, and counted.
what_nobody_keeps_is_counted() {
    publish $(plain) -q 1 -t drop/device -m '{"do":"fail"}'
    wait_for 'function dropping gave up .*it is dropped' "$DIR/gateway.log" "$GATEWAY"
}

# A function's events have a queue each, and one message may fail in both.
each_event_of_a_function_has_dead_letters_of_its_own() {
    publish $(plain) -q 1 -t both/device -m 'no JSON'
    wait_until letter_count 9
    "$BUILD/bin/sluice" dlq ls --config "$DIR/serverless.yml" twofold > "$DIR/letters"
    grep -q '  twofold  both/device' "$DIR/letters" || fail "no letter of the first event: $(cat "$DIR/letters")"
    grep -q '  twofold/2  both/device' "$DIR/letters" || fail "no letter of the second event: $(cat "$DIR/letters")"
    grep -q '^2 dead letters$' "$DIR/letters" || fail "not two: $(cat "$DIR/letters")"
}

each_failure_ends_as_a_dead_letter
what_is_no_json_is_a_dead_letter
expect_letters
publish $(plain) -q 1 -t calm/device -m '{"calm":"last"}' # its PUBACK says that what finished before it is on disk
kill_gateway
start_gateway
expect_letters
one_bad_record_does_not_take_its_batch_along
what_nobody_keeps_is_counted
each_event_of_a_function_has_dead_letters_of_its_own
stop_gateway
[ "$(ledger discarded) $(ledger deadLetters) $(ledger queued)" = "1 3 0" ] || fail "$(cat "$DIR/gateway.out")"

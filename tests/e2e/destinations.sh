#!/bin/sh
# What becomes of an event is told to the function's destination, as Lambda tells it, before its message goes.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  told:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT *, topic(3) AS device FROM 'in/told/+'"}}]
    reply: out/reply
    destinations: {onSuccess: {topic: "out/ok/\${device}"}, onFailure: {topic: "out/failed/%c"}}
  late:
    handler: $BUILD/tests/faulty.so
    maximumEventAge: 1
    events: [{iot: {sql: "SELECT * FROM 'in/late'", delaySeconds: 1.1}}]
    destinations: {onFailure: {topic: out/late}}
  batched:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/batched'", batchSize: 2, maximumBatchingWindow: 300}}]
    destinations: {onFailure: {topic: "out/batched/\${n}"}}
  unfit:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/unfit'"}}]
    destinations: {onFailure: {topic: "out/\${nothing}"}}
  source:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'in/source'"}}]
    destinations: {onSuccess: audit, onFailure: "arn:aws:lambda:us-east-1:123456789012:function:audit"}
  audit:
    handler: $BUILD/tests/faulty.so
    reply: out/audit
  waiter:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'in/waiter'"}}]
    destinations: {onSuccess: slow}
  slow:
    handler: $BUILD/tests/faulty.so
    timeout: 120
    queueSize: 2
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    reply: "out/slow/\${requestPayload.n}"
END
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
out=$SUBSCRIBER

uuid='"[0-9a-f-]*"'
# record CONDITION FUNCTION COUNT: how a record begins.
record() {
    echo "{\"version\":\"1.0\",\"timestamp\":\"20[0-9T:.-]*Z\",\"requestContext\":{\"requestId\":$uuid,\"functionArn\":\"arn:aws:lambda:us-east-1:000000000000:function:$2:\$LATEST\",\"condition\":\"$1\",\"approximateInvokeCount\":$3}"
}
answered='"responseContext":{"statusCode":200,"executedVersion":"$LATEST"'

success_goes_to_a_topic() {
    publish $(plain) -q 1 -t in/told/d1 -m '{"n":1}'
    expect out "$out" "out/reply 1 0 {\"n\":1,\"device\":\"d1\"}"
    expect out "$out" "out/ok/d1 1 0 $(record Success told 1),\"requestPayload\":{\"n\":1,\"device\":\"d1\"},$answered},\"responsePayload\":{\"n\":1,\"device\":\"d1\"}}"
}

failure_goes_to_a_topic_after_the_last_attempt() {
    publish $(plain) -q 1 -i me -t in/told/d1 -m '{"do":"fail"}'
    expect out "$out" "out/failed/me 1 0 $(record RetriesExhausted told 2),\"requestPayload\":{\"do\":\"fail\",\"device\":\"d1\"},$answered,\"functionError\":\"Unhandled\"},\"responsePayload\":{.*Refused.*this event is never good.*}}"
}

what_was_never_tried_says_so() {
    publish $(plain) -q 1 -t in/late -m '{"n":2}'
    expect out "$out" "out/late 1 0 $(record EventAgeExceeded late 0),\"requestPayload\":{\"n\":2},\"responseContext\":null,\"responsePayload\":null}"
}

# Each message of a batch that is given up has a record of its own, in the form in which the function gets one.
a_batch_fails_message_by_message() {
    publish $(plain) -q 1 -t in/batched -m '{"n":1,"do":"fail"}'
    publish $(plain) -q 1 -t in/batched -m '{"n":2,"do":"fail"}'
    for n in 1 2; do
        expect out "$out" "out/batched/$n 1 0 $(record RetriesExhausted batched 1),\"requestPayload\":{\"Records\":\[{\"messageId\":\"$n\",.*\"body\":\"{.\"n.\":$n,.\"do.\":.\"fail.\"}\".*}\]},$answered,.*"
    done
}

is_dead() {
    dead_letters | grep -q "$1"
}

what_fits_no_topic_is_a_dead_letter() {
    publish $(plain) -q 1 -t in/unfit -m '{"do":"fail"}'
    wait_until is_dead '^unfit  in/unfit  1 attempts, attempts: Refused'
}

a_function_gets_the_record_as_its_event() {
    publish $(plain) -q 1 -t in/source -m '{"n":3}'
    expect out "$out" "out/audit 1 0 $(record Success source 1),\"requestPayload\":{\"n\":3},$answered},\"responsePayload\":{\"n\":3}}"
    publish $(plain) -q 1 -t in/source -m 'no JSON'
    expect out "$out" "out/audit 1 0 $(record RetriesExhausted source 0),\"requestPayload\":\"no JSON\",$answered.*InvalidPayload.*"
}

# Records that find no room hold back their function and are kept, over a crash too.
a_full_destination_loses_nothing() {
    for n in 1 2 3 4 5; do
        publish $(plain) -q 1 -t in/waiter -m "{\"n\":$n}"
    done
    waits='^DEBUG function waiter waits: the queue of function slow has no room'
    wait_for "$waits" "$DIR/gateway.log" "$GATEWAY"
    kill_gateway
    kill "$out"
    : > "$DIR/gateway.log"
    READY_COUNT=0
    start_gateway --verbose
    wait_for "$waits" "$DIR/gateway.log" "$GATEWAY"
    subscribe out $(plain) -q 1 -t 'out/#'
    out=$SUBSCRIBER
    : > "$DIR/gate"
    for n in 1 2 3 4 5; do
        expect out "$out" "out/slow/$n 1 0 {\"waited\":true}"
    done
}

success_goes_to_a_topic
failure_goes_to_a_topic_after_the_last_attempt
what_was_never_tried_says_so
a_batch_fails_message_by_message
what_fits_no_topic_is_a_dead_letter
a_function_gets_the_record_as_its_event
stop_gateway
[ "$(ledger sentOn) $(ledger deadLetters) $(ledger queued)" = "5 1 0" ] || fail "$(cat "$DIR/gateway.out")"
start_gateway --verbose
a_full_destination_loses_nothing
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"

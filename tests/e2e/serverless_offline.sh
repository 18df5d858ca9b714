#!/bin/sh
# Functions in Lambda as serverless-offline plays it: results, batches, errors of the function, an endpoint that
# is away for a while.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

CLOUD=$ROOT/tests/e2e/serverless
need_node "$CLOUD"

# The mock says a free port, and ends with its standard input.
PORT=$("$BUILD/tests/mock_lambda" < /dev/null)

start_cloud() {
    : > "$DIR/cloud.log"
    (cd "$CLOUD" && SLS_TELEMETRY_DISABLED=1 exec "$NODE" node_modules/serverless/bin/serverless.js \
        offline start --lambdaPort "$PORT") > "$DIR/cloud.log" 2>&1 &
    CLOUD_PID=$!
    started "$CLOUD_PID"
    wait_for 'failing: cloud-dev-failing' "$DIR/cloud.log" "$CLOUD_PID"
}

stop_cloud() {
    kill "$CLOUD_PID"
    wait "$CLOUD_PID" || true
}

cat > "$DIR/serverless.yml" << END
provider: {name: aws, region: eu-west-1}
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#"], subscribe: ["farm/#"]}]
functions:
  archive:
    lambda: cloud-dev-archive
    endpoint: http://localhost:$PORT
    reservedConcurrency: 8
    timeout: 60
    events: [{iot: {sql: "SELECT *, topic(2) AS device FROM 'farm/+/one'"}}]
    reply: "farm/\${device}/archived"
  batches:
    lambda: cloud-dev-archive
    endpoint: http://localhost:$PORT
    timeout: 60
    events: [{iot: {sql: "SELECT * FROM 'farm/+/many'", batchSize: 5, maximumBatchingWindow: 300}}]
    reply: farm/batches
  failing:
    lambda: cloud-dev-failing
    endpoint: http://localhost:$PORT
    timeout: 60
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'farm/+/failing'"}}]
    reply: farm/failed
  queued:
    lambda: cloud-dev-archive
    endpoint: http://localhost:$PORT
    invocationType: Event
    timeout: 60
    events: [{iot: {sql: "SELECT * FROM 'farm/+/queued'"}}]
    reply: farm/queued
END

results_come_back_on_the_reply_topic() {
    publish $(plain) -q 1 -t farm/d1/one -m '{"temperature":21.5}'
    expect all "$all" 'farm/d1/archived 1 0 {"archived":1}'
}

batches_are_records() {
    for number in 1 2 3 4 5; do
        publish $(plain) -q 1 -t farm/d1/many -m "{\"number\":$number}"
    done
    expect all "$all" 'farm/batches 1 0 {"archived":5}'
}

# The event is given up after its one attempt, with what the function said.
errors_of_the_function_become_dead_letters() {
    publish $(plain) -q 1 -t farm/d1/failing -m '{}'
    wait_for 'function failing gave up a message after 1 attempts .*this function always fails' "$DIR/gateway.log" \
        "$GATEWAY"
}

# Nothing is lost, and no attempt of the event is used up, while there is nobody to ask.
an_endpoint_that_is_away_is_waited_for() {
    stop_cloud
    publish $(plain) -q 1 -t farm/d2/one -m '{"temperature":22}'
    wait_for 'is not reached: Lambda.Unreachable' "$DIR/gateway.log" "$GATEWAY"
    start_cloud
    expect all "$all" 'farm/d2/archived 1 0 {"archived":1}'
}

has_archived() {
    [ "$(grep -c 'archive) RequestId' "$DIR/cloud.log")" = "$1" ]
}

# Accepted is all that is to be known of it.
event_invocations_have_no_result() {
    wait_until has_archived 1
    publish $(plain) -q 1 -t farm/d1/queued -m '{}'
    wait_until has_archived 2
}

start_cloud
start_gateway
subscribe all $(plain) -q 1 -t 'farm/#'
all=$SUBSCRIBER

results_come_back_on_the_reply_topic
batches_are_records
errors_of_the_function_become_dead_letters
an_endpoint_that_is_away_is_waited_for
event_invocations_have_no_result
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "something was left: $(cat "$DIR/gateway.out")"
[ "$(ledger deadLetters)" = 1 ] || fail "not one dead letter: $(cat "$DIR/gateway.out")"
[ "$(ledger results)" = 3 ] || fail "an Event invocation has a result: $(cat "$DIR/gateway.out")"

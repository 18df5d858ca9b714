#!/bin/sh
# Who asks a function as MQTT 5 has it (Response Topic, Correlation Data) gets its answer there, an error too, and
# nobody gets an answer where he may not listen.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto_rr

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["ask/#", "order/#"], subscribe: ["answers/%c/#", "answers/all/#", "out/#", "valve/#"]}]
  workers: {restartBase: 0.01, restartCap: 0.05}
provider: {runtime: native}
functions:
  echo:
    handler: $BUILD/tests/faulty.so
    timeout: 1
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT n, do FROM 'ask/echo'"}}]
    reply: out/echo
  silent:
    handler: $BUILD/handlers/threshold.so
    environment: {CHANNEL: celsius, HIGH: "30", LOW: "28"}
    events: [{iot: {sql: "SELECT celsius, 'd' AS device FROM 'ask/silent'"}}]
  late:
    handler: $BUILD/tests/faulty.so
    maximumEventAge: 1
    events: [{iot: {sql: "SELECT * FROM 'ask/late'", delaySeconds: 1.1}}]
    destinations: {onFailure: none}
  commander:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT turn, topic(2) AS valve FROM 'order/+'"}}]
    reply: valve/\${valve}/commands
    replyTo: valve/\${valve}/answers/\${turn}
  batched:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'ask/batched'", batchSize: 1}}]
    reply: out/batched
END
start_gateway

# ask CLIENT FUNCTION PAYLOAD EXPECTED [OPTION...]: its answer is EXPECTED, as User Properties|payload.
ask() {
    client=$1 function=$2 payload=$3 expected=$4
    shift 4
    answer=$(timeout 120 mosquitto_rr $(plain) -V 5 -i "$client" -t "ask/$function" -e "answers/$client/here" -m "$payload" \
        -F '%P|%p' "$@") || fail "no answer to $payload"
    [ -z "${answer##$expected}" ] || fail "this is the answer to $payload: $answer"
}

answers_come_where_they_are_wanted() {
    subscribe out $(plain) -q 1 -t 'out/#'
    ask one echo '{"n":1}' '|{"n":1}'
    ask one echo '{"n":2}' '|{"n":2}' -q 1
    expect out "$SUBSCRIBER" 'out/echo 1 0 {"n":1}'
    expect out "$SUBSCRIBER" 'out/echo 1 0 {"n":2}'
    ask one silent '{"celsius":20}' '|'
}

# Many to one Response Topic: the Correlation Data says which is which.
correlation_data_comes_back() {
    subscribe many $(plain) -V 5 -q 1 -t 'answers/all/#' -F 'got %D %p'
    many=$SUBSCRIBER
    for n in 1 2 3; do
        publish $(plain) -V 5 -q 1 -t ask/echo -m "{\"n\":$n}" \
            -D publish response-topic answers/all/here -D publish correlation-data "question $n"
    done
    for n in 1 2 3; do
        expect many "$SUBSCRIBER" "question $n {\"n\":$n}"
    done
}

errors_are_answers_after_the_last_attempt() {
    ask one echo '{"do":"fail"}' 'reason:RetriesExhausted errorType:Refused errorMessage:this event is never good|{*Refused*}'
    ask one echo '{"do":"hang"}' \
        'reason:RetriesExhausted errorType:Sandbox.Timedout errorMessage:Task timed out after 1.00 seconds|{*Sandbox.Timedout*}'
    ask one echo 'no JSON' 'reason:RetriesExhausted errorType:InvalidPayload errorMessage:*|{*InvalidPayload*}'
    ask one late '{}' 'reason:EventAgeExceeded errorType:EventAgeExceeded errorMessage:*|{*}'
    dead_letters > "$DIR/letters"
    grep -q '^3 dead letters$' "$DIR/letters" || fail "$(cat "$DIR/letters")"
    grep -q '^echo  ask/echo  2 attempts, attempts: Refused' "$DIR/letters" || fail "$(cat "$DIR/letters")"
}

nobody_asks_for_an_answer_to_another() {
    subscribe two $(plain) -V 5 -i two -q 1 -t 'answers/two/#' -F 'got %D %p'
    two=$SUBSCRIBER
    for qos in 0 1; do
        publish $(plain) -V 5 -i one -q $qos -t ask/echo -m "{\"n\":$qos}" -D publish response-topic answers/two/here
        publish $(plain) -V 5 -i one -q $qos -t ask/echo -m "{\"do\":\"fail\",\"n\":$qos}" \
            -D publish response-topic '$SYS/answers'
    done
    refused='function echo: its answer for answers/two/here is not published: who asked may not subscribe to that'
    wait_until refused_twice
    publish $(plain) -V 5 -q 1 -t ask/echo -m '{"n":2}' -D publish response-topic answers/all/here
    expect many "$many" ' {"n":2}' # what was answered before it has arrived
    [ "$(got two)" = "" ] || fail "$(got two)"
}

# What a function says to a device is a request too: where and with what the device answers comes with it.
functions_ask() {
    subscribe valve $(plain) -V 5 -q 1 -t 'valve/#' -F 'got %t %R %D %p'
    publish $(plain) -q 1 -t order/v1 -m '{"turn":"left"}'
    id='[0-9a-f]\{8\}-[0-9a-f]\{4\}-[0-9a-f]\{4\}-[0-9a-f]\{4\}-[0-9a-f]\{12\}'
    expect valve "$SUBSCRIBER" "valve/v1/commands valve/v1/answers/left $id {\"turn\":\"left\",\"valve\":\"v1\"}"
    publish $(plain) -q 1 -t order/v1 -m '{"turn":"#"}'
    wait_until grep -q 'its Response Topic valve/${valve}/answers/${turn} has a part without a value' "$DIR/gateway.log"
    publish $(plain) -q 1 -t order/v2 -m '{"turn":1}'
    expect valve "$SUBSCRIBER" "valve/v2/commands valve/v2/answers/1 $id {\"turn\":1,\"valve\":\"v2\"}"
    [ "$(got valve | wc -l)" = 2 ] || fail "$(got valve)"
}

what_comes_in_batches_is_not_answered() {
    publish $(plain) -V 5 -q 1 -t ask/batched -m '{"n":9}' -D publish response-topic answers/all/here
    wait_until grep -q 'out/batched' "$DIR/out.log"
    publish $(plain) -V 5 -q 1 -t ask/echo -m '{"n":10}' -D publish response-topic answers/all/here
    expect many "$many" ' {"n":10}'
    ! grep -q '"n":9' "$DIR/many.log" || fail "$(got many)"
}
refused_twice() {
    [ "$(grep -c "$refused" "$DIR/gateway.log")" = 2 ]
}

answers_come_where_they_are_wanted
correlation_data_comes_back
errors_are_answers_after_the_last_attempt
nobody_asks_for_an_answer_to_another
functions_ask
what_comes_in_batches_is_not_answered
stop_gateway

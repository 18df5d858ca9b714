#!/bin/sh
# A stage: its name stands before all topics of the configuration and in its data folder; functions do not see it.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto python3

cat > "$DIR/topics.yml" << 'END'
telemetry: farm/+/telemetry
END
cat > "$DIR/serverless.yml" << END
custom: {topics: '\${file(topics.yml)}', dev: {high: 30}, prod: {high: 40}}
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/+/telemetry"], subscribe: ["farm/#"]}]
functions:
  alert:
    handler: $BUILD/tests/faulty.so
    runtime: native
    maximumRetryAttempts: 0
    events:
      - iot:
          sql: "SELECT *, topic() AS topic, topic(2) AS device, '\${sls:stage}' AS stage FROM '\${self:custom.topics.telemetry}' WHERE temperature > \${self:custom.\${sls:stage}.high}"
    reply: farm/\${device}/alerts
END

topics_begin_with_the_stage() {
    start_gateway --stage prod
    subscribe all $(plain) -q 1 -t 'prod/farm/#'
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":35}'
    for topic in farm/shed/telemetry dev/farm/shed/telemetry; do
        ! mosquitto_pub $(plain) -q 1 -t $topic -m '{"temperature":99}' > "$DIR/publish.log" 2>&1 || fail "$topic was taken"
    done
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":41}'
    event='{"temperature":41,"topic":"farm/shed/telemetry","device":"shed","stage":"prod"}'
    expect all "$SUBSCRIBER" "prod/farm/shed/alerts 1 0 $event"
    [ "$(got all | grep -c alerts)" = 1 ] || fail "more than one message was selected: $(got all)"
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":41,"do":"fail"}'
    wait_for 'gave up a message' "$DIR/gateway.log" "$GATEWAY"
    "$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" --stage prod > "$DIR/reload.log" || fail "it cannot be reloaded"
    publish $(plain) -q 1 -t prod/farm/barn/telemetry -m '{"temperature":50}'
    expect all "$SUBSCRIBER" 'prod/farm/barn/alerts 1 0 .*'
    stop_gateway
    [ -d "$DIR/data-prod/journal" ] && [ ! -e "$DIR/data" ] || fail "its data is not in data-prod"
    "$BUILD/bin/sluice" dlq ls --config "$DIR/serverless.yml" --stage prod | grep -q '^1 dead letters' ||
        fail "its dead letter is not there"
}

without_one_nothing_is_before_a_topic() {
    start_gateway
    subscribe all $(plain) -q 1 -t 'farm/#'
    publish $(plain) -q 1 -t farm/shed/telemetry -m '{"temperature":35}'
    expect all "$SUBSCRIBER" 'farm/shed/alerts 1 0 .*"stage":"dev"}'
    stop_gateway
}

# Two stages that share another Server have their own topics there.
topics_of_an_uplink_begin_with_it_too() {
    remote=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$remote" > "$DIR/mosquitto.conf"
    mosquitto -v -c "$DIR/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
    REMOTE=$!
    started "$REMOTE"
    wait_for "Opening ipv4 listen socket on port $remote\\." "$DIR/mosquitto.log" "$REMOTE"
    cat >> "$DIR/serverless.yml" << END
  cloud:
    uplink: {url: "mqtt://127.0.0.1:$remote", clientId: box, topic: "up/\${topic}", down: [{filter: "down/#", topic: "farm/\${topic}"}]}
    events: [{iot: {sql: "SELECT * FROM 'farm/+/telemetry'"}}]
END
    READY_COUNT=0
    rm "$DIR/gateway.log"
    start_gateway --stage prod
    wait_for 'Sending SUBACK to box-down' "$DIR/mosquitto.log" "$REMOTE"
    subscribe down $(plain) -q 1 -t 'prod/farm/#'
    subscribe up -h 127.0.0.1 -p "$remote" -V mqttv5 -q 1 -t '#'
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":1}'
    expect up "$SUBSCRIBER" 'prod/up/farm/shed/telemetry 1 0 {"temperature":1}'
    for topic in down/cooler prod/down/heater; do
        mosquitto_pub -h 127.0.0.1 -p "$remote" -q 1 -t "$topic" -m on
    done
    expect down "$SUBSCRIBER" 'prod/farm/down/heater 1 0 on'
    ! got down | grep -q cooler || fail "a topic of no stage came down"
    stop_gateway
}

a_name_that_is_no_stage_is_refused() {
    status=0
    "$BUILD/bin/sluice" check --config "$DIR/serverless.yml" --stage a/b 2> "$DIR/errors" || status=$?
    [ "$status" = 2 ] || fail "it was not refused"
    expect_lines "$DIR/errors" "sluice: 'a/b' is no stage; allowed: 1 to 64 letters, digits, - and _"
}

topics_begin_with_the_stage
without_one_nothing_is_before_a_topic
topics_of_an_uplink_begin_with_it_too
a_name_that_is_no_stage_is_refused

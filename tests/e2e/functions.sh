#!/bin/sh
# Samples reach functions, and what functions answer reaches subscribers.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

make_pki d1 d2
mkdir "$DIR/board"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", publish: ["farm/%c/#"], subscribe: ["farm/%c/#"]}
    - {who: anonymous, publish: ["log/#"], subscribe: ["farm/#", "log/#"]}
provider: {runtime: native}
functions:
  alert:
    handler: $BUILD/handlers/threshold.so
    reservedConcurrency: 1
    environment: {CHANNEL: temperature, HIGH: "30", LOW: "28"}
    events:
      - iot: {sql: "SELECT *, topic(2) AS device FROM 'farm/+/telemetry' WHERE temperature > -100"}
    reply: "farm/\${device}/alerts"
  summary:
    handler: $BUILD/handlers/summary.so
    events:
      - iot:
          sql: "SELECT *, topic(2) AS device FROM 'farm/+/telemetry'"
          batchSize: 4
          maximumBatchingWindow: 300
    reply: farm/summary
  echo:
    handler: $BUILD/tests/faulty.so
    events:
      - iot: {sql: "SELECT line.text AS text, topic(2) AS level FROM 'log/+' WHERE line.number >= 10 AND NOT line.muted"}
    reply: "log/\${level}/seen"
  frames:
    handler: $BUILD/tests/faulty.so
    events:
      - iot: {sql: "SELECT * FROM 'farm/+/frames'"}
      - iot: {sql: "SELECT * FROM 'farm/+/frames'", frames: senml}
    reply: farm/frames
END
start_gateway
subscribe all $(plain) -q 1 -t 'farm/#' -t 'log/#'
all=$SUBSCRIBER

alert() {
    echo "farm/$1/alerts 1 0 {\"device\":\"$1\",\"channel\":\"temperature\",\"value\":$2,\"state\":\"$3\"}"
}

# Over 30 an alert, and only under 28 the all-clear; each device for itself.
threshold_alerts_with_hysteresis() {
    for temperature in 29 31 29 31; do
        publish $(as d1) -i d1 -q 1 -t farm/d1/telemetry -m "{\"temperature\":$temperature}"
    done
    publish $(as d2) -i d2 -q 2 -t farm/d2/telemetry -m '{"temperature":35}'
    publish $(as d1) -i d1 -q 0 -t farm/d1/telemetry -m '{"temperature":27}'
    expect all "$all" "$(alert d1 27 normal)"
    expect all "$all" "$(alert d2 35 high)"
    got all | grep ' farm/d1/alerts ' > "$DIR/alerts"
    expect_lines "$DIR/alerts" "got $(alert d1 31 high)" "got $(alert d1 27 normal)"
}

# The first four of these six samples are the first batch, the next two and two more the second.
summary_gets_batches() {
    publish $(as d2) -i d2 -q 1 -t farm/d2/telemetry -m '{"temperature":25,"humidity":50}'
    publish $(as d2) -i d2 -q 1 -t farm/d2/telemetry -m '{"temperature":20}'
    wait_for 'farm/summary .*"device":"d1","channel":"temperature","count":4,"min":29,"mean":30,"max":31' \
        "$DIR/all.log" "$all"
    wait_for 'farm/summary .*"device":"d2","channel":"temperature","count":3,"min":20,"mean":26.666666666666668,"max":35' \
        "$DIR/all.log" "$all"
    wait_for 'farm/summary .*"device":"d2","channel":"humidity","count":1,"min":50,"mean":50,"max":50' \
        "$DIR/all.log" "$all"
    [ "$(got all | grep -c ' farm/summary ')" = 2 ] || fail "there are not two summaries"
}

# Only what the rule selects, from those messages that it wants.
rules_select() {
    publish $(plain) -q 1 -t log/info -m '{"line":{"number":9,"text":"too low","muted":false}}'
    publish $(plain) -q 1 -t log/info -m '{"line":{"number":10,"text":"muted","muted":true}}'
    publish $(plain) -q 1 -t log/info -m '{"line":{"number":"x","text":"no number","muted":false}}'
    publish $(plain) -q 1 -t log/info/more -m '{"line":{"number":10,"text":"elsewhere","muted":false}}'
    publish $(plain) -q 1 -t log/warn -m '{"line":{"number":10,"text":"grüße \"du\"","muted":false},"more":1}'
    expect all "$all" 'log/warn/seen 1 0 {"text":"grüße \\"du\\"","level":"warn"}'
    got all | grep -c '/seen ' > "$DIR/seen"
    expect_lines "$DIR/seen" 1
}

# A telemetry frame of the agent: JSON samples for subscribers and functions, SenML for a route that wants it.
frames_of_the_agent_arrive_as_json() {
    echo 21.5 > "$DIR/board/soil"
    echo dry > "$DIR/board/verdict"
    cat > "$DIR/agent.conf" << END
$(agent_gateway d1)
topic = farm/%c/frames
[sensors]
root = $DIR/board
proc = no
[file soil]
path = $DIR/board/soil
unit = %RH
decimals = 1
[file verdict]
path = $DIR/board/verdict
value = text
END
    "$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --stats "$DIR/agent.json" 2> "$DIR/agent.log"
    grep -q '"samples_acknowledged":1' "$DIR/agent.json" || fail "not acknowledged: $(cat "$DIR/agent.json")"
    wait_for '^got farm/d1/frames 1 0 {"time":[0-9.]*,"soil":21.5,"verdict":"dry"}$' "$DIR/all.log" "$all"
    wait_for '^got farm/frames 1 0 {"time":[0-9.]*,"soil":21.5,"verdict":"dry"}$' "$DIR/all.log" "$all"
    wait_for '^got farm/frames 1 0 \[{"bn":"d1/".*"n":"soil","u":"%RH","v":21.5},{"n":"verdict","vs":"dry"}\]$' "$DIR/all.log" "$all"
}

# A device's texts, as in the vectors that every decoder of frames shares.
texts_of_a_frame_arrive_as_json() {
    python3 - "$ROOT/tests/vectors/frame/vectors.json" > "$DIR/texts" << 'END'
import json, sys
vectors = {vector["name"]: vector for vector in json.load(open(sys.argv[1]))}
sys.stdout.buffer.write(bytes.fromhex(vectors["texts by dictionary"]["frame"]))
END
    publish $(as d1) -i d1 -q 1 -t farm/d1/frames -f "$DIR/texts"
    wait_for '^got farm/d1/frames 1 0 {"time":1700000030,"mode":"heating","temperature":21.6}$' "$DIR/all.log" "$all"
    wait_for '^got farm/frames 1 0 \[{"bn":"d1/".*{"n":"door","vs":"open"}' "$DIR/all.log" "$all"
}

# A frame that is damaged is refused, and nobody sees it.
damaged_frames_are_refused() {
    printf '\301\037 and no more' > "$DIR/damaged"
    mosquitto_pub $(as d1) -i d1 -V mqttv5 -q 1 -t farm/d1/frames -f "$DIR/damaged" > "$DIR/publish.log" 2>&1 || true
    grep -q 'Payload format invalid' "$DIR/publish.log" || fail "not refused: $(cat "$DIR/publish.log")"
}

threshold_alerts_with_hysteresis
summary_gets_batches
rules_select
frames_of_the_agent_arrive_as_json
texts_of_a_frame_arrive_as_json
damaged_frames_are_refused
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "something was left: $(cat "$DIR/gateway.out")"
[ "$(ledger deadLetters)" = 0 ] || fail "there are dead letters: $(cat "$DIR/gateway.out")"

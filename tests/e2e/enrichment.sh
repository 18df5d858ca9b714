#!/bin/sh
# A function between a rule and its target: what it answers is the target's event, and an empty answer drops the
# message.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["raw/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  enrich:
    handler: $BUILD/handlers/threshold.so
    reservedConcurrency: 1
    environment: {CHANNEL: celsius, HIGH: "30", LOW: "28"}
    events: [{iot: {sql: "SELECT celsius, topic(2) AS device FROM 'raw/+'"}}]
    reply: enriched/\${device}
  target:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT *, topic(2) AS shed FROM 'enriched/+' WHERE state IN ['high', 'normal']"}}]
    reply: out/target
END
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'

celsius() {
    publish $(plain) -q 1 -t raw/d1 -m "{\"celsius\":$1}"
}

answer() {
    echo "out/target 1 0 {\"device\":\"d1\",\"channel\":\"celsius\",\"value\":$1,\"state\":\"$2\",\"shed\":\"d1\"}"
}

# 29 is under the first limit and then between the two: nothing changes, so the answer is empty.
for value in 29 31 29 35 27 29; do
    celsius "$value"
done
expect out "$SUBSCRIBER" "$(answer 31 high)" "$(answer 27 normal)"
stop_gateway
[ "$(ledger results) $(ledger empty)" = "4 4" ] || fail "the ledger has another number of results: $(cat "$DIR/gateway.out")"

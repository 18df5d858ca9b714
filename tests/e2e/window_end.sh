#!/bin/sh
# The end of a tumbling window that is given up, while its record finds no room: a stop in between leaves the window
# as it was, and the record says what the function got.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", sink], subscribe: [sink]}]
provider: {runtime: native}
functions:
  sums:
    handler: $BUILD/tests/summing.so
    environment: {GATE: $DIR/never}
    files: {read: [.]}
    destinations: {onFailure: {topic: sink}}
    events:
      - iot:
          sql: "SELECT n FROM 'in/#'"
          mode: ordered
          partitionKey: topic
          batchSize: 10
          maximumRetryAttempts: 1
          tumblingWindowInSeconds: 1
  sink:
    handler: $BUILD/tests/faulty.so
    timeout: 120
    queueSize: 1
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT * FROM 'sink'"}}]
END
start_gateway
subscribe before $(plain) -q 1 -V 5 -c -i listener -x 3600 -t sink
publish $(plain) -q 1 -t sink -m '{"do":"wait"}'
publish $(plain) -q 1 -t in/d -m '{"n":777}'
wait_until grep -q 'function sums gave up a message' "$DIR/gateway.log"
stop_gateway
touch "$DIR/gate"
start_gateway
subscribe sink $(plain) -q 1 -V 5 -c -i listener -x 3600 -t sink
wait_until grep -q '"condition":"RetriesExhausted"' "$DIR/sink.log"
grep -q '"requestPayload":{"Records":\[\],"window":{"start":"[^}]*"},"state":{"sum":777},.*"isFinalInvokeForWindow":true' \
    "$DIR/sink.log" || fail "$(got sink)"
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"

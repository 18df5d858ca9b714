#!/bin/sh
# A batch's finished event has at most the bytes that were configured, at its first attempt, and no record is lost.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

BYTES_MAX=4096
MESSAGE_COUNT=50

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  loose:
    handler: $BUILD/tests/faulty.so
    reply: out/loose
    events: [{iot: {sql: "SELECT * FROM 'in/#'", batchSize: $MESSAGE_COUNT, maximumBatchingWindow: 1, maximumBatchingBytes: $BYTES_MAX}}]
  ordered:
    handler: $BUILD/tests/faulty.so
    reply: out/ordered
    events: [{iot: {sql: "SELECT * FROM 'in/#'", mode: ordered, batchSize: $MESSAGE_COUNT, maximumBatchingWindow: 1, maximumBatchingBytes: $BYTES_MAX}}]
END

# The records' own numbers, by function, as they were handled.
numbers() {
    got out | grep "^got out/$1 " | grep -o '\\"n\\":[0-9]*' | grep -o '[0-9]*$'
}

all_came() {
    [ "$(numbers loose | wc -l) $(numbers ordered | wc -l)" = "$MESSAGE_COUNT $MESSAGE_COUNT" ]
}

start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
for n in $(seq "$MESSAGE_COUNT"); do
    printf '{"n":%d,"quotes":"\\"\\"\\"\\"\\"\\"\\"\\"\\"\\""}\n' "$n"
done | mosquitto_pub $(plain) -q 1 -t in/x -l
wait_until all_came
numbers ordered > "$DIR/order"
expect_lines "$DIR/order" $(seq "$MESSAGE_COUNT")
numbers loose | sort -n > "$DIR/order"
expect_lines "$DIR/order" $(seq "$MESSAGE_COUNT")
got out | sed 's/^got [^ ]* [^ ]* [^ ]* //' | awk -v most="$BYTES_MAX" 'length > most { print length " bytes"; bad = 1 } END { exit bad }' ||
    fail "an event is larger than it may be"
got out | grep -o 'ReceiveCount":"[0-9]*' | sort | uniq -c > "$DIR/attempts"
expect_lines "$DIR/attempts" "    $((2 * MESSAGE_COUNT)) ReceiveCount\":\"1"
stop_gateway
[ "$(ledger queued) $(ledger deadLetters)" = "0 0" ] || fail "$(cat "$DIR/gateway.out")"

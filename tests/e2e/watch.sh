#!/bin/sh
# `sluice run --watch`: what changes in the files is what runs, and no message is lost by it.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

# configure REPLY
configure() {
    cat > "$DIR/new.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"]}]
  workers: {stopGrace: 0.1}
functions:
  one:
    handler: one.so
    runtime: native
    environment: {GATE: $DIR/gate}
    timeout: 300
    events: [{iot: {sql: "SELECT * FROM 'in/one'"}}]
    reply: $1
END
    mv "$DIR/new.yml" "$DIR/serverless.yml"
}

# put FUNCTION: in the place of the one that there is, as a linker does it.
put() {
    cp "$BUILD/tests/$1.so" "$DIR/new.so"
    mv "$DIR/new.so" "$DIR/one.so"
}

put faulty
configure out/first
start_gateway --watch
subscribe out $(plain) -q 1 -t 'out/#'
publish $(plain) -q 1 -t in/one -m '{"n":1}'
expect out "$SUBSCRIBER" 'out/first 1 0 {"n":1}'

# Connections stay, and what was in the old worker, which will not end, is done by the new one.
publish $(plain) -q 1 -t in/one -m '{"do":"wait"}'
put count_function
expect out "$SUBSCRIBER" 'out/first 1 0 {"records":0}'
publish $(plain) -q 1 -t in/one -m '{"n":2}'
wait_until sh -c "[ \$(grep -c 'got out/first 1 0 {\"records\":0}' '$DIR/out.log') = 2 ]"
grep -q 'function one has changed: new workers run it' "$DIR/gateway.log" || fail "the log does not say so"

# What is wrong changes nothing, and what is right starts the gateway anew.
sed 's/functions:/functionz:/' "$DIR/serverless.yml" > "$DIR/new.yml"
mv "$DIR/new.yml" "$DIR/serverless.yml"
wait_until grep -q 'has changed and is wrong: what was loaded before goes on' "$DIR/gateway.log"
publish $(plain) -q 1 -t in/one -m '{"n":3}'
wait_until sh -c "[ \$(grep -c 'got out/first 1 0 {\"records\":0}' '$DIR/out.log') = 3 ]"

READY_COUNT=2
configure out/second
wait_until gateway_ready
MQTT=$(sed -n 's/^INFO mqtt listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log" | tail -n 1)
subscribe again $(plain) -q 1 -t 'out/#'
publish $(plain) -q 1 -t in/one -m '{"n":4}'
expect again "$SUBSCRIBER" 'out/second 1 0 {"records":0}'

# One that cannot be started gives way to the one before.
READY_COUNT=3
sed 's/one.so/two.so/' "$DIR/serverless.yml" > "$DIR/new.yml"
mv "$DIR/new.yml" "$DIR/serverless.yml"
wait_until gateway_ready
grep -q 'cannot be started: what was loaded before starts again' "$DIR/gateway.log" || fail "the log does not say so"
kill -TERM "$GATEWAY"
wait "$GATEWAY" || fail "the gateway ended with status $?"
sed -n 's/.*"accepted":\([0-9]*\).*"invoked":\([0-9]*\).*"queued":\([0-9]*\).*/\1 \2 \3/p' "$DIR/gateway.out" > "$DIR/ledgers"
expect_lines "$DIR/ledgers" '4 4 0' '1 1 0' '0 0 0'

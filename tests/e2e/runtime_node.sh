#!/bin/sh
# Functions on Node.js with their own aws-lambda-ric, as in Lambda.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub
need_node "$ROOT/tests/e2e/runtime"

ln -s "$ROOT/tests/e2e/runtime/node_modules" "$DIR/node_modules"
cat > "$DIR/app.js" << 'END'
exports.handler = async (event, context) => {
  console.log('handling', event.number)
  if (event.number < 0) {
    const error = new Error(`${event.number} is below zero`)
    error.name = 'RangeError'
    throw error
  }
  return { square: event.number ** 2, id: context.awsRequestId, left: context.getRemainingTimeInMillis() > 1000,
    name: context.functionName, memory: context.memoryLimitInMB }
}
let count = 0
exports.later = (event, context, callback) => setTimeout(() => callback(null, { count: ++count }), 1)
END
cat > "$DIR/module.mjs" << 'END'
await new Promise(resolve => setTimeout(resolve, 10))
export const handler = async event => ({ text: event.text.toUpperCase() })
END

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}]
provider: {runtime: nodejs20.x, timeout: 60, memorySize: 256}
functions:
  square:
    handler: app.handler
    files: {read: ["$ROOT/tests/e2e/runtime/node_modules"]}
    maximumRetryAttempts: 0
    provisionedConcurrency: 1
    events: [{iot: {sql: "SELECT * FROM 't/square'"}}]
    reply: t/squares
  count:
    handler: app.later
    files: {read: ["$ROOT/tests/e2e/runtime/node_modules"]}
    events: [{iot: {sql: "SELECT * FROM 't/count'"}}]
    reply: t/counts
  upper:
    handler: module.handler
    files: {read: ["$ROOT/tests/e2e/runtime/node_modules"]}
    events: [{iot: {sql: "SELECT * FROM 't/upper'"}}]
    reply: t/uppers
  missing:
    handler: app.missing
    files: {read: ["$ROOT/tests/e2e/runtime/node_modules"]}
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 't/missing'"}}]
END

an_async_handler_has_its_event_and_context() {
    publish $(plain) -q 1 -t t/square -m '{"number":12}'
    wait_for '^got t/squares 1 0 {"square":144,"id":"[0-9a-f-]*","left":true,"name":"square","memory":"256"}$' "$DIR/all.log" "$all"
    wait_for 'square: .*handling 12' "$DIR/gateway.log" "$GATEWAY"
}

a_thrown_error_is_the_events_failure() {
    publish $(plain) -q 1 -t t/square -m '{"number":-1}'
    wait_for 'function square gave up a message after 1 attempts (attempts): RangeError: -1 is below zero;' \
        "$DIR/gateway.log" "$GATEWAY"
}

# One environment serves them all: what a module keeps is kept.
a_callback_handler_keeps_its_state() {
    for number in 1 2 3 4 5; do
        publish $(plain) -q 1 -t t/count -m '{}'
        expect all "$all" "t/counts 1 0 {\"count\":$number}"
    done
}

a_module_with_top_level_await_works() {
    publish $(plain) -q 1 -t t/upper -m '{"text":"grüße"}'
    expect all "$all" 't/uppers 1 0 {"text":"GRÜSSE"}'
}

a_handler_that_is_not_there_is_an_init_error() {
    publish $(plain) -q 1 -t t/missing -m '{}'
    wait_for 'function missing gave up a message .*Runtime.HandlerNotFound: app.missing is undefined' \
        "$DIR/gateway.log" "$GATEWAY"
}

PATH=$(dirname "$NODE"):$PATH
start_gateway
subscribe all $(plain) -q 1 -t 't/+'
all=$SUBSCRIBER
an_async_handler_has_its_event_and_context
a_thrown_error_is_the_events_failure
a_callback_handler_keeps_its_state
a_module_with_top_level_await_works
a_handler_that_is_not_there_is_an_init_error
stop_gateway
[ "$(ledger deadLetters)" = 2 ] || fail "not two dead letters: $(cat "$DIR/gateway.out")"

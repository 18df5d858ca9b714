#!/bin/sh
# A function in C++ on aws-lambda-cpp, whose source comes with aws-lambda-ric and is built with it.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub g++
CLIENT=$ROOT/tests/e2e/runtime/node_modules/aws-lambda-ric/deps/artifacts
[ -f "$CLIENT/lib/libaws-lambda-runtime.a" ] || skip "tests/e2e/setup-node.sh has not built aws-lambda-cpp"

g++ -std=c++11 -I "$CLIENT/include" -o "$DIR/bootstrap" "$ROOT/tests/e2e/runtime/echo.cpp" \
    "$CLIENT/lib/libaws-lambda-runtime.a" "$CLIENT/lib/libcurl.a" > "$DIR/build.log" 2>&1 || fail "it does not build"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}]
functions:
  echo:
    runtime: provided.al2
    handler: hello.handler
    timeout: 60
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 't/in'"}}]
    reply: t/seen
END
start_gateway
subscribe all $(plain) -q 1 -t t/seen
for number in 1 2 3; do
    publish $(plain) -q 1 -t t/in -m "{\"number\":$number}"
    expect all "$SUBSCRIBER" "t/seen 1 0 {\"seen\":{\"number\":$number}}"
done
publish $(plain) -q 1 -t t/in -m '{"do":"fail"}'
wait_for 'function echo gave up a message after 1 attempts (attempts): Event.Bad: it failed;' "$DIR/gateway.log" "$GATEWAY"
publish $(plain) -q 1 -t t/in -m '{"number":4}'
expect all "$SUBSCRIBER" 't/seen 1 0 {"seen":{"number":4}}'
stop_gateway
[ "$(ledger deadLetters)" = 1 ] || fail "not one dead letter: $(cat "$DIR/gateway.out")"

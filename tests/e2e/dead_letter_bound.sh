#!/bin/sh
# The dead letter queue has a bound, also over a restart; what does not fit is dropped and counted.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in"]}]
  limits: {deadLetters: 2}
functions:
  echo: {handler: $BUILD/tests/faulty.so, runtime: native, events: [{iot: {sql: "SELECT * FROM 'in'"}}]}
END

# gives_up COUNT: waits until so many messages were given up.
gives_up() {
    [ "$(grep -c 'gave up a message' "$DIR/gateway.log")" = "$1" ]
}

start_gateway
mosquitto_pub -p "$MQTT" -q 1 -t in -m 'no json'
wait_until gives_up 1
stop_gateway
start_gateway
mosquitto_pub -p "$MQTT" -q 1 -t in -m 'no json'
mosquitto_pub -p "$MQTT" -q 1 -t in -m 'no json'
wait_until gives_up 3
stop_gateway
[ "$(ledger deadLetters)" = 1 ] || fail "the ledger: $(cat "$DIR/gateway.out")"
[ "$(ledger discarded)" = 1 ] || fail "the ledger: $(cat "$DIR/gateway.out")"
[ "$(dead_letters | tail -n 1)" = '2 dead letters' ] || fail "kept: $(dead_letters)"

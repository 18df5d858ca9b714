#!/bin/sh
# SIGTERM with clients connected and messages under way: everything is told, kept and accounted for.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

make_pki d1
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: anonymous, publish: ["in/#"], subscribe: ["in/#", "out/#"]}
    - {who: "device:*", publish: ["in/#"], subscribe: ["in/#", "out/#"]}
provider: {runtime: native}
functions:
  echo:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]
    reply: out/echo
  failing:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT 'fail' AS do FROM 'in/#' WHERE n < 50"}}]
  dropping:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    destinations: {onFailure: none}
    events: [{iot: {sql: "SELECT 'fail' AS do FROM 'in/#' WHERE n < 50"}}]
  waiting: # holds its worker until it is killed
    handler: $BUILD/tests/faulty.so
    timeout: 900
    environment: {GATE: $DIR/never}
    events: [{iot: {sql: "SELECT 'wait' AS do FROM 'in/#' WHERE n < 50"}}]
END

# stop_under_load SIGNAL VERSION: while a publisher has many messages under way, and others are subscribed.
stop_under_load() {
    start_gateway
    subscribe plain $(plain) -V "mqttv$2" -q 1 -t 'out/#'
    plain=$SUBSCRIBER
    subscribe tls $(as d1) -V "mqttv$2" -q 2 -t 'out/#' -t 'in/#'
    tls=$SUBSCRIBER
    seq -f '{"n":%g}' 1000 | mosquitto_pub $(as d1) -V "mqttv$2" -q 1 -t in/d1 -l > "$DIR/publisher.log" 2>&1 &
    publisher=$!
    started "$publisher"
    expect plain "$plain" 'out/echo 1 0 {"n":20}'
    stop_gateway "$1"
    [ "$(ledger accepted)" -gt 20 ] || fail "nothing was accepted: $(cat "$DIR/gateway.out")"
    if [ "$2" = 5 ]; then # is told 0x8B, Server shutting down; version 3.1.1 only sees the connection end
        wait_for 'Received DISCONNECT (139)' "$DIR/plain.log" "$plain"
        wait_for 'Received DISCONNECT (139)' "$DIR/tls.log" "$tls"
    fi
    kill "$plain" "$tls" "$publisher" 2> /dev/null || true # they would try to come back for ever
}

# However often it is told: it does its work once. (One that comes when all is done may still end the process.)
more_signals_change_nothing() {
    start_gateway
    kill -INT "$GATEWAY"
    until grep -qs '^State:.Z' "/proc/$GATEWAY/status" || ! kill -TERM "$GATEWAY" 2> /dev/null; do
        continue
    done
    wait "$GATEWAY" || [ $? = 143 ] || fail "the gateway ended with status $?"
    GATEWAY=
    [ "$(grep -c '"accepted":' "$DIR/gateway.out")" = 1 ] || fail "the ledger is missing"
}

stop_under_load TERM 311
stop_under_load INT 5
more_signals_change_nothing

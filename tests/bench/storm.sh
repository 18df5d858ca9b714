#!/bin/sh
# A gateway with mutual TLS is killed (kill -9) and started again; all its clients come
# back at once, each with the session that it had. Prints how many resume, and the
# latency of healthy clients before and meanwhile.
#
#   sh tests/bench/storm.sh [BUILD [CLIENTS]]   BUILD: a Release build tree (default: build); CLIENTS: 5000
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "${1:-$ROOT/build}" && pwd)
CLIENTS=${2:-5000}
. "$ROOT/tests/e2e/lib.sh"
[ -x "$BUILD/tests/storm_bench" ] || fail "$BUILD holds no storm_bench: build it with the tests"

write_config() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:$1", mqtts: "127.0.0.1:$2"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt, crl: pki/ca.crl}
  access:
    - {who: "device:*", clientIds: ["*"], publish: ["#"], subscribe: ["#"]}
    - {who: anonymous, publish: ["#"], subscribe: ["#"]}
END
}

# storm [tls12]: its line.
storm() {
    write_config 0 0
    start_gateway
    write_config "$MQTT" "$MQTTS" # it is there again where it was
    mkfifo "$DIR/go"
    "$BUILD/tests/storm_bench" "$MQTTS" "$MQTT" "$DIR/pki/ca.crt" "$DIR/pki/load.crt" "$DIR/pki/load.key" \
        "$CLIENTS" "$@" < "$DIR/go" > "$DIR/storm.log" &
    bench=$!
    started "$bench"
    exec 3> "$DIR/go"
    wait_for connected "$DIR/storm.log" "$bench"
    kill_gateway
    start_gateway
    echo go >&3
    exec 3>&-
    wait "$bench" || fail "the storm broke off"
    echo "${1:-tls13} $(tail -n 1 "$DIR/storm.log")"
    stop_gateway
    rm -rf "$DIR/go" "$DIR/data"
}

make_pki load
storm
storm tls12

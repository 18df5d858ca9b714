#!/bin/sh
# What a message costs over WebSocket and over TLS alone: the gateway's instructions by valgrind's callgrind, from
# the difference between two counts of messages, so that starting, connecting and stopping are not in it.
#   websocket.sh BUILD
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "${1:-$ROOT/build}" && pwd)
. "$ROOT/tests/e2e/lib.sh"
need valgrind
need_node "$ROOT/tests/e2e/mqttjs"

make_pki
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtts: "127.0.0.1:0", https: "127.0.0.1:0"}
  anonymous: [mqtts, https]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  websocket: {origins: [none]}
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}]
END

# count SCHEME MESSAGES KIND: sets INSTRUCTIONS.
count() {
    rm -rf "$DIR/data" "$DIR/gateway.log"
    valgrind --tool=callgrind --callgrind-out-file="$DIR/callgrind.out" \
        "$BUILD/bin/sluice" run --config "$DIR/serverless.yml" > "$DIR/gateway.out" 2> "$DIR/gateway.log" &
    GATEWAY=$!
    started "$GATEWAY"
    wait_for 'sluice is ready' "$DIR/gateway.log" "$GATEWAY"
    case $1 in
    mqtts) url=mqtts://localhost:$(sed -n 's/^INFO mqtts listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log") ;;
    wss) url=wss://localhost:$(sed -n 's/^INFO https listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log")/mqtt ;;
    esac
    NODE_EXTRA_CA_CERTS="$DIR/pki/ca.crt" "$NODE" "$ROOT/tests/bench/websocket.js" "$url" "$2" "$3"
    kill "$GATEWAY"
    wait "$GATEWAY"
    GATEWAY=
    INSTRUCTIONS=$(sed -n 's/.*Collected : //p' "$DIR/gateway.log")
}

for kind in publish deliver; do
    for scheme in mqtts wss; do
        count "$scheme" 5000 "$kind"
        few=$INSTRUCTIONS
        count "$scheme" 15000 "$kind"
        echo "$kind over $scheme: $(((INSTRUCTIONS - few) / 10000)) instructions a message"
    done
done

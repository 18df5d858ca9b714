#!/bin/sh
# Browsers' clients: MQTT.js over WebSocket, in both versions, and who may connect from where.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub
CLIENT=$ROOT/tests/e2e/mqttjs
need_node "$CLIENT"

# configure ORIGINS [LIMITS]
configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", https: "127.0.0.1:0"}
  anonymous: [mqtt, https]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  websocket: {origins: [$1], clientCertificates: true}
  limits: {${2:-}}
  access:
    - {who: "device:*", publish: ["t/#", "own/%u"], subscribe: ["t/#"]}
    - {who: anonymous, publish: ["t/#"], subscribe: ["t/#", "own/#"]}
END
}

# run SCRIPT: as a test of its own, against the gateway that runs.
run() {
    HTTPS="$HTTPS" PKI="$DIR/pki" NODE_EXTRA_CA_CERTS="$DIR/pki/ca.crt" "$NODE" --experimental-websocket "$CLIENT/$1" \
        > "$DIR/${1%.js}.log" 2>&1 || fail "$1"
}

make_pki one
configure '"https://app.example", same'
start_gateway
subscribe tcp $(plain) -q 2 -t 't/+/last'
run mqtt.js
expect tcp "$SUBSCRIBER" 't/4/last 1 0 from WebSocket'
expect tcp "$SUBSCRIBER" 't/5/last 1 0 from WebSocket'
run handshake.js
stop_gateway

configure none
start_gateway
run own_websocket.js
configure same # taken up without a restart
"$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "the reload was refused"
run refused.js
stop_gateway

configure '"https://app.example", "https://withdrawn.example"'
start_gateway
run withdrawn.js &
pages=$!
started "$pages"
wait_for 'both are connected' "$DIR/withdrawn.log" "$pages"
configure '"https://app.example"'
"$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "the reload was refused"
wait "$pages" || fail "withdrawn.js"
stop_gateway

configure same 'httpTimeout: 0.2, connectTimeout: 0.2'
start_gateway
run deadlines.js
stop_gateway

echo 'correct horse' | "$BUILD/bin/sluice" passwd "$DIR/users" anna > "$DIR/passwd.log" 2>&1 || fail "sluice passwd"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {https: "127.0.0.1:0"}
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key}
  passwords: users
  websocket: {origins: ["https://app.example"]}
  access: [{who: "user:anna", publish: ["t/%u"]}]
END
start_gateway
run users.js
stop_gateway

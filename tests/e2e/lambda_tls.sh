#!/bin/sh
# HTTPS to a Lambda endpoint: chain and host name are checked. OpenSSL's test server is no Lambda, so an endpoint
# that is trusted is seen by what comes after the handshake: an answer that is no HTTP.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub openssl

# The server takes every connection: under a name that its certificate has, and under one that it has not.
make_pki
openssl s_server -rev -accept 0 -cert "$DIR/pki/gateway.crt" -key "$DIR/pki/gateway.key" \
    < /dev/null > "$DIR/server.out" 2> "$DIR/server.log" &
started $!
wait_for '^ACCEPT' "$DIR/server.out" $!
PORT=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$DIR/server.out")

function_at() {
    cat << END
  $1:
    lambda: archive
    endpoint: $2
    timeout: 60
    environment: {AWS_ACCESS_KEY_ID: AKIDEXAMPLE, AWS_SECRET_ACCESS_KEY: secret$3}
    events: [{iot: {sql: "SELECT * FROM 'farm/one'"}}]
END
}
cat > "$DIR/serverless.yml" << END
provider: {name: aws, region: eu-west-1}
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#"]}]
functions:
$(function_at trusted "https://localhost:$PORT" ", SSL_CERT_FILE: $DIR/pki/ca.crt")
$(function_at unknown "https://localhost:$PORT" "")
$(function_at misnamed "https://127.0.0.2:$PORT" ", SSL_CERT_FILE: $DIR/pki/ca.crt")
END
start_gateway
publish $(plain) -q 1 -t farm/one -m '{}'
wait_for 'trusted: .*is not reached: Lambda.Unreachable: Received HTTP/0.9' "$DIR/gateway.log" "$GATEWAY"
wait_for 'unknown: .*is not reached: Lambda.Unreachable: SSL certificate problem' "$DIR/gateway.log" "$GATEWAY"
wait_for 'misnamed: .*is not reached: Lambda.Unreachable: SSL: no alternative certificate subject name' \
    "$DIR/gateway.log" "$GATEWAY"
stop_gateway
[ "$(ledger queued)" = 3 ] || fail "something was lost: $(cat "$DIR/gateway.out")"

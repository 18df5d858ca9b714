#!/bin/sh
# Functions are invoked over HTTP, by AWS's own tools and by curl: who may, and what comes back.
. "$ROOT/tests/e2e/lib.sh"
need curl mosquitto_sub python3
CLIENT=$ROOT/tests/e2e/awssdk
need_node "$CLIENT"

API=2015-03-31/functions
KEY_ID=AKIDEXAMPLE
KEY_SECRET=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY

make_pki one
mkdir "$DIR/keys"
echo "$KEY_SECRET" > "$DIR/keys/ci"
chmod 600 "$DIR/keys/ci"
head -c 32 /dev/urandom | base64 -w 0 > "$DIR/keys/issuer"
chmod 600 "$DIR/keys/issuer"
echo 'correct horse' | "$BUILD/bin/sluice" passwd "$DIR/users" anna > "$DIR/passwd.log" 2>&1 || fail "sluice passwd"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", https: "127.0.0.1:0", http: "127.0.0.1:0"}
  anonymous: [mqtt, http]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  websocket: {clientCertificates: true}
  passwords: users
  tokens: [{issuer: "https://login.example", audience: box, algorithm: HS256, key: keys/issuer}]
  keys: [{id: $KEY_ID, secretFile: keys/ci, user: ci}]
  access:
    - {who: "user:ci", invoke: [echo, short, "gat*", nothing]}
    - {who: "user:anna", invoke: ["*"]}
    - {who: "device:one", invoke: [private]}
    - {who: "token:robot", invoke: [echo]}
    - {who: anonymous, invoke: [echo], subscribe: ["out/#"]}
provider: {runtime: native}
functions:
  echo: {handler: $BUILD/tests/faulty.so, reply: out/echo}
  short: {handler: $BUILD/tests/faulty.so, timeout: 0.5, reservedConcurrency: 2}
  gate: {handler: $BUILD/tests/faulty.so, environment: {GATE: $DIR/gate}, files: {read: [.]}, timeout: 300}
  private: {handler: $BUILD/tests/faulty.so, maximumRetryAttempts: 0}
END
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'

# status EXPECTED CURL-ARGUMENTS...: the answer's body stays in $DIR/body.
status() {
    wanted=$1
    shift
    got=$(curl -sS -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' --cacert "$DIR/pki/ca.crt" "$@")
    [ "$got" = "$wanted" ] || fail "$got, not $wanted: $* $(cat "$DIR/head" "$DIR/body")"
}

body_is() {
    [ "$(cat "$DIR/body")" = "$1" ] || fail "the body is not $1: $(cat "$DIR/body")"
}

invoke() {
    echo "https://localhost:$HTTPS/$API/$1/invocations -d {\"n\":1}"
}

the_javascript_client_works() {
    HTTPS=$HTTPS HTTP=$HTTP KEY_ID=$KEY_ID KEY_SECRET=$KEY_SECRET GATE=$DIR/gate \
        NODE_EXTRA_CA_CERTS="$DIR/pki/ca.crt" "$NODE" "$CLIENT/invoke.js" > "$DIR/sdk.log" 2>&1 || fail "invoke.js"
    expect out "$SUBSCRIBER" 'out/echo 1 0 {"asynchronous":1}'
}

# Of its first and its second version.
the_command_line_works() {
    printf '{"from":"aws"}' > "$DIR/event.json"
    command -v aws > /dev/null || { echo "aws is not installed: not tried"; return 0; }
    AWS_ACCESS_KEY_ID=$KEY_ID AWS_SECRET_ACCESS_KEY=$KEY_SECRET AWS_DEFAULT_REGION=eu-west-1 \
        AWS_CA_BUNDLE="$DIR/pki/ca.crt" AWS_EC2_METADATA_DISABLED=true HOME=$DIR \
        aws lambda invoke --endpoint-url "https://localhost:$HTTPS" --function-name echo \
        --payload "fileb://$DIR/event.json" --log-type Tail "$DIR/aws.json" > "$DIR/aws.log" 2>&1 ||
        fail "aws lambda invoke"
    [ "$(cat "$DIR/aws.json")" = '{"from":"aws"}' ] || fail "aws got $(cat "$DIR/aws.json")"
    grep -q '"StatusCode": 200' "$DIR/aws.log" || fail "aws says $(cat "$DIR/aws.log")"
}

# A password, a token, a certificate; and what opens nothing.
who_may_is_told_by_every_credential() {
    status 200 $(invoke private) -u 'anna:correct horse'
    body_is '{"n":1}'
    status 403 $(invoke private) -u 'anna:wrong'
    grep -qi '^x-amzn-errortype: UnrecognizedClientException' "$DIR/head" || fail "$(cat "$DIR/head")"
    token=$(python3 "$ROOT/tests/e2e/make_token.py" HS256 "$DIR/keys/issuer" \
        '{"iss":"https://login.example","aud":"box","sub":"robot","exp":4102444800}')
    status 200 $(invoke echo) -H "Authorization: Bearer $token"
    status 403 $(invoke private) -H "Authorization: Bearer $token"
    grep -q 'robot is not authorized to perform: lambda:InvokeFunction' "$DIR/body" || fail "$(cat "$DIR/body")"
    status 403 $(invoke echo) -H "Authorization: Bearer $token.x"
    status 200 $(invoke private) --cert "$DIR/pki/one.crt" --key "$DIR/pki/one.key"
    status 403 $(invoke echo) --cert "$DIR/pki/one.crt" --key "$DIR/pki/one.key"
    status 403 $(invoke echo)
    body_is '{"message":"Missing Authentication Token"}'
}

is_dead() {
    dead_letters | grep -q "$1"
}

# An event is on disk before its 202, and lives on as a message does: here it ends as a dead letter, and goes back.
events_are_kept() {
    kill_gateway
    start_gateway
    status 202 "https://localhost:$HTTPS/$API/private/invocations" -u 'anna:correct horse' \
        -H 'X-Amz-Invocation-Type: Event' -d '"fail"'
    kill_gateway
    start_gateway
    wait_until is_dead '^private/invoke .* Refused'
    "$BUILD/bin/sluice" dlq replay --config "$DIR/serverless.yml" private > "$DIR/replay.log" 2>&1 || fail "no replay"
    grep -q '^1 ' "$DIR/replay.log" || fail "$(cat "$DIR/replay.log")"
    stop_gateway
    start_gateway
}

# What a page in somebody's browser could do to the listener that lets everybody of this machine in.
pages_are_kept_out() {
    status 200 "http://127.0.0.1:$HTTP/$API/echo/invocations" -d '{"n":2}'
    status 403 "http://127.0.0.1:$HTTP/$API/echo/invocations" -d '{"n":2}' -H 'Origin: http://127.0.0.1'
    status 403 "http://127.0.0.1:$HTTP/$API/" -H 'Host: rebound.example'
    status 200 "http://127.0.0.1:$HTTP/$API/" -H "Host: localhost:$HTTP"
}

# A body is read only from who says who they are, and only up to its bound.
bodies_are_bounded() {
    head -c 100000 /dev/zero | tr '\0' '1' > "$DIR/large"
    status 413 "https://localhost:$HTTPS/$API/echo/invocations" --data-binary "@$DIR/large"
    status 200 "http://127.0.0.1:$HTTP/$API/echo/invocations" --data-binary "@$DIR/large" -H 'Transfer-Encoding: chunked'
    status 404 "https://localhost:$HTTPS/$API/echo/code" -X POST -u 'anna:correct horse'
    status 404 "http://127.0.0.1:$HTTP/"
}

the_javascript_client_works
the_command_line_works
who_may_is_told_by_every_credential
events_are_kept
pages_are_kept_out
bodies_are_bounded
stop_gateway

sed -i 's/http: "127.0.0.1:0"/http: "0.0.0.0:0"/' "$DIR/serverless.yml"
"$BUILD/bin/sluice" check --config "$DIR/serverless.yml" > "$DIR/check.log" 2>&1 && fail "http may listen everywhere"
grep -q 'serverless.yml:2:.*gateway.listen.http is at 0.0.0.0, where others could read it; allowed: 127.0.0.1 or \[::1\]' \
    "$DIR/check.log" || fail "it is not said why"

#!/bin/sh
# Functions in Lambda are invoked with what the AWS IoT credential provider gives for the gateway's certificate, or a
# container's endpoint for the token in the gateway's environment.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub python3

make_pki box-7
mkfifo "$DIR/until"
python3 -B "$ROOT/tests/contract/aws_world.py" "$DIR/pki" < "$DIR/until" > "$DIR/ports.log" &
WORLD=$!
started "$WORLD"
exec 3> "$DIR/until"
wait_for '^[0-9]* [0-9]* [0-9]* [0-9]*$' "$DIR/ports.log" "$WORLD"
read -r IOT LAMBDA CONTAINER CONTAINERS_LAMBDA < "$DIR/ports.log"

unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
configure() {
    cat > "$DIR/serverless.yml" << END
provider: {name: aws, region: eu-west-1}
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#"], subscribe: ["answers"]}]
$2
functions:
  archive:
    lambda: archive
    endpoint: http://127.0.0.1:$1
    events: [{iot: {sql: "SELECT * FROM 'farm/#'"}}]
    reply: answers
END
}
iot() {
    cat << END
  iotCredentials:
    endpoint: localhost:$IOT
    roleAlias: $1
    thingName: box-7
    certificate: pki/box-7.crt
    key: pki/box-7.key
    ca: pki/ca.crt
END
}
answered() {
    start_gateway
    subscribe answers $(plain) -q 1 -t answers
    publish $(plain) -q 1 -t farm/one -m '{}'
    expect answers "$SUBSCRIBER" 'answers 1 0 "ID1"'
    stop_gateway
}
configure "$LAMBDA" "$(iot 'edge/7')"
"$BUILD/bin/sluice" check --config "$DIR/serverless.yml" > "$DIR/check.log" 2>&1 && fail "an alias with a slash was let in"
grep -q "roleAlias is 'edge/7'; allowed: letters" "$DIR/check.log" || fail "$(cat "$DIR/check.log")"
configure "$LAMBDA" "$(iot edge)"
answered
configure "$CONTAINERS_LAMBDA" ""
export HOME="$DIR" AWS_CONTAINER_AUTHORIZATION_TOKEN=token
export AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:$CONTAINER/credentials"
answered

# The shared file is followed when another takes its place, confined as the worker is.
unset AWS_CONTAINER_CREDENTIALS_FULL_URI
mkdir "$DIR/keys"
export AWS_SHARED_CREDENTIALS_FILE="$DIR/keys/credentials"
renew() {
    printf '[default]\naws_access_key_id = ID%s\naws_secret_access_key = secret\naws_session_token = token%s\n' \
        "$1" "$1" > "$DIR/keys/new"
    mv "$DIR/keys/new" "$AWS_SHARED_CREDENTIALS_FILE"
}
renew 1
start_gateway
subscribe answers $(plain) -q 1 -t answers
publish $(plain) -q 1 -t farm/one -m '{}'
expect answers "$SUBSCRIBER" 'answers 1 0 "ID1"'
python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$CONTAINER/').read()" # only ID2 is taken now
renew 2
publish $(plain) -q 1 -t farm/one -m '{}'
expect answers "$SUBSCRIBER" 'answers 1 0 "ID2"'
stop_gateway
exec 3>&-

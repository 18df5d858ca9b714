#!/bin/sh
# A function can do its work and nothing else, and what it ruins is its own event.
# Not in /tmp: what a function needs from there it could not have beside a /tmp of its own.
export TMPDIR=/var/tmp
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub
cp -R "$BUILD/libexec/sluice" "$DIR/workers"
mkdir "$DIR/code"
cp "$BUILD/tests/isolated.so" "$DIR/code"
cp "$BUILD/tests/isolated.so" "$DIR"
export SLUICE_WORKERS="$DIR/workers"

# Found by the gateway, and by no function.
export SECRET=hunter2

# `here` may use the network and a folder; `confined` has what every function has.
configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["confined/#", "free/#"], subscribe: ["out/#"]}]
  workers: {sandbox: $1}
  keys: [{id: AKIDEXAMPLE, secretFile: secret}]
  iotCredentials: {endpoint: "127.0.0.1:1", roleAlias: a, certificate: readable/file, key: iot.pem}
provider: {runtime: native}
functions:
  confined:
    handler: code/isolated.so
    environment: {OWN: variable}
    events: [{iot: {sql: "SELECT * FROM 'confined'"}}]
    reply: out
  free:
    handler: isolated.so
    network: true
    files: {read: [readable], write: [writable]}
    events: [{iot: {sql: "SELECT * FROM 'free'"}}]
    reply: out
  remote:
    runtime: uplink
    uplink: {url: "mqtts://127.0.0.1:1", clientId: a, certificate: readable/file, key: uplink.pem}
    events: [{iot: {sql: "SELECT * FROM 'remote'"}}]
END
}

# try FUNCTION ACT ARGUMENT ERROR: what the function gets when it tries.
try() {
    answer "$1" "{\"try\":\"$2\",\"with\":\"$3\"}"
    [ "$ANSWER" = "{\"try\":\"$2\",\"error\":\"$4\"}" ] || fail "$1 $2 $3: $ANSWER"
}

# answer FUNCTION EVENT: sets ANSWER.
ANSWER_COUNT=0
answer() {
    publish $(plain) -q 1 -t "$1" -m "$2"
    ANSWER_COUNT=$((ANSWER_COUNT + 1))
    wait_until has_answered
    ANSWER=$(got out | tail -n 1 | cut -d ' ' -f 5-)
}
has_answered() {
    [ "$(got out | wc -l)" = "$ANSWER_COUNT" ]
}

for secret in secret iot.pem uplink.pem; do
    echo wJalrXUtnFEMIbPxRfiCY0 > "$DIR/$secret"
done
chmod 644 "$DIR/secret" "$DIR"/*.pem # so that it is not the user who is refused
mkdir "$DIR/readable" "$DIR/writable"
chmod 777 "$DIR/writable"
echo text > "$DIR/readable/file"
configure "${SANDBOX:-available}"
start_gateway
subscribe out $(plain) -q 1 -t out
! grep -q 'less confined' "$DIR/gateway.log" || skip "$(grep 'less confined' "$DIR/gateway.log")"

files_of_others_are_out_of_reach() {
    try confined read /etc/shadow 'Permission denied'
    try confined read "$DIR/serverless.yml" 'Permission denied'
    try confined list "$DIR/data" 'Permission denied'
    try confined read "$DIR/readable/file" 'Permission denied'
    try confined write "$DIR/writable/file" 'Permission denied'
    try confined write /var/tmp/file 'Permission denied'
    try confined write /tmp/file none
    [ ! -e /tmp/file ] || fail "a function wrote to the machine's /tmp"
    try confined read "$DIR/code/isolated.so" none
    try confined read "$DIR/isolated.so" 'Permission denied'
    try confined read /etc/passwd none
    try free read "$DIR/readable/file" none
    try free write "$DIR/readable/other" 'Permission denied'
    try free write "$DIR/writable/file" none
    # Its folder is the gateway's too, but for what the gateway has there.
    try free read "$DIR/workers/native" none
    for file in $(find "$DIR/data" -type f); do
        try free read "$file" 'Permission denied'
    done
    try free read "$DIR/serverless.yml" 'Permission denied'
    for secret in secret iot.pem uplink.pem; do
        try free read "$DIR/$secret" 'Permission denied'
    done
}

the_network_is_for_those_that_say_so() {
    try confined 'open an internet socket' '' 'Permission denied'
    try confined 'open an internet 6 socket' '' 'Permission denied'
    try free 'open an internet socket' '' none
}

the_gateway_cannot_be_touched() {
    try confined signal "$GATEWAY" 'Operation not permitted'
    answer confined "{\"try\":\"trace\",\"with\":\"$GATEWAY\"}" # the leak checker may trace, but not others
    echo "$ANSWER" | grep -Eq 'Operation not permitted|Function not implemented' || fail "trace: $ANSWER"
    try confined 'open the memory of' "$GATEWAY" 'Permission denied'
    try confined 'read the memory of' "$GATEWAY" 'Function not implemented'
    try confined limit "$GATEWAY" 'Function not implemented'
    try confined 'slow down' "$GATEWAY" 'Function not implemented'
    try confined 'find a descriptor' '' none
}

# Its own variables, and nothing of the gateway's.
the_environment_is_its_own() {
    answer confined '{"try":"environment"}'
    [ "$ANSWER" = 'OWN=variable ' ] || fail "$ANSWER"
}

# What a function is may be in the gateway's own folder; what the gateway has beside it is not the function's.
what_is_hidden_in_code_stays_hidden() {
    mkdir -p "$DIR/own/code"
    for file in own/journal own/code/passwords own/code/library; do
        echo text > "$DIR/$file"
    done
    launch="$DIR/workers/launch --hide $DIR/own --hide $DIR/own/code/passwords --code"
    $launch "$DIR/own/code" -- /bin/cat "$DIR/own/code/library" > "$DIR/launch.log" 2>&1 || fail "code cannot be read"
    for row in own/code:own/code/passwords own/code:own/journal own:own/journal own:own/code/library; do
        ! $launch "$DIR/${row%:*}" -- /bin/cat "$DIR/${row#*:}" > "$DIR/launch.log" 2>&1 || fail "$row is read"
        grep -q 'Permission denied' "$DIR/launch.log" || fail "$row"
    done
}

what_is_hidden_in_code_stays_hidden
the_gateway_cannot_be_touched
files_of_others_are_out_of_reach
the_network_is_for_those_that_say_so
the_environment_is_its_own
stop_gateway

# Code beside the journal would be without its libraries, which is said at start.
cp "$BUILD/tests/isolated.so" "$DIR/data"
sed -i 's|handler: isolated.so|handler: data/isolated.so|' "$DIR/serverless.yml"
start_gateway
grep -q "WARNING functions cannot read $DIR/data, since it is the gateway's data" "$DIR/gateway.log" || fail "nothing is said"
stop_gateway

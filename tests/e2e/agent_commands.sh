#!/bin/sh
# A function sends a command to a device as a request of MQTT 5, the device's agent answers it, and who asked gets the
# answer; so do people. A sample that passes a limit is published at once, and an event says so.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto_rr

make_pki d1
mkdir "$DIR/board"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", publish: ["farm/%c/#"], subscribe: ["farm/%c/commands/#"]}
    - {who: anonymous, publish: ["farm/+/commands/#", "order/#"], subscribe: ["farm/#", "log/#"]}
provider: {runtime: native}
functions:
  commander:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT topic(2) AS device FROM 'order/+'"}}]
    reply: farm/\${device}/commands/sample
    replyTo: farm/\${device}/answers
  listener:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT soil, topic(2) AS device FROM 'farm/+/answers'"}}]
    reply: log/answers
END
start_gateway

cat > "$DIR/agent.conf" << END
$(agent_gateway d1)
commands = farm/%c/commands
[sampling]
interval = 24h
flush = 24h
[sensors]
root = $DIR/board
proc = no
[file soil]
path = $DIR/board/soil
decimals = 1
[watch soil]
below = 15
hysteresis = 2
[action lamp]
run = echo "the \"lamp\" is on"
[action broken]
run = echo no lamp; exit 3
[action slow]
run = echo >> $DIR/begun; until [ -e $DIR/gate ]; do sleep 0.1; done
END
echo 21.5 > "$DIR/board/soil"
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --stats "$DIR/agent.json" 2> "$DIR/agent.log" &
AGENT=$!
started "$AGENT"

# command NAME [OPTION...]: its answer, as User Properties|payload.
command() {
    name=$1
    shift
    timeout 120 mosquitto_rr $(plain) -V 5 -q 1 -t "farm/d1/commands/$name" -e "farm/d1/to/$name" -F '%P|%p' -W "${WAIT:-100}" "$@"
}

# is ANSWER EXPECTED: EXPECTED is a pattern of the shell.
is() {
    [ -z "${1##$2}" ] || fail "this is the answer: $1"
}

taken() {
    WAIT=1 command flush -n > "$DIR/first" 2>&1
}

people_ask() {
    wait_until taken # its subscription may be later than `online`
    is "$(command sample -n)" '|{"soil":21.5}'
    is "$(command interval -n)" '|{"interval_ms":86400000}'
    is "$(command interval -m '"12h"')" '|{"interval_ms":43200000}'
    is "$(command interval -m 1ms)" 'errorType:InvalidPayload|{"errorType":"InvalidPayload",*a time from 100ms to 24h*}'
    is "$(command stats -n)" '|{"samples":*"connects":1,*"hours":\[{"sent":{"data":[1-9]*"received":{"data":[1-9]*}}\]}'
    is "$(command lamp -m 'is not looked at; $(reboot)')" '|{"output":"the \\"lamp\\" is on\\n"}'
    is "$(command broken -n)" 'errorType:ActionFailed|{*"errorMessage":"its status is not 0","output":"no lamp\\n"}'
    is "$(command fly -n)" 'errorType:UnknownCommand|{*"there are sample flush interval stats lamp broken slow"}'
}

functions_ask() {
    subscribe log $(plain) -q 1 -t log/answers
    publish $(plain) -q 1 -t order/d1 -m '{}'
    expect log "$SUBSCRIBER" 'log/answers 1 0 {"soil":21.5,"device":"d1"}'
}

one_thing_is_done_at_a_time() {
    command slow -n > "$DIR/slow" &
    slow=$!
    started "$slow"
    wait_until test -s "$DIR/begun"
    is "$(command lamp -n)" 'errorType:Busy|{*}'
    is "$(command flush -n)" '|{"queued":*}'
    touch "$DIR/gate"
    wait "$slow" || fail "no answer to what took its time"
    is "$(cat "$DIR/slow")" '|{"output":""}'
}

limits_make_events_and_urgent_samples() {
    subscribe farm $(plain) -q 1 -t farm/d1/telemetry -t farm/d1/events
    echo 14.9 > "$DIR/board/soil"
    is "$(command sample -n)" '|{"soil":14.9}'
    expect farm "$SUBSCRIBER" 'farm/d1/events 1 0 {"time":[0-9.]*,"sensor":"soil","value":14.9,"state":"below","limit":15}'
    expect farm "$SUBSCRIBER" 'farm/d1/telemetry 1 0 {"time":[0-9.]*,"soil":14.9}'
    echo 16 > "$DIR/board/soil" # not yet far enough back
    is "$(command sample -n)" '|{"soil":16.0}'
    echo 17 > "$DIR/board/soil"
    is "$(command sample -n)" '|{"soil":17.0}'
    expect farm "$SUBSCRIBER" 'farm/d1/events 1 0 {"time":[0-9.]*,"sensor":"soil","value":17.0,"state":"normal","limit":15}'
    [ "$(got farm | grep -c /events)" = 2 ] || fail "there are not two events"
}

the_agent_stops_what_it_does() {
    rm "$DIR/gate"
    : > "$DIR/begun"
    command slow -n > "$DIR/slow" &
    slow=$!
    started "$slow"
    wait_until test -s "$DIR/begun"
    kill "$AGENT"
    wait "$AGENT" || fail "the agent's status is $?"
    wait "$slow" || fail "no answer to what was given up"
    is "$(cat "$DIR/slow")" 'errorType:Stopping|{*}'
    grep -q '"queued":0,' "$DIR/agent.json" || fail "$(cat "$DIR/agent.json")"
}

a_watch_of_nothing_is_named() {
    printf '[watch soul]\nabove = 1\n' >> "$DIR/agent.conf"
    status=0
    "$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" 2> "$DIR/wrong" || status=$?
    [ "$status" = 1 ] || fail "the status is $status" # its driver may be loaded later
    grep -q '\[watch soul\] in line [0-9]*: this board has no such sensor' "$DIR/wrong" || fail "$(cat "$DIR/wrong")"
}

people_ask
functions_ask
one_thing_is_done_at_a_time
limits_make_events_and_urgent_samples
the_agent_stops_what_it_does
a_watch_of_nothing_is_named
stop_gateway

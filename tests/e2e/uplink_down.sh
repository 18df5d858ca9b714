#!/bin/sh
# Topics of the other Server come down, also where the same topics go up; nothing goes round.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto python3

SITE=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$SITE" > "$DIR/mosquitto.conf"
mosquitto -v -c "$DIR/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
SITE_PID=$!
started "$SITE_PID"
wait_for "Opening ipv4 listen socket on port $SITE\\." "$DIR/mosquitto.log" "$SITE_PID"
site() {
    echo "-h 127.0.0.1 -p $SITE -V mqttv5"
}

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["both/#", "old/#"], subscribe: ["#"]}]
functions:
  both:
    uplink: {url: "mqtt://127.0.0.1:$SITE", clientId: gateway-1, down: [{filter: "both/#"}]}
    events: [{iot: {sql: "SELECT * FROM 'both/#'"}}]
  old:
    uplink:
      url: "mqtt://127.0.0.1:$SITE"
      version: 3.1.1
      clientId: gateway-2
      topic: "up/\${topic}"
      down: [{filter: "cmd/+/#", topic: "old/\${topic}"}]
    events: [{iot: {sql: "SELECT * FROM 'old/#'"}}]
END
start_gateway
for name in both old; do
    wait_for "$name: connected to mqtt.* may be in flight" "$DIR/gateway.log" "$GATEWAY"
    wait_for "$name: connected to mqtt.* what comes down" "$DIR/gateway.log" "$GATEWAY"
done
wait_for 'Sending SUBACK to gateway-1-down' "$DIR/mosquitto.log" "$SITE_PID"
wait_for 'Sending SUBACK to gateway-2-down' "$DIR/mosquitto.log" "$SITE_PID"
subscribe there $(site) -q 1 -t '#'
there=$SUBSCRIBER
subscribe here $(plain) -q 1 -t '#'
here=$SUBSCRIBER

publish $(plain) -q 1 -t both/a -m 'from here'
expect there "$there" 'both/a 1 0 from here'
publish $(site) -q 1 -t both/a -m 'from there'
expect here "$here" 'both/a 1 0 from there'
publish $(plain) -q 1 -t old/a -m 'from here'
expect there "$there" 'up/old/a 1 0 from here'
publish $(site) -q 1 -t cmd/7/go -m 'from there'
expect here "$here" 'old/cmd/7/go 1 0 from there'

# What would have gone round has done so by the time that what was published after it has arrived, both ways.
publish $(plain) -q 1 -t both/end -m 1
expect there "$there" 'both/end 1 0 1'
publish $(site) -q 1 -t both/end -m 2
expect here "$here" 'both/end 1 0 2'
publish $(plain) -q 1 -t old/end -m 3
expect there "$there" 'up/old/end 1 0 3'
publish $(site) -q 1 -t cmd/7/end -m 4
expect here "$here" 'old/cmd/7/end 1 0 4'
[ "$(got here | sort | uniq -d)$(got there | sort | uniq -d)" = "" ] || fail "it went round: $(got here) $(got there)"
[ "$(got here | wc -l) $(got there | wc -l)" = "8 8" ] || fail "it went round: $(got here) $(got there)"

# While the gateway is away, and killed, what is to come down waits at the remote.
subscribe kept $(plain) -q 1 -c -i kept -t 'both/#'
kill "$SUBSCRIBER"
wait "$SUBSCRIBER" 2> /dev/null || true
kill_gateway
for number in 1 2 3 4 5; do
    publish $(site) -q 1 -t "both/$number" -m late
done
start_gateway
subscribe kept $(plain) -q 1 -c -i kept -t 'both/#'
for number in 1 2 3 4 5; do
    expect kept "$SUBSCRIBER" "both/$number 1 0 late"
done

# What brings topics down may need longer to end than what forwards, and is heard until then. Each function has one of
# both, in this order.
children=$(cat "/proc/$GATEWAY/task/$GATEWAY/children")
ends_late() {
    set -- $children
    [ ! -e "/proc/$1" ] || [ ! -e "/proc/$3" ] || grep -q '^ShdPnd:	.*4...$' "/proc/$2/status" # SIGTERM waits for it
}
resume() {
    set -- $children
    kill -CONT "$2" "$4" 2> /dev/null || true
}
set -- $children
[ $# = 4 ] || fail "there are other workers: $children"
kill -STOP "$2" "$4"
publish $(plain) -q 1 -t both/up -m now
expect there "$there" 'both/up 1 0 now' # so it is the others that stand still
kill "$GATEWAY"
wait_until ends_late
for child in $(set -- $children; echo "$2" "$4"); do
    echo 'still here' > "/proc/$child/fd/2"
done
resume
check_stop

# What MQTT 3.1.1 could not tell apart is said when it is configured.
sed -i 's|cmd/+/#|up/+/#|' "$DIR/serverless.yml"
"$BUILD/bin/sluice" check --config "$DIR/serverless.yml" > "$DIR/check.log" 2>&1 && fail "a loop was let in"
grep -q 'what goes up as up/${topic} would come down again by the filter up/+/#' "$DIR/check.log" || fail "$(cat "$DIR/check.log")"

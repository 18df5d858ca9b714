#!/bin/sh
# The properties of MQTT 5 go up and come down with their message; what the payload was stays behind where a rule
# makes another; what has expired is not forwarded.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto python3

SITE=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$SITE" > "$DIR/mosquitto.conf"
start_site() {
    mosquitto -v -c "$DIR/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
    SITE_PID=$!
    started "$SITE_PID"
    wait_for "Opening ipv4 listen socket on port $SITE\\." "$DIR/mosquitto.log" "$SITE_PID"
}
start_site
site() {
    echo "-h 127.0.0.1 -p $SITE -V mqttv5"
}

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  limits: {propertyBytes: 200000}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["up/#"], subscribe: ["#"]}]
functions:
  both:
    uplink: {url: "mqtt://127.0.0.1:$SITE", clientId: gateway-1, keepAlive: 1, down: [{filter: "down/#"}]}
    events: [{iot: {sql: "SELECT * FROM 'up/#'"}}]
  old:
    uplink: {url: "mqtt://127.0.0.1:$SITE", clientId: gateway-2, version: 3.1.1, topic: "old/\${topic}"}
    events: [{iot: {sql: "SELECT * FROM 'up/#'"}}]
  chosen:
    uplink: {url: "mqtt://127.0.0.1:$SITE", clientId: gateway-3, topic: "chosen/\${topic}"}
    events: [{iot: {sql: "SELECT a FROM 'up/#'"}}]
END
start_gateway
wait_for 'Sending SUBACK to gateway-1-down' "$DIR/mosquitto.log" "$SITE_PID"
form='got %t|%p|%C|%F|%R|%D|%E|%P'
subscribe there $(site) -q 1 -t '#' -F "$form"
there=$SUBSCRIBER
subscribe here $(plain) -V mqttv5 -q 1 -t 'down/#' -F "$form"
here=$SUBSCRIBER

# with TOPIC PAYLOAD SERVER...: publishes with all properties that there are.
with() {
    topic=$1 payload=$2
    shift 2
    publish "$@" -V mqttv5 -q 1 -t "$topic" -m "$payload" -D publish content-type application/json \
        -D publish payload-format-indicator 1 -D publish response-topic answers/7 -D publish correlation-data 'c-7' \
        -D publish message-expiry-interval 4000 -D publish user-property b 2 -D publish user-property a 1 \
        -D publish user-property b 1
}
with up/x '{"a":1}' $(plain)
expect there "$there" 'up/x|{"a":1}|application/json|1|answers/7|c-7|\(4000\|39..\)|b:2 a:1 b:1 sluice-path:gateway-1'
expect there "$there" 'old/up/x|{"a":1}||.*||||'
expect there "$there" 'chosen/up/x|{"a":1}|application/json|1|answers/7|c-7|\(4000\|39..\)|b:2 a:1 b:1 sluice-path:gateway-3'
with up/x '{"a":2,"b":3}' $(plain)
expect there "$there" 'chosen/up/x|{"a":2}|||answers/7|c-7|\(4000\|39..\)|b:2 a:1 b:1 sluice-path:gateway-3'
# A path that no gateways have made is none: it goes no further.
publish $(plain) -V mqttv5 -q 1 -t up/long -m '{}' \
    -D publish user-property sluice-path "$(head -c 2000 /dev/zero | tr '\0' x)"
expect there "$there" 'up/long|{}||.*|||sluice-path:gateway-1'
# Properties as large as MQTT 5 Clients have them go up; what no worker takes is given up at once.
large=$(head -c 60000 /dev/zero | tr '\0' p)
publish $(plain) -V mqttv5 -q 1 -t up/large -m '{}' -D publish user-property large "$large"
expect there "$there" "up/large|{}||.*|||large:$large sluice-path:gateway-1"
publish $(plain) -V mqttv5 -q 1 -t up/larger -m '{}' -D publish user-property a "$large" \
    -D publish user-property b "$large" -D publish user-property c "$large"
wait_for 'function both gave up a message after 0 attempts (rejected): InvalidEvent' "$DIR/gateway.log" "$GATEWAY"
with down/x '{"a":4}' $(site)
expect here "$here" 'down/x|{"a":4}|application/json|1|answers/7|c-7|\(4000\|39..\)|b:2 a:1 b:1'

# While the other Server is away a message waits here, and for no longer than its publisher said.
kill "$SITE_PID"
wait "$SITE_PID" || true
wait_for 'both: .*ended the connection' "$DIR/gateway.log" "$GATEWAY"
publish $(plain) -V mqttv5 -q 1 -t up/short -m '{"a":1}' -D publish message-expiry-interval 1
sleep 1.1
start_site
wait_for 'function both gave up a message after 0 attempts (rejected): MessageExpired' "$DIR/gateway.log" "$GATEWAY"
stop_gateway

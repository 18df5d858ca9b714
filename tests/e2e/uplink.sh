#!/bin/sh
# Another MQTT Server above: what a rule selects arrives there, over TLS and as whom it should, under its new topic.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto mosquitto_passwd python3

make_pki gateway-1
mkdir "$DIR/site"
touch "$DIR/site/users"
mosquitto_passwd -b "$DIR/site/users" ann secret
# Its listeners: by certificate, whose name is then who the Client is, and by password.
free_port() {
    python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
SITE_TLS=$(free_port)
SITE=$(free_port)
cat > "$DIR/site/mosquitto.conf" << END
per_listener_settings true
user $(id -un)
listener $SITE_TLS 127.0.0.1
cafile $DIR/pki/ca.crt
certfile $DIR/pki/gateway.crt
keyfile $DIR/pki/gateway.key
require_certificate true
use_identity_as_username true
acl_file $DIR/site/acl
listener $SITE 127.0.0.1
password_file $DIR/site/users
END
printf 'user gateway-1\ntopic write site1/#\n' > "$DIR/site/acl"
chmod 600 "$DIR/site/acl" "$DIR/site/users"
mosquitto -v -c "$DIR/site/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
SITE_PID=$!
started "$SITE_PID"
wait_for "Opening ipv4 listen socket on port $SITE\\." "$DIR/mosquitto.log" "$SITE_PID"
subscribe site -h 127.0.0.1 -p "$SITE" -u ann -P secret -V mqttv5 -q 1 -t '#'
SITE_SUBSCRIBER=$SUBSCRIBER

uplink() {
    cat << END
  $1:
    uplink: {url: "$2", clientId: $1, keepAlive: 5, $3}
    events: [{iot: {sql: "$4"}}]
END
}
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#", "bytes/#"]}]
functions:
$(uplink certificate "mqtts://localhost:$SITE_TLS" "ca: pki/ca.crt, certificate: pki/gateway-1.crt, key: pki/gateway-1.key, topic: 'site1/\${topic}'" "SELECT * FROM 'farm/#'")
$(uplink password "mqtt://localhost:$SITE" "user: ann, password: secret, version: 3.1.1, topic: 'alarm/\${device}/%c'" "SELECT celsius, topic(2) AS device FROM 'farm/+/t' WHERE celsius > 30")
$(uplink bytes "mqtt://127.0.0.1:$SITE" "user: ann, password: secret" "SELECT * FROM 'bytes/#'")
$(uplink wrong "mqtt://127.0.0.1:$SITE" "user: ann, password: wrong" "SELECT * FROM 'farm/wrong'")
$(uplink unknown "mqtts://localhost:$SITE_TLS" "topic: x" "SELECT * FROM 'farm/wrong'")
$(uplink misnamed "mqtts://127.0.0.2:$SITE_TLS" "ca: pki/ca.crt, topic: x" "SELECT * FROM 'farm/wrong'")
END
start_gateway
for name in certificate password bytes; do
    wait_for "$name: connected to mqtt" "$DIR/gateway.log" "$GATEWAY"
done
wait_for 'wrong: .*is not reached: Not authorized' "$DIR/gateway.log" "$GATEWAY"
wait_for 'unknown: .*is not reached: ' "$DIR/gateway.log" "$GATEWAY"
wait_for 'misnamed: .*is not reached: ' "$DIR/gateway.log" "$GATEWAY"

received() {
    wait_for "Received PUBLISH from $1 (d0, q1, r$2, .*'$3'.*)" "$DIR/mosquitto.log" "$SITE_PID"
}

publish $(plain) -q 1 -i pi-7 -t farm/shed/t -m '{"celsius":20}'
expect site "$SITE_SUBSCRIBER" 'site1/farm/shed/t 1 0 {"celsius":20}'
publish $(plain) -q 1 -i pi-7 -t farm/shed/t -m '{"celsius":31}'
expect site "$SITE_SUBSCRIBER" 'site1/farm/shed/t 1 0 {"celsius":31}'
expect site "$SITE_SUBSCRIBER" 'alarm/shed/pi-7 1 0 {"celsius":31,"device":"shed"}'
publish $(plain) -q 1 -r -t bytes/a -m 'no JSON'
expect site "$SITE_SUBSCRIBER" 'bytes/a 1 0 no JSON'
received bytes 1 bytes/a

# What the topic needs has no value: it will never have one, and is no reason to hold up what follows.
publish $(plain) -q 1 -i 'a+b' -t farm/shed/t -m '{"celsius":32}'
wait_for 'function password gave up a message after 0 attempts (rejected): InvalidTopic' "$DIR/gateway.log" "$GATEWAY"
publish $(plain) -q 1 -i pi-7 -t farm/barn/t -m '{"celsius":33}'
expect site "$SITE_SUBSCRIBER" 'alarm/barn/pi-7 1 0 {"celsius":33,"device":"barn"}'
publish $(plain) -q 1 -t farm/wrong -m '{"waits":"here"}'
expect site "$SITE_SUBSCRIBER" 'site1/farm/wrong 1 0 {"waits":"here"}'
stop_gateway
# What has no Server that takes it stays: three uplinks of the last message.
[ "$(ledger deadLetters) $(ledger queued)" = "1 3" ] || fail "$(cat "$DIR/gateway.out")"

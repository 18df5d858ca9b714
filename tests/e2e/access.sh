#!/bin/sh
# Nothing is allowed that no rule allows.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub openssl

make_pki d1 d2 controller guest
"$BUILD/bin/sluice" pki init "$DIR/other" > /dev/null
"$BUILD/bin/sluice" pki issue "$DIR/other" d1 > /dev/null
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:d*", publish: ["farm/%c/#"], subscribe: ["farm/%c/commands/#", "home/+"]}
    - {who: "device:controller", publish: ["farm/+/commands/#"]}
    - {who: anonymous, subscribe: ["farm/#", "home/#"]}
END
start_gateway
subscribe all $(plain) -q 1 -t 'farm/#' -t 'home/#'
all=$SUBSCRIBER

# refused_publish ARGUMENTS...: version 5's PUBACK says 0x87.
refused_publish() {
    mosquitto_pub -V mqttv5 -q 1 -m forbidden "$@" > "$DIR/publish.log" 2>&1 || true
    grep -q 'Not authorized' "$DIR/publish.log" || fail "not refused: $*: $(cat "$DIR/publish.log")"
}

# refused_subscribe ARGUMENTS...: the SUBACK refuses every Topic Filter; mosquitto_sub ends by itself then.
refused_subscribe() {
    mosquitto_sub -q 1 "$@" > "$DIR/refused.log" 2>&1 || true
    grep -q 'All subscription requests were denied' "$DIR/refused.log" ||
        fail "not refused: $*: $(cat "$DIR/refused.log")"
}

# refused_connection ARGUMENTS...
refused_connection() {
    if mosquitto_pub -q 1 -t farm/d1/a -m forbidden "$@" > "$DIR/publish.log" 2>&1; then
        fail "let in: $*"
    fi
}

a_device_publishes_under_its_own_name() {
    publish $(as d1) -i d1 -V mqttv5 -q 1 -t farm/d1/telemetry -m mine
    expect all "$all" 'farm/d1/telemetry 1 0 mine'
}

a_device_publishes_nowhere_else() {
    for topic in farm/d2/telemetry farm/d1x farm home/a other farm//d1 /farm/d1/a; do
        refused_publish $(as d1) -i d1 -t "$topic"
    done
    # Version 3.1.1 has no word for it: the connection is closed [MQTT-3.3.5-2].
    refused_connection $(as d1) -i d1 -V mqttv311 -t farm/d2/telemetry
}

# Nobody with another certificate gets a device's Client Identifier: be the device away, or connected.
a_client_identifier_belongs_to_its_certificate() {
    refused_connection $(as d1) -i d2 -V mqttv5 -t farm/d1/telemetry
    grep -q 'Client Identifier not valid' "$DIR/publish.log" || fail "not refused: $(cat "$DIR/publish.log")"
    subscribe d2 $(as d2) -i d2 -V mqttv5 -q 1 -t farm/d2/commands/a
    owner=$SUBSCRIBER
    refused_connection $(as d1) -i d2 -V mqttv5
    refused_connection $(as d1) -i d2 -V mqttv311
    refused_connection $(plain) -i d2 -V mqttv311
    publish $(as controller) -q 1 -t farm/d2/commands/a -m open
    expect d2 "$owner" 'farm/d2/commands/a 1 0 open'
    [ "$(grep -c 'sending CONNECT' "$DIR/d2.log")" = 1 ] || fail "the owner was disconnected"
    kill "$owner"
}

a_device_subscribes_to_its_own_topics_only() {
    for filter in 'farm/d2/commands/a' 'farm/+/commands/#' 'farm/d1/#' 'farm/#' '#' '+/d1/commands/x' \
        'home/#' 'home/+/x' '+/x' '$SYS/#' '$share/group/home/#' '$share/group/farm/d2/commands/a'; do
        refused_subscribe $(as d1) -i d1 -V mqttv5 -t "$filter"
        refused_subscribe $(as d1) -i d1 -V mqttv311 -t "$filter"
    done
    for filter in 'farm/d1/commands/#' 'farm/d1/commands/+/x' 'farm/d1/commands' 'home/+' 'home/x'; do
        subscribe own $(as d1) -i d1 -t "$filter"
        kill "$SUBSCRIBER"
        wait "$SUBSCRIBER" || true
    done
}

# One refused Topic Filter does not refuse the others of the same SUBSCRIBE.
a_subscribe_is_judged_filter_by_filter() {
    subscribe some $(as d1) -i d1 -q 1 -t 'home/#' -t 'home/+'
    grep -q '^Subscribed (mid: 1): 128, 1$' "$DIR/some.log" || fail "not 128, 1: $(cat "$DIR/some.log")"
    kill "$SUBSCRIBER"
}

a_certificate_that_no_rule_names_may_nothing() {
    refused_publish $(as guest) -i guest -t farm/guest/a
    refused_subscribe $(as guest) -i guest -t home/a
}

a_will_needs_the_right_to_publish() {
    refused_connection $(as d1) -i d1 --will-topic farm/d2/telemetry --will-payload forbidden
    refused_connection $(plain) --will-topic farm/d1/telemetry --will-payload forbidden
}

anonymous_clients_publish_nothing() {
    refused_publish $(plain) -t farm/d1/telemetry
}

# The TLS listener asks for a certificate of the authority it knows.
strangers_are_not_let_in() {
    refused_connection -h localhost -p "$MQTTS" --cafile "$DIR/pki/ca.crt"
    refused_connection -h localhost -p "$MQTTS" --cafile "$DIR/pki/ca.crt" --cert "$DIR/other/d1.crt" \
        --key "$DIR/other/d1.key"
    refused_connection -h localhost -p "$MQTTS"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=d1 -days 2 \
        -keyout "$DIR/self.key" -out "$DIR/self.crt" 2> /dev/null
    refused_connection -h localhost -p "$MQTTS" --cafile "$DIR/pki/ca.crt" --cert "$DIR/self.crt" --key "$DIR/self.key"
    # A server's certificate is for no client.
    refused_connection -h localhost -p "$MQTTS" --cafile "$DIR/pki/ca.crt" --cert "$DIR/pki/gateway.crt" \
        --key "$DIR/pki/gateway.key"
}

# gateway.anonymous is about listeners: what the rules give to anonymous Clients is not had on another one.
a_listener_that_is_not_anonymous_takes_nobody_without_a_certificate() {
    sed -e 's/anonymous: \[mqtt\]/anonymous: [mqtts]/' "$DIR/serverless.yml" > "$DIR/other.yml"
    mv "$DIR/other.yml" "$DIR/serverless.yml"
    start_gateway
    if mosquitto_sub $(plain) -W 5 -E -t 'home/#' > "$DIR/refused.log" 2>&1; then
        fail "let in"
    fi
    subscribe guest -h localhost -p "$MQTTS" --cafile "$DIR/pki/ca.crt" -t 'home/#'
    stop_gateway
}

a_device_publishes_under_its_own_name
a_device_publishes_nowhere_else
a_client_identifier_belongs_to_its_certificate
a_device_subscribes_to_its_own_topics_only
a_subscribe_is_judged_filter_by_filter
a_certificate_that_no_rule_names_may_nothing
a_will_needs_the_right_to_publish
anonymous_clients_publish_nothing
strangers_are_not_let_in
publish $(as d1) -i d1 -q 1 -t farm/d1/telemetry -m last
expect all "$all" 'farm/d1/telemetry 1 0 last'
got all > "$DIR/arrived"
expect_lines "$DIR/arrived" 'got farm/d1/telemetry 1 0 mine' 'got farm/d2/commands/a 1 0 open' \
    'got farm/d1/telemetry 1 0 last'
stop_gateway
a_listener_that_is_not_anonymous_takes_nobody_without_a_certificate

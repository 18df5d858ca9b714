#!/bin/sh
# The limits of the configuration, met from outside: each does what it says, is counted under its name, and
# leaves other clients alone.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  sys: {interval: 0.1}
  limits: {filters: 2, propertyBytes: 128, publishRate: 100, subscriptions: 3, subscriptionsTotal: 6, connectRate: 2}
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#", "\$SYS/#"]}]
END
start_gateway
subscribe watch $(plain) -V mqttv5 -q 1 -t 't/#' -t '$SYS/broker/limits/+'
watch=$SUBSCRIBER

counted() {
    expect watch "$watch" "\$SYS/broker/limits/$1 0 [01] $2"
}

filters_of_a_subscribe() {
    mosquitto_sub $(plain) -V mqttv5 -d -E -t t/1 -t t/2 -t t/3 > "$DIR/filters.log" 2>&1 || true
    grep -q '^Subscribed (mid: 1): 0, 0, 151$' "$DIR/filters.log" || fail "$(cat "$DIR/filters.log")"
    counted filters 1
}

subscriptions_in_all() {
    subscribe first $(plain) -V mqttv5 -t t/1 -t t/2
    first=$SUBSCRIBER
    subscribe second $(plain) -V mqttv5 -t t/1 -t t/2
    mosquitto_sub $(plain) -V mqttv5 -d -E -t t/1 > "$DIR/third.log" 2>&1 || true
    grep -q '^Subscribed (mid: 1): 151$\|denied' "$DIR/third.log" || fail "$(cat "$DIR/third.log")"
    counted subscriptionsTotal 1
    kill "$first" "$SUBSCRIBER"
}

properties_of_a_message() {
    long=$(head -c 200 /dev/zero | tr '\0' x)
    mosquitto_pub $(plain) -V mqttv5 -d -q 1 -t t/properties -m refused -D publish user-property name "$long" \
        > "$DIR/properties.log" 2>&1 || true
    grep -q 'RC:151' "$DIR/properties.log" || fail "$(cat "$DIR/properties.log")"
    counted propertyBytes 1
}

# More than a second's worth: held back, and all there, in order.
a_publisher_is_slowed_down_and_loses_nothing() {
    seq 150 | mosquitto_pub $(plain) -q 1 -t t/fast -l
    expect watch "$watch" 't/fast 1 0 150'
    got watch | sed -n 's|^got t/fast 1 0 ||p' > "$DIR/fast"
    seq 150 | cmp - "$DIR/fast" || fail "150 messages did not arrive once each and in order"
    counted publishRate '[1-9][0-9]*'
}

# Twenty at once, and two more each second.
connections_of_an_address() {
    refused=0
    while [ "$refused" = 0 ]; do
        mosquitto_pub $(plain) -q 1 -t t/connect -m x > "$DIR/connect.log" 2>&1 || refused=1
    done
    counted connectRate '[1-9][0-9]*'
    grep -q '^got t/connect 1 0 x$' "$DIR/watch.log" || fail "not one came before"
}

filters_of_a_subscribe
subscriptions_in_all
properties_of_a_message
a_publisher_is_slowed_down_and_loses_nothing
connections_of_an_address
stop_gateway

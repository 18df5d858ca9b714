#!/bin/sh
# Any MQTT client works: mosquitto's, over plain and mutual TLS, in both versions. Their sessions are in sessions.sh.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

make_pki one two
configure_clients
start_gateway

# Each QoS, from each listener to each listener, in each version. A level of the topic names the case.
every_qos_arrives() {
    for version in 311 5; do
        subscribe "plain$version" $(plain) -V "mqttv$version" -q 2 -t "t/$version/#"
        plain_subscriber=$SUBSCRIBER
        subscribe "tls$version" $(as one) -i one -V "mqttv$version" -q 2 -t "t/$version/#"
        tls_subscriber=$SUBSCRIBER
        for qos in 0 1 2; do
            publish $(plain) -V "mqttv$version" -q "$qos" -t "t/$version/plain" -m "$qos"
            publish $(as two) -i two -V "mqttv$version" -q "$qos" -t "t/$version/tls" -m "$qos"
        done
        expect "plain$version" "$plain_subscriber" "t/$version/tls 2 0 2"
        expect "tls$version" "$tls_subscriber" "t/$version/tls 2 0 2"
        got "plain$version" > "$DIR/plain"
        got "tls$version" > "$DIR/tls"
        for file in plain tls; do
            expect_lines "$DIR/$file" "got t/$version/plain 0 0 0" "got t/$version/tls 0 0 0" \
                "got t/$version/plain 1 0 1" "got t/$version/tls 1 0 1" "got t/$version/plain 2 0 2" \
                "got t/$version/tls 2 0 2"
        done
        kill "$plain_subscriber" "$tls_subscriber"
    done
}

# A subscription lowers the QoS, and never raises it.
qos_is_the_lower_of_both() {
    subscribe lower $(plain) -q 0 -t t/lower
    publish $(plain) -q 2 -t t/lower -m two
    expect lower "$SUBSCRIBER" 't/lower 0 0 two'
    subscribe raise $(plain) -q 2 -t t/raise
    publish $(plain) -q 0 -t t/raise -m zero
    expect raise "$SUBSCRIBER" 't/raise 0 0 zero'
}

# The last retained message greets who subscribes, with RETAIN set; an empty one removes it.
retained_messages_greet_subscribers() {
    publish $(plain) -q 1 -r -t t/kept/a -m old
    publish $(plain) -q 1 -r -t t/kept/a -m new
    publish $(plain) -q 1 -r -t t/kept/b -m gone
    publish $(plain) -q 1 -r -t t/kept/b -n
    publish $(plain) -q 1 -t t/kept/c -m passing
    for version in 311 5; do
        subscribe "kept$version" $(as one) -V "mqttv$version" -q 1 -t 't/kept/#'
        publish $(plain) -q 1 -r -t t/kept/a -m new
        expect "kept$version" "$SUBSCRIBER" 't/kept/a 1 0 new'
        got "kept$version" > "$DIR/kept"
        expect_lines "$DIR/kept" 'got t/kept/a 1 1 new' 'got t/kept/a 1 0 new'
    done
}

# A client that dies has its will published; one that says goodbye has not.
wills_fire_when_a_client_dies() {
    subscribe wills $(plain) -q 1 -t 't/will/#'
    watcher=$SUBSCRIBER
    for version in 311 5; do
        publish $(as one) -V "mqttv$version" -t t/nothing -m polite --will-topic t/will/polite --will-payload never
        subscribe dies $(as one) -V "mqttv$version" -t t/nothing --will-topic "t/will/$version" --will-payload died \
            --will-qos 1 --will-retain
        kill -KILL "$SUBSCRIBER"
        expect wills "$watcher" "t/will/$version 1 0 died"
    done
    got wills > "$DIR/wills"
    expect_lines "$DIR/wills" 'got t/will/311 1 0 died' 'got t/will/5 1 0 died'
    subscribe later $(plain) -q 1 -t t/will/5
    expect later "$SUBSCRIBER" 't/will/5 1 1 died'
}

# What a version 5 publisher says about a message reaches its subscribers, user properties in their order.
properties_reach_subscribers() {
    subscribe properties $(as one) -V mqttv5 -q 1 -t t/properties -F 'got %C|%R|%D|%P|%p'
    publish $(plain) -V mqttv5 -q 1 -t t/properties -m body -D publish content-type text/plain \
        -D publish response-topic t/answers -D publish correlation-data 4711 \
        -D publish user-property b 2 -D publish user-property a 1 -D publish user-property b 3
    expect properties "$SUBSCRIBER" 'text/plain|t/answers|4711|b:2 a:1 b:3|body'
}

# A client of each version reads the other's messages.
versions_mix() {
    subscribe old $(plain) -V mqttv311 -q 1 -t t/mix
    old=$SUBSCRIBER
    publish $(plain) -V mqttv5 -q 1 -t t/mix -m new -D publish user-property a 1
    publish $(plain) -V mqttv311 -q 1 -t t/mix -m old
    expect old "$old" 't/mix 1 0 old'
    got old > "$DIR/mixed"
    expect_lines "$DIR/mixed" 'got t/mix 1 0 new' 'got t/mix 1 0 old'
}

# 64 KB in one message, and 500 messages in their order.
large_messages_and_many_messages_arrive() {
    head -c 65536 /dev/zero | tr '\0' x > "$DIR/large"
    stdbuf -oL mosquitto_sub $(as one) -d -q 1 -t t/large -C 1 -F '%p' > "$DIR/large.log" 2>&1 &
    large=$!
    started "$large"
    wait_for '^Subscribed' "$DIR/large.log" "$large"
    publish $(as two) -q 1 -t t/large -f "$DIR/large"
    wait "$large"
    grep -qxF "$(cat "$DIR/large")" "$DIR/large.log" || fail "the large message is not what was sent"

    subscribe many $(as one) -q 2 -t t/many
    seq 500 | mosquitto_pub $(as two) -q 2 -t t/many -l
    expect many "$SUBSCRIBER" 't/many 2 0 500'
    got many | cut -d ' ' -f 5 > "$DIR/many"
    seq 500 | cmp - "$DIR/many" || fail "500 messages did not arrive once each and in order"
}

every_qos_arrives
qos_is_the_lower_of_both
retained_messages_greet_subscribers
wills_fire_when_a_client_dies
properties_reach_subscribers
versions_mix
large_messages_and_many_messages_arrive
stop_gateway

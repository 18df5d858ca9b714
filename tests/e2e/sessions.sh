#!/bin/sh
# A session outlives its connection, and the gateway: what comes meanwhile waits for the client.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

make_pki one two
configure_clients
start_gateway

# session NAME: the options of one client with a session, in both versions.
session() {
    case $1 in
    old) echo "$(as one) -V mqttv311 -i one -c -q 2" ;;
    new) echo "$(as two) -V mqttv5 -i two -c -x 3600 -q 2" ;;
    esac
}

subscribe_and_leave() {
    for name in old new; do
        subscribe "$name" $(session "$name") -t 't/session/#'
        kill -INT "$SUBSCRIBER"
        wait "$SUBSCRIBER" || true
    done
}

# come_back COUNT LINE...: each client reconnects without subscribing anew, and gets just these messages. Those of
# QoS 2 may come behind others of QoS 1, so only the order of each topic counts.
come_back() {
    count=$1
    shift
    for name in old new; do
        mosquitto_sub $(session "$name") -t t/unused -F 'got %t %q %r %p' -C "$count" -W 60 > "$DIR/$name.log" 2>&1 ||
            fail "$name did not get what waited for it: $(cat "$DIR/$name.log")"
        got "$name" | sort -s -k 2,2 > "$DIR/waited"
        expect_lines "$DIR/waited" "$@"
    done
}

publish_three() {
    publish $(plain) -q 1 -t t/session/a -m "$1 one"
    publish $(plain) -q 2 -t t/session/b -m "$1 two"
    publish $(plain) -V mqttv5 -q 1 -t t/session/a -m "$1 three"
}

messages_wait_for_a_client() {
    publish_three offline
    come_back 3 'got t/session/a 1 0 offline one' 'got t/session/a 1 0 offline three' 'got t/session/b 2 0 offline two'
}

messages_survive_a_clean_stop() {
    publish_three stop
    stop_gateway
    start_gateway
    come_back 3 'got t/session/a 1 0 stop one' 'got t/session/a 1 0 stop three' 'got t/session/b 2 0 stop two'
}

# Every PUBACK was there when the gateway died, so every message is.
messages_survive_a_kill() {
    publish_three kill
    kill_gateway
    start_gateway
    come_back 3 'got t/session/a 1 0 kill one' 'got t/session/a 1 0 kill three' 'got t/session/b 2 0 kill two'
    kill_gateway
    start_gateway
    publish $(plain) -q 1 -t t/session/a -m last
    come_back 1 'got t/session/a 1 0 last' # what was delivered before the kill is not delivered again
}

retained_messages_survive_a_kill() {
    publish $(plain) -q 1 -r -t t/kept -m kept
    kill_gateway
    start_gateway
    subscribe kept $(plain) -q 1 -t t/kept
    expect kept "$SUBSCRIBER" 't/kept 1 1 kept'
}

# A will of a client that was connected is kept over both, and fires at the start. Killed it is, so that it does
# not come back.
wills_survive_a_stop_and_a_kill() {
    for end in stop kill; do
        subscribe "willing-$end" $(plain) -i "willing-$end" -t t/unused \
            --will-topic "t/will/$end" --will-payload gone --will-qos 1 --will-retain
        willing=$SUBSCRIBER
        "${end}_gateway"
        kill -9 "$willing" 2> /dev/null || true
        wait "$willing" || true
        start_gateway
        subscribe "wills-$end" $(plain) -q 1 -t "t/will/$end"
        expect "wills-$end" "$SUBSCRIBER" "t/will/$end 1 1 gone"
    done
}

# Clean Start ends a session: nothing waits any more.
a_clean_start_ends_a_session() {
    publish $(plain) -q 1 -t t/session/a -m forgotten
    mosquitto_sub $(as one) -V mqttv311 -i one -t t/unused -E
    mosquitto_sub $(as two) -V mqttv5 -i two -t t/unused -E
    subscribe_and_leave
    publish $(plain) -q 1 -t t/session/a -m fresh
    come_back 1 'got t/session/a 1 0 fresh'
}

# A second client of the same certificate and Client Identifier takes the session over.
a_session_is_taken_over() {
    subscribe first $(as one) -V mqttv5 -i one -q 1 -t t/takeover
    first=$SUBSCRIBER
    subscribe second $(as one) -V mqttv5 -i one -q 1 -t t/takeover
    wait_for 'DISCONNECT' "$DIR/first.log" "$first"
    kill "$first" 2> /dev/null || true # it would come back, and take over in turn
    wait "$first" || true
}

subscribe_and_leave
messages_wait_for_a_client
messages_survive_a_clean_stop
messages_survive_a_kill
retained_messages_survive_a_kill
wills_survive_a_stop_and_a_kill
a_clean_start_ends_a_session
a_session_is_taken_over
stop_gateway

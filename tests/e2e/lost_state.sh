#!/bin/sh
# A state that cannot be read is set aside: its sessions are gone, and what the journal has for them with it, so that
# no later session of the same name gets any of that.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  sys: {interval: 0.2}
  access: [{who: anonymous, publish: [old, new], subscribe: [old, new, "\$SYS/broker/#"]}]
END

SESSIONS=300

# subscribe_all TOPIC: each session does, and leaves.
subscribe_all() {
    number=0
    while [ "$number" -lt "$SESSIONS" ]; do
        mosquitto_sub $(plain) -c -i "session$number" -q 1 -t "$1" -E > "$DIR/subscribe.log" 2>&1 ||
            fail "session $number: $(cat "$DIR/subscribe.log")"
        number=$((number + 1))
    done
}

start_gateway
subscribe_all old
publish $(plain) -q 1 -t old -m one
publish $(plain) -q 1 -t old -m two
kill_gateway
rm -f "$DIR"/data/sluice.db-*
echo 'no database' > "$DIR/data/sluice.db"
start_gateway
subscribe_all new
publish $(plain) -q 1 -t new -m three
kill_gateway
start_gateway
subscribe figures $(plain) -t '$SYS/broker/messages/stored'
wait_for "^got .*messages/stored" "$DIR/figures.log" "$SUBSCRIBER"
grep -q "^got .*messages/stored 0 [01] $SESSIONS\$" "$DIR/figures.log" ||
    fail "not one message for each session: $(cat "$DIR/figures.log")"
mosquitto_sub $(plain) -c -i "session$((SESSIONS - 1))" -q 1 -t new -F 'got %t %p' -C 1 -W 60 > "$DIR/last.log" 2>&1 ||
    fail "the last session got nothing: $(cat "$DIR/last.log")"
expect_lines "$DIR/last.log" 'got new three'
stop_gateway

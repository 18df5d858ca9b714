#!/bin/sh
# An edge of a GPIO line reaches a subscriber at once, though the agent samples once an hour. The
# agent is linked with a chip without hardware: tests/unit/fake_gpio.h.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub python3

make_pki shed
configure_clients
start_gateway
echo 0 > "$DIR/chip.level"
: > "$DIR/chip"
mkfifo "$DIR/chip.events"
exec 3<> "$DIR/chip.events"
cat > "$DIR/agent.conf" << END
$(agent_gateway shed)
topic = t/shed

[sampling]
interval = 1h
flush = 1h

[sensors]
root = $DIR
proc = no

[gpio door]
chip = /chip
line = 17
report = urgent
END
subscribe all $(plain) -t 't/#'
all=$SUBSCRIBER
"$BUILD/tests/agent_on_fake_gpio" --config "$DIR/agent.conf" --stats "$DIR/stats" 2> "$DIR/agent.log" &
agent=$!
started "$agent"
wait_for online "$DIR/agent.log" "$agent"

# edge NUMBER LEVEL: a struct gpio_v2_line_event.
edge() {
    echo "$2" > "$DIR/chip.level"
    python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("=Q10I", 0, 1, 17, 0, int(sys.argv[1]), *[0] * 6))' "$1" >&3
}
# The first sample, of the start, has the door closed too, and comes with the first edge.
test_count() {
    [ "$(grep -c '"door":false}$' "$DIR/all.log")" = "$1" ]
}
edge 1 1
wait_for '^got t/shed 0 0 {"time":[0-9.]*,"door":true}$' "$DIR/all.log" "$all"
edge 2 0
wait_until test_count 2
kill "$agent"
wait "$agent" || fail "the agent ended with status $?"
stop_gateway

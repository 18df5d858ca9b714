#!/bin/sh
# The README's first function and its device in C, word for word but for the port, which the system chooses.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub cc

# block HEADING N: the N-th code block under that heading of the README.
block() {
    awk -v heading="## $1" -v wanted="$2" '
        /^## / { under = $0 == heading }
        under && /^```/ { inside = !inside; if (inside) count++; next }
        under && inside && count == wanted' "$ROOT/README.md"
}

cd "$DIR"
block "A first function of your own, in ten minutes" 1 |
    sed -e "s|^ROOT=.*|ROOT=$ROOT|" -e 's/127.0.0.1:1883/127.0.0.1:0/' -e '/sluice run$/d' > steps.sh
sh -eu steps.sh
mv first/* .
start_gateway
mosquitto_sub -p "$MQTT" -v -t 'farm/#' > heard.log &
started $!
subscriber=$!
wait_for_subscriber() {
    mosquitto_pub -p "$MQTT" -t farm/hello -m hello
    grep -q hello heard.log
}
wait_until wait_for_subscriber
block "A first function of your own, in ten minutes" 2 | grep '^mosquitto_pub' |
    sed "s/^mosquitto_pub/mosquitto_pub -p $MQTT/" > publish.sh
[ "$(wc -l < publish.sh)" = 3 ] || fail "the README publishes otherwise than this test expects"
sh -eu publish.sh
wait_for 'farm/shed/warm {"fahrenheit":88.7}' heard.log "$subscriber"
dead_letter() {
    dead_letters | grep -q 'farm/shed/telemetry.*not JSON'
}
wait_until dead_letter
stop_gateway
[ "$(ledger results)" = 1 ] || fail "the rule selected something else: $(cat gateway.out)"

block "A device in twenty lines of C" 1 > shed.c
block "A device in twenty lines of C" 2 | sed -e "s|build/|$BUILD/|g" -e "s|-I device-sdk|-I $ROOT/device-sdk|" > build.sh
sh -eu build.sh
[ -x shed ] || fail "the README's device was not built"

#!/bin/sh
# A backlog of messages of 100 bytes goes up to mosquitto when it is there again: how fast, and the
# processor time a message of the gateway, of its uplink worker and of mosquitto.
#
#   sh tests/bench/uplink.sh [BUILD [COUNT]]   BUILD: a Release build tree (default: build); COUNT: 50000
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "${1:-$ROOT/build}" && pwd)
COUNT=${2:-50000}
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto perl

free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# cpu_us PID: user and system time of the process so far.
cpu_us() {
    awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / hz }' "/proc/$1/stat"
}

# uplink INFLIGHT VERSION: its line.
uplink() {
    SITE=$(free_port)
    printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_inflight_messages %s\nmax_queued_messages 0\n' \
        "$SITE" "$1" > "$DIR/mosquitto.conf"
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#"]}]
functions:
  site:
    uplink: {url: "mqtt://127.0.0.1:$SITE", clientId: gateway-1, version: $2, inflight: $1}
    events: [{iot: {sql: "SELECT * FROM 'farm/#'"}}]
END
    start_gateway
    head -c 100 /dev/zero | tr '\0' x > "$DIR/line"
    echo >> "$DIR/line"
    yes "$(cat "$DIR/line")" | head -n "$COUNT" | mosquitto_pub $(plain) -q 1 -l -t farm/shed
    stop_gateway
    mosquitto -c "$DIR/mosquitto.conf" 2> "$DIR/mosquitto.log" &
    mosquitto=$!
    started "$mosquitto"
    wait_for "Opening ipv4 listen socket on port $SITE\\." "$DIR/mosquitto.log" "$mosquitto"
    stdbuf -oL mosquitto_sub -d -h 127.0.0.1 -p "$SITE" -q 0 -t 'farm/#' -C "$COUNT" > "$DIR/received.log" &
    subscriber=$!
    started "$subscriber"
    wait_for '^Subscribed' "$DIR/received.log" "$subscriber"
    began=$(date +%s%N)
    start_gateway
    wait "$subscriber" || fail "not all has arrived"
    ended=$(date +%s%N)
    worker=$(tr -d ' ' < "/proc/$GATEWAY/task/$GATEWAY/children")
    echo "inflight $1, MQTT $2: $((COUNT * 1000 / ((ended - began) / 1000000))) messages/s, start included;" \
        "CPU us a message: gateway $(share "$GATEWAY"), worker $(share "$worker"), mosquitto $(share "$mosquitto")"
    stop_gateway
    kill "$mosquitto"
    wait "$mosquitto" || true
    rm -rf "$DIR/data"
}

share() {
    echo "$(cpu_us "$1") $COUNT" | awk '{ printf "%.1f", $1 / $2 }'
}

uplink 10 5
uplink 100 5
uplink 1000 5
uplink 100 3.1.1

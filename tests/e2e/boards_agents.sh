#!/bin/sh
# The agent of each board, as it was cross-built and with that board's profile, under qemu's emulation of its
# processor: it publishes readings over mutual TLS to the gateway, takes a command and answers it, and ends as it is
# told to with everything acknowledged.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_rr mosquitto_sub
boards="raspberrypi-arm64 raspberrypi-armhf beaglebone openwrt visionfive qemu-arm64"

# emulator BOARD: the program that runs what was built for it. The processors of routers have no floating-point unit.
emulator() {
    case $1 in
    *arm64) echo qemu-aarch64-static ;;
    *armhf | beaglebone) echo qemu-arm-static ;;
    openwrt) echo "qemu-mipsel-static -cpu 24Kc" ;;
    visionfive) echo qemu-riscv64-static ;;
    esac
}

# profile BOARD: a folder serves both sizes of a board.
profile() {
    for folder in "$1" "${1%-*}"; do
        [ ! -f "$ROOT/boards/$folder/agent.conf" ] || { cat "$ROOT/boards/$folder/agent.conf"; return; }
    done
    fail "$1 has no agent.conf"
}

start_agent() {
    profile=$(profile "$1")
    cat > "$DIR/$1.conf" << END
$(agent_gateway "$1")
commands = farm/%c/commands
$profile
[sampling]
interval = 1s
flush = 1s
[file soil]
path = $DIR/soil
unit = %RH
scale = 0.1
decimals = 1
END
    # shellcheck disable=SC2046 # a program and its options
    $(emulator "$1") "$BUILD/boards/$1/bin/sluice-agent" --config "$DIR/$1.conf" --stats "$DIR/$1.json" \
        2> "$DIR/$1.log" &
    eval "agent_$(echo "$1" | tr - _)=$!"
    started "$!"
}

# Real readings of this machine, and one whose value is known.
readings_arrive() {
    wait_for "^got farm/$1/telemetry 1 0 {\"time\":[0-9.]*,.*\"soil\":-21.5,.*\"load1\":[0-9.]*,.*\"disk_free\":[0-9]" \
        "$DIR/all.log" "$2"
}

# asked BOARD: it answers by a sample with the value that is there now.
asked() {
    mosquitto_rr $(plain) -V 5 -q 1 -t "farm/$1/commands/sample" -e "answers/$1" -n -W 2 > "$DIR/$1.answer" 2>&1
}

takes_a_command() {
    echo 377 > "$DIR/soil"
    wait_until asked "$1" # its subscription may be later than its first sample
    grep -q '"soil":37.7[,}]' "$DIR/$1.answer" || fail "$1 answered $(cat "$DIR/$1.answer")"
}

ends_with_everything_acknowledged() {
    kill "$2"
    wait "$2" || fail "the agent of $1 ended with status $?"
    grep -q '"samples_acknowledged":[1-9]' "$DIR/$1.json" || fail "$1 had nothing acknowledged: $(cat "$DIR/$1.json")"
}

for board in $boards; do
    emulator=$(emulator "$board")
    need "${emulator%% *}"
done
# shellcheck disable=SC2086 # a list of words
make_pki $boards
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", publish: ["farm/%c/#", "answers/%c"], subscribe: ["farm/%c/commands/#"]}
    - {who: anonymous, publish: ["farm/+/commands/#"], subscribe: ["farm/#", "answers/#"]}
END
start_gateway
# shellcheck disable=SC2046 # a list of words
subscribe all $(plain) -q 1 -t 'farm/#'
all=$SUBSCRIBER

echo -215 > "$DIR/soil"
for board in $boards; do
    start_agent "$board"
done
for board in $boards; do
    readings_arrive "$board" "$all"
done
for board in $boards; do
    takes_a_command "$board"
    eval "ends_with_everything_acknowledged $board \$agent_$(echo "$board" | tr - _)"
done
stop_gateway

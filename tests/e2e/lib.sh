# What the end-to-end tests share. A test sources it with ROOT (the source tree)
# and BUILD (the build tree) set; it works in $DIR, a temporary folder, and what it
# started is gone when it ends, however it ends.
set -eu

DIR=$(mktemp -d)
chmod 711 "$DIR" # functions have users of their own
PIDS=
GATEWAY=

# Ends what was started, newest first, and waits for it; then removes the folder.
clean_up() {
    status=$?
    trap - EXIT
    for pid in $PIDS; do
        kill "$pid" 2> /dev/null || true
        wait "$pid" 2> /dev/null || true
    done
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in "$DIR"/*.log; do
            [ -f "$log" ] && { echo "--- ${log##*/}"; tail -n 40 "$log"; }
        done
    fi
    umount "$DIR/disk" 2> /dev/null || true
    rm -rf "$DIR"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAIL: $*"
    exit 1
}

skip() {
    echo "SKIP: $*"
    exit 77
}

# need PROGRAM...: skips the test where one of them is not installed.
need() {
    for program in "$@"; do
        command -v "$program" > /dev/null || skip "$program is not installed"
    done
}

# need_node FOLDER: skips the test without a Node.js for FOLDER's packages (tests/e2e/setup-node.sh); sets NODE.
need_node() {
    NODE=$1/node_modules/.node/bin/node
    [ -x "$NODE" ] || NODE=$(command -v node) || skip "there is no Node.js"
    [ "$("$NODE" -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "Node.js is older than 20"
    [ -f "$1/node_modules/.installed" ] || skip "tests/e2e/setup-node.sh has not been run"
}

# need_paho: skips the test without paho-mqtt; sets PYTHON. Debian's package is for Debian's Python; another one may
# come first.
need_paho() {
    for PYTHON in python3 /usr/bin/python3; do
        "$PYTHON" -c 'import paho.mqtt.client' 2> /dev/null && return
    done
    skip "paho-mqtt is not installed"
}

started() {
    PIDS="$1 $PIDS"
}

# Nothing comes any more when the gateway has ended by itself.
check_gateway() {
    [ -z "$GATEWAY" ] || kill -0 "$GATEWAY" 2> /dev/null || fail "the gateway ended"
}

# wait_for TEXT FILE PID: until TEXT stands in FILE; fails when PID ends before. The bound is for a
# machine that hangs, not a measure of time.
wait_for() {
    turns=0
    until grep -q -- "$1" "$2" 2> /dev/null; do
        kill -0 "$3" 2> /dev/null || { grep -q -- "$1" "$2" && return 0; fail "the process ended before '$1' came"; }
        check_gateway
        turns=$((turns + 1))
        [ "$turns" -lt 1200 ] || fail "'$1' did not come within two minutes"
        sleep 0.1
    done
}

# wait_until COMMAND...: until it succeeds.
wait_until() {
    turns=0
    until "$@"; do
        check_gateway
        turns=$((turns + 1))
        [ "$turns" -lt 1200 ] || fail "'$*' did not come true within two minutes"
        sleep 0.1
    done
}

# expect_lines FILE LINE...: FILE is these lines and no others.
expect_lines() {
    file=$1
    shift
    printf '%s\n' "$@" > "$DIR/expected"
    diff -u "$DIR/expected" "$file" || fail "${file##*/} is not what was expected"
}

# ---- The gateway ----

# configure_clients: both listeners, and t/# for everybody.
configure_clients() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", publish: ["t/#"], subscribe: ["t/#"]}
    - {who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}
END
}

# agent_gateway NAME: what an agent's configuration begins with for the device NAME.
agent_gateway() {
    cat << END
[gateway]
host = localhost
port = $MQTTS
ca = $DIR/pki/ca.crt
certificate = $DIR/pki/$1.crt
key = $DIR/pki/$1.key
client_id = $1
END
}

# start_gateway [OPTION...]: runs the gateway on $DIR/serverless.yml; sets GATEWAY, and MQTT, MQTTS, HTTPS and HTTP to its ports. The log
# goes on where the last gateway's ended; READY_COUNT counts the starts in it.
READY_COUNT=0
start_gateway() {
    READY_COUNT=$((READY_COUNT + 1))
    "$BUILD/bin/sluice" run --config "$DIR/serverless.yml" "$@" > "$DIR/gateway.out" 2>> "$DIR/gateway.log" &
    GATEWAY=$!
    started "$GATEWAY"
    wait_until gateway_ready
    MQTT=$(sed -n 's/^INFO mqtt listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log" | tail -n 1)
    MQTTS=$(sed -n 's/^INFO mqtts listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log" | tail -n 1)
    HTTP=$(sed -n 's/^INFO http listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log" | tail -n 1)
    HTTPS=$(sed -n 's/^INFO https listens on .*:\([0-9]*\)$/\1/p' "$DIR/gateway.log" | tail -n 1)
}

gateway_ready() {
    [ "$(grep -c 'sluice is ready' "$DIR/gateway.log")" = "$READY_COUNT" ]
}

# stop_gateway [SIGNAL]: a clean stop.
stop_gateway() {
    workers=$(cat "/proc/$GATEWAY/task/$GATEWAY/children")
    kill "-${1:-TERM}" "$GATEWAY"
    check_stop
    for worker in $workers; do
        [ ! -e "/proc/$worker" ] || fail "worker $worker was left running"
    done
}

# The gateway ends with status 0, and the ledger, which stays in $DIR/gateway.out, balances.
check_stop() {
    wait "$GATEWAY" || fail "the gateway ended with status $?"
    GATEWAY=
    accepted=$(($(ledger accepted) + $(ledger restored) + $(ledger replayed)))
    accounted=$(($(ledger invoked) + $(ledger queued) + $(ledger deadLetters) + $(ledger sentOn) + $(ledger discarded)))
    [ "$accepted" = "$accounted" ] || fail "the ledger does not balance: $(cat "$DIR/gateway.out")"
}

# kill_gateway: as a power cut would, but for what the system still holds.
kill_gateway() {
    kill -KILL "$GATEWAY"
    wait "$GATEWAY" 2> /dev/null || true
    GATEWAY=
}

# ledger FIELD: a number of the ledger.
ledger() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$DIR/gateway.out"
}

# dead_letters: as `sluice dlq ls` lists them, without their number and time.
dead_letters() {
    "$BUILD/bin/sluice" dlq ls --config "$DIR/serverless.yml" | sed 's/^[0-9]*  [^ ]*  //'
}

# make_pki DEVICE...: an authority, a gateway certificate for localhost, and a certificate for each device.
make_pki() {
    "$BUILD/bin/sluice" pki init "$DIR/pki" > "$DIR/pki.log"
    "$BUILD/bin/sluice" pki issue "$DIR/pki" gateway --server --host localhost --host 127.0.0.1 >> "$DIR/pki.log"
    for device in "$@"; do
        "$BUILD/bin/sluice" pki issue "$DIR/pki" "$device" >> "$DIR/pki.log"
    done
}

# ---- Clients ----

# plain and as DEVICE: where a client connects, and as whom.
plain() {
    echo "-h 127.0.0.1 -p $MQTT"
}
as() {
    echo "-h localhost -p $MQTTS --cafile $DIR/pki/ca.crt --cert $DIR/pki/$1.crt --key $DIR/pki/$1.key"
}

# subscribe NAME ARGUMENTS...: a mosquitto_sub that writes to $DIR/NAME.log; returns when it has its SUBACK.
# Its process is SUBSCRIBER. Messages are lines `got TOPIC QOS RETAIN PAYLOAD` unless another -F is given.
subscribe() {
    name=$1
    shift
    : > "$DIR/$name.log" # what an earlier one of that name wrote is not taken for this one's
    stdbuf -oL mosquitto_sub -d -F 'got %t %q %r %p' "$@" > "$DIR/$name.log" 2>&1 &
    SUBSCRIBER=$!
    started "$SUBSCRIBER"
    wait_for '^Subscribed' "$DIR/$name.log" "$SUBSCRIBER"
}

# expect NAME PID LINE: the subscriber NAME gets it.
expect() {
    wait_for "^got $3\$" "$DIR/$1.log" "$2"
}

# got NAME: every message that came, in order.
got() {
    grep '^got ' "$DIR/$1.log" || true
}

publish() {
    mosquitto_pub "$@" > "$DIR/publish.log" 2>&1 || fail "mosquitto_pub $*: $(cat "$DIR/publish.log")"
}

#!/bin/sh
# The gateway's load figures beside mosquitto's: the rows of tests/bench/README.md,
# as lines of its table; those of functions are functions.sh's. Both brokers run at
# once and take turns, REPEAT times; a figure is the median.
#
#   sh tests/bench/run.sh [BUILD]      BUILD: a Release build tree with its tests (default: build)
#
# MQLOAD names the folder of the load generator (default: ../shared/bench/mqload
# beside this repository); without it only the rows that need no generator run.
# Without mosquitto its column stays empty. REPEAT=5 and SECS=3 are the defaults.
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "${1:-$ROOT/build}" && pwd)
. "$ROOT/tests/e2e/lib.sh"
MQLOAD=${MQLOAD:-$ROOT/../shared/bench/mqload}
REPEAT=${REPEAT:-5}
SECS=${SECS:-3}
need perl

# ---- The brokers ----

write_gateway_config() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt, mqtts]
  limits: {connectionsPerAddress: 20000}
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", clientIds: ["*"], publish: ["#"], subscribe: ["#"]}
    - {who: anonymous, publish: ["#"], subscribe: ["#"]}
END
}

free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# What the gateway's defaults allow, so that neither drops what the other delivers. Nagle's algorithm stays as
# mosquitto has it: without, it needs twice the processor time.
write_mosquitto_config() {
    MOSQUITTO_MQTT=$(free_port)
    MOSQUITTO_MQTTS=$(free_port)
    MOSQUITTO_MUTUAL=$(free_port)
    certificates="cafile $DIR/pki/ca.crt
certfile $DIR/pki/gateway.crt
keyfile $DIR/pki/gateway.key"
    cat > "$DIR/mosquitto.conf" << END
user $(id -un)
per_listener_settings false
allow_anonymous true
persistence false
log_type error
max_inflight_messages 1024
max_queued_messages 100000
listener $MOSQUITTO_MQTT 127.0.0.1
listener $MOSQUITTO_MQTTS 127.0.0.1
$certificates
listener $MOSQUITTO_MUTUAL 127.0.0.1
$certificates
require_certificate true
END
}

start_mosquitto() {
    "$(command -v mosquitto || echo /usr/sbin/mosquitto)" -c "$DIR/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
    MOSQUITTO=$!
    started "$MOSQUITTO"
    wait_until mosquitto_pub -p "$MOSQUITTO_MQTT" -t ready -n > /dev/null 2>&1
}

end() {
    kill "$1"
    wait "$1" 2> /dev/null || true
    [ "$1" != "$GATEWAY" ] || GATEWAY=
}

has_mosquitto() {
    { command -v mosquitto || [ -x /usr/sbin/mosquitto ]; } > /dev/null && command -v mosquitto_pub > /dev/null
}

# ---- Measuring ----

# field NAME: its value in a line of NAME=VALUE.
field() {
    sed -n "s/^\(.* \)\{0,1\}$1=\([^ ]*\).*/\2/p"
}

median() {
    sort -n | awk '{ value[NR] = $1 } END { if (NR) print value[int((NR + 1) / 2)] }'
}

# load BROKER PLAIN|TLS|MUTUAL ARGUMENTS...: one run of the generator, one line.
load() {
    broker=$1
    transport=$2
    shift 2
    if [ "$broker" = sluice ]; then
        pid=$GATEWAY plain=$MQTT tls=$MQTTS mutual=$MQTTS
    else
        pid=$MOSQUITTO plain=$MOSQUITTO_MQTT tls=$MOSQUITTO_MQTTS mutual=$MOSQUITTO_MUTUAL
    fi
    case $transport in
    plain) set -- "$@" -p "$plain" ;;
    tls) set -- "$@" -p "$tls" --tls --ca "$DIR/pki/ca.crt" ;;
    mutual) set -- "$@" -p "$mutual" --tls --ca "$DIR/pki/ca.crt" --cert "$DIR/pki/load.crt" --key "$DIR/pki/load.key" ;;
    esac
    "$DIR/mqload" "$@" -P "$pid" >> "$DIR/$broker.rows" 2>> "$DIR/mqload.log" ||
        echo "$* against $broker: $(tail -n 1 "$DIR/$broker.rows") $(tail -n 1 "$DIR/mqload.log")" >&2
}

medians() {
    for name in "$@"; do
        [ -f "$DIR/$broker.rows" ] && field "$name" < "$DIR/$broker.rows" | median
    done | paste -s -d '|' | sed 's/|/ | /g'
}

# row TITLE FIELDS TRANSPORT ARGUMENTS...: both brokers in turn; prints the row.
row() {
    title=$1
    fields=$2
    shift 2
    rm -f "$DIR"/*.rows
    turn=0
    while [ "$turn" -lt "$REPEAT" ]; do
        load sluice "$@"
        [ -z "$MOSQUITTO" ] || load mosquitto "$@"
        turn=$((turn + 1))
    done
    for broker in mosquitto sluice; do
        # shellcheck disable=SC2086 # a list of fields
        printf '%s | %s | %s | %s\n' "$title" "$broker" "$fields" "$(medians $fields)"
    done
}

# Memory is measured on fresh processes, which have not been larger before.
idle_row() {
    title=$1
    shift
    rm -f "$DIR"/*.rows
    turn=0
    while [ "$turn" -lt "$REPEAT" ]; do
        write_gateway_config
        start_gateway
        load sluice "$@"
        end "$GATEWAY"
        if [ -n "$MOSQUITTO" ]; then
            end "$MOSQUITTO"
            start_mosquitto
            load mosquitto "$@"
        fi
        turn=$((turn + 1))
    done
    for broker in mosquitto sluice; do
        printf '%s | %s | bytes_per_conn rss_before_kb | %s\n' "$title" "$broker" "$(medians bytes_per_conn rss_before_kb)"
    done
}

# ---- The rows ----

load_rows() {
    rates="recv_per_s us_per_recv lat_p50_us lat_p99_us broker_wait_pct"
    storms="conns_per_s us_per_conn connack_p99_us"
    row "fan-in QoS 0, 100 publishers, 64 B" "$rates" plain bench -t fanin --pubs 100 -q 0 -w 64 -d "$SECS"
    row "pairs QoS 1, 50:50" "$rates" plain bench -t pair --pubs 50 --subs 50 -q 1 -w 64 -d "$SECS"
    row "pairs QoS 2, 50:50" "$rates" plain bench -t pair --pubs 50 --subs 50 -q 2 -w 64 -d "$SECS"
    row "fan-out QoS 0, 1 to 100" "$rates" plain bench -t fanout --subs 100 -q 0 -w 64 -d "$SECS"
    row "TLS pairs QoS 1, 50:50" "$rates" tls bench -t pair --pubs 50 --subs 50 -q 1 -w 64 -d "$SECS"
    row "latency at 1,000 messages/s, QoS 1, 10 pairs" "$rates" plain bench -t pair --pubs 10 --subs 10 -q 1 -r 1000 -d "$SECS"
    row "plain connect" "$storms" plain storm -d "$SECS"
    row "server-authenticated TLS connect" "$storms" tls storm -d "$SECS"
    row "mutual-TLS connect" "$storms" mutual storm -d "$SECS"
    row "mutual-TLS connect, resumed, TLS 1.2" "$storms" mutual storm --tls12 --resume -d "$SECS"
    row "mutual-TLS connect, resumed, TLS 1.3" "$storms" mutual storm --resume -d "$SECS"
}

idle_rows() {
    end "$GATEWAY"
    idle_row "15,000 idle connections, plain" plain idle --conns 15000 --hold 1
    idle_row "15,000 idle connections, TLS" tls idle --conns 15000 --hold 1
}

make_pki load
write_gateway_config
start_gateway
MOSQUITTO=
if has_mosquitto; then
    write_mosquitto_config
    start_mosquitto
else
    echo "mosquitto is not installed: its rows are left out"
fi
if [ -f "$MQLOAD/mqload.c" ]; then
    cc -O2 -std=gnu11 -o "$DIR/mqload" "$MQLOAD/mqload.c" -lssl -lcrypto
    load_rows
    idle_rows
else
    echo "the load generator is not in $MQLOAD: the rows that need it are left out"
fi

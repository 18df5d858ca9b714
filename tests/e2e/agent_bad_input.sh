#!/bin/sh
# What can be wrong around the agent is named in its log, once, and the agent neither ends by itself nor spins.
. "$ROOT/tests/e2e/lib.sh"
need openssl

make_pki d1
"$BUILD/bin/sluice" pki init "$DIR/other" > "$DIR/other.out"
"$BUILD/bin/sluice" pki issue "$DIR/other" d1 >> "$DIR/other.out"
configure_clients
sed -i 's/mqtts: "127.0.0.1:0"/mqtts: "0.0.0.0:0"/' "$DIR/serverless.yml"
start_gateway

# agent NAME HOST PORT PKI LINES...: runs it with these lines in [sampling].
agent() {
    name=$1
    {
        echo "[gateway]"
        printf '%s\n' "host = $2" "port = $3" "ca = $DIR/pki/ca.crt" "certificate = $DIR/$4/d1.crt" \
            "key = $DIR/$4/d1.key" "client_id = d1" "topic = t/d1"
        shift 4
        echo "[sampling]"
        printf '%s\n' "linger = 0ms" "$@"
    } > "$DIR/$name.conf"
    "$BUILD/bin/sluice-agent" --config "$DIR/$name.conf" --stats "$DIR/$name.json" 2> "$DIR/$name.log" &
    AGENT=$!
    started "$AGENT"
}

# named NAME SENTENCE: its log has that, once, and when it is told to end it says that something is not delivered.
named() {
    wait_for "$2" "$DIR/$1.log" "$AGENT"
    kill "$AGENT"
    status=0
    wait "$AGENT" || status=$?
    [ "$status" = 1 ] || fail "$1: the status is $status"
    [ "$(grep -c "$2" "$DIR/$1.log")" = 1 ] || fail "$1: $(cat "$DIR/$1.log")"
    attempts=$(sed 's/.*"attempts":\([0-9]*\).*/\1/' "$DIR/$1.json")
    [ "$attempts" -le 20 ] || fail "$1: $attempts attempts" # a second and more between them
}

# --check names all that is wrong in a configuration, and neither opens nor runs anything.
checks() {
    status=0
    "$BUILD/bin/sluice-agent" --config "$1" --check 2> "$DIR/check.log" || status=$?
    [ "$status" = "$2" ] || fail "--check of $1 ends with $status: $(cat "$DIR/check.log")"
}
cat > "$DIR/checked.conf" << END
[gateway]
host = gateway.example
ca = $DIR/none
certificate = $DIR/none
key = $DIR/none
[command touched]
run = touch $DIR/touched
END
checks "$DIR/checked.conf" 0
printf '[sampling]\ninterval = often\n[watch level]\n' >> "$DIR/checked.conf"
checks "$DIR/checked.conf" 2
expect_lines "$DIR/check.log" \
    "$DIR/checked.conf:9: interval: 'often' is not allowed; allowed is a time from 100ms to 24h, with ms, s, min or h" \
    "sluice-agent: [watch level] in line 10 has neither 'above' nor 'below'"
[ ! -e "$DIR/touched" ] || fail "--check ran a command"

agent elsewhere 127.0.0.2 "$MQTTS" pki
named elsewhere "offline: the gateway's certificate is not for the host name 127.0.0.2"

agent stranger localhost "$MQTTS" other
named stranger "offline: the gateway refused the TLS handshake: does it accept this device's certificate?"

mkfifo "$DIR/says"
openssl s_server -accept 127.0.0.1:0 -cert "$DIR/pki/gateway.crt" -key "$DIR/pki/gateway.key" -CAfile "$DIR/pki/ca.crt" \
    -Verify 1 -tls1_2 < "$DIR/says" > "$DIR/server.out" 2>&1 &
SERVER=$!
started "$SERVER"
exec 9> "$DIR/says"
wait_for '^ACCEPT' "$DIR/server.out" "$SERVER"
agent garbage localhost "$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$DIR/server.out")" pki
wait_for 'BEGIN SSL SESSION' "$DIR/server.out" "$SERVER"
printf 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Bad Request</h1>%032d\n' 0 >&9
named garbage "offline: the gateway broke the protocol: Malformed Packet"
exec 9>&-

agent full localhost 1 pki "interval = 100ms" "flush = 1ms" "outbox = 4096"
named full "the outbox is full"
grep -q '"dropped_oldest":[1-9]' "$DIR/full.json" || fail "nothing was dropped: $(cat "$DIR/full.json")"
stop_gateway

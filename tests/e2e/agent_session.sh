#!/bin/sh
# The agent's next process continues its TLS session, and says so where it cannot keep one; with `connect` it
# connects only to deliver.
. "$ROOT/tests/e2e/lib.sh"
need openssl

make_pki shed
configure_clients
start_gateway
echo 21.5 > "$DIR/reading"
cat > "$DIR/agent.conf" << END
$(agent_gateway shed)
topic = t/shed
session_file = $DIR/session

[sensors]
root = $DIR/nothing

[file reading]
path = $DIR/reading
END

# once: a process that publishes one sample; its counters are in $DIR/stats.
once() {
    "$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --stats "$DIR/stats" 2>> "$DIR/agent.log" "$@" ||
        fail "the agent ended with status $?"
    grep -q '"samples_acknowledged":1,' "$DIR/stats" || fail "not acknowledged: $(cat "$DIR/stats")"
}

once
grep -q '"tls_resumed":0,' "$DIR/stats" || fail "resumed what there was not"
[ "$(stat -c %a "$DIR/session")" = 600 ] || fail "others may read the session"
once
grep -q '"tls_resumed":1,' "$DIR/stats" || fail "a new process does not resume"
kill_gateway # whose sessions outlive it, too
sed -i "s/mqtts: \"127.0.0.1:0\"/mqtts: \"127.0.0.1:$MQTTS\"/" "$DIR/serverless.yml"
start_gateway
once
grep -q '"tls_resumed":1,' "$DIR/stats" || fail "not resumed after both ends began anew"

echo damaged > "$DIR/session"
once
grep -q '"tls_resumed":0,' "$DIR/stats" || fail "resumed from a damaged file"
grep -q "session holds no TLS session for this host, CA and certificate, or is damaged" "$DIR/agent.log" ||
    fail "the damaged file is not named"
once --session-file "$DIR/nowhere/session"
grep -q "cannot keep the TLS session in .*nowhere/session: No such file" "$DIR/agent.log" ||
    fail "the folder that is missing is not named"

"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --interval 100ms --connect 500ms --for 2 --stats "$DIR/stats" \
    2>> "$DIR/agent.log" || fail "the agent ended with status $?"
counter() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$DIR/stats"
}
[ "$(counter samples_acknowledged)" = "$(counter samples)" ] || fail "not all is delivered: $(cat "$DIR/stats")"
[ "$(counter connects)" -ge 2 ] || fail "connected $(counter connects) times"
[ "$(counter tls_resumed)" -ge 1 ] || fail "no connection was resumed"
[ "$(counter published)" = "$(counter connects)" ] || fail "a delivery has more than one message: $(cat "$DIR/stats")"
stop_gateway

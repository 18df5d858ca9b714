#!/bin/sh
# What the agent measured while there was no gateway outlives a kill in its outbox file, and arrives in order; a file
# that cannot be used is named, and the agent goes on without.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub openssl

make_pki shed
configure_clients
start_gateway # for its port, on which there is none then
stop_gateway
sed -i "s/mqtts: \"127.0.0.1:0\"/mqtts: \"127.0.0.1:$MQTTS\"/" "$DIR/serverless.yml"

cat > "$DIR/agent.conf" << END
$(agent_gateway shed)
topic = t/shed

[sampling]
interval = 100ms
flush = 1ms
outbox = 8k
outbox_file = $DIR/outbox
outbox_file_size = 64k
outbox_commit = 0s

[sensors]
root = $DIR/nothing

# 1, 2, 3, ...
[command reading]
run = echo >> $DIR/count; wc -l < $DIR/count
decimals = 0
END

# With one command a sample, that the next one runs says that the sample before is in the file.
enough() {
    kill -0 "$AGENT" || fail "the agent ended"
    [ "$(wc -l < "$DIR/count")" -ge 9 ]
}
touch "$DIR/count"
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" 2> "$DIR/agent.log" &
AGENT=$!
started "$AGENT"
wait_until enough
kill -KILL "$AGENT"
wait "$AGENT" 2> /dev/null || true
[ "$(stat -c %a "$DIR/outbox")" = 600 ] || fail "others may read the outbox"

start_gateway
subscribe readings $(plain) -t t/shed -F '%p'
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --linger 1min --stats "$DIR/stats" 2> "$DIR/agent.log" ||
    fail "the agent ended with status $?: $(cat "$DIR/agent.log")"
grep -q "messages of an earlier run wait in $DIR/outbox" "$DIR/agent.log" || fail "the log does not tell of them"
last=$(wc -l < "$DIR/count")
wait_for "\"reading\":$last\\b" "$DIR/readings.log" "$SUBSCRIBER"
sed -n 's/.*"reading":\([0-9]*\).*/\1/p' "$DIR/readings.log" > "$DIR/readings"
seq 1 "$last" | grep -vx "$((last - 1))" > "$DIR/committed" # which was being taken when the agent was killed
grep -vx "$((last - 1))" "$DIR/readings" | diff "$DIR/committed" - || fail "readings are missing or out of order"

"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --stats "$DIR/stats" 2> "$DIR/agent.log" ||
    fail "the agent ended with status $?"
grep -q '"recovered":0,' "$DIR/stats" || fail "what was delivered comes again: $(cat "$DIR/stats")"

# The file in use, and a folder that is not there.
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" 2> "$DIR/agent.log" &
AGENT=$!
started "$AGENT"
wait_for online "$DIR/agent.log" "$AGENT"
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --linger 1ms 2> "$DIR/second.log" || true
grep -q "$DIR/outbox is in use by another process; what is not delivered is kept in memory only" "$DIR/second.log" ||
    fail "that the file is in use is not said: $(cat "$DIR/second.log")"
kill "$AGENT"
wait "$AGENT" || fail "the agent ended with status $?"
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once --outbox-file "$DIR/nowhere/outbox" 2> "$DIR/agent.log" ||
    fail "the agent ended with status $?"
grep -q "cannot open $DIR/nowhere/outbox: No such file or directory" "$DIR/agent.log" || fail "the folder is not named"
stop_gateway

# Who is told to end twice does not wait for the gateway, and writes what is not yet in the file.
: > "$DIR/count"
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --outbox-file "$DIR/hasty" --outbox-commit 1h --linger 1h \
    2> "$DIR/agent.log" &
AGENT=$!
started "$AGENT"
wait_until enough
kill -TERM "$AGENT"
kill -INT "$AGENT" # two of one kind could be one
status=0
wait "$AGENT" || status=$?
[ "$status" = 1 ] || fail "told twice, the agent ended with status $status"
count=$(sed -n "s|.* \([0-9]*\) messages are not delivered; they stay in $DIR/hasty|\1|p" "$DIR/agent.log")
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --outbox-file "$DIR/hasty" --once --linger 1ms \
    2> "$DIR/agent.log" || true
grep -q " ${count:-no} messages of an earlier run wait in $DIR/hasty" "$DIR/agent.log" ||
    fail "not all $count messages stayed in the file"

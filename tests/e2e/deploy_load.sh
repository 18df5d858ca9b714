#!/bin/sh
# Versions are switched while a publisher does not stop: each message is handled once. And where the gateway is
# killed in the middle of a deploy: none is lost, and what is live is the old one or the new one, as the command says.
. "$ROOT/tests/e2e/lib.sh"
. "$ROOT/tests/e2e/deploy_lib.sh"
need mosquitto_pub mosquitto_sub cc

cat > "$PROJECT/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"]}]
functions:
  one:
    handler: one.so
    runtime: native
    environment: {GATE: $DIR/gate}
    files: {read: [$DIR]}
    events: [{iot: {sql: "SELECT * FROM 'in/one'"}}]
    reply: out/one
END
cp "$PROJECT/serverless.yml" "$DIR/serverless.yml"
next=$DIR/data/functions/versions.next.json

# numbers NAME: of the messages that the subscriber has an answer to, each once; `from VERSION NAME`: there is one.
numbers() {
    sed -n 's/^got .*"n":\([0-9]*\).*/\1/p' "$DIR/$1.log" | sort -n | uniq
}
from() {
    grep -q "^got .*\"version\":$1," "$DIR/$2.log"
}
live() {
    "$SLUICE" versions --config "$DIR/serverless.yml" 2> "$DIR/versions.log" | sed -n 's/^one  \([0-9]*\) .*  live$/\1/p'
}

compile one 1
deploys 0 'one: version 1 is live'
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'

# ---- Switching under load ----

n=0
while [ ! -e "$DIR/enough" ]; do
    n=$((n + 1))
    echo "{\"n\":$n}"
    echo "$n" > "$DIR/sent"
    sleep 0.001
done | mosquitto_pub -V 5 $(plain) -q 1 -t in/one -l > "$DIR/load.log" 2>&1 &
load=$!
started "$load"
wait_until from 1 out
for version in 2 3 4; do
    compile one "$version"
    deploys 0 "one: version $version is live"
    wait_until from "$version" out
done
compile one 0
deploys 1 'one: version 5 has not started'
rolls_back 0 'one: version 2 is live' one 2
before=$(wc -l < "$DIR/out.log")
goes_on_with_2() {
    tail -n "+$((before + 1))" "$DIR/out.log" | grep -q '^got .*"version":2,'
}
wait_until goes_on_with_2
touch "$DIR/enough"
wait "$load" || fail "the publisher ended with status $?"
sent=$(cat "$DIR/sent")
all_answered() {
    [ "$(grep -c '^got ' "$DIR/out.log")" -ge "$sent" ]
}
wait_until all_answered
stop_gateway
[ "$(grep -c '^got ' "$DIR/out.log")" = "$sent" ] || fail "of $sent messages one was handled twice"
numbers out > "$DIR/handled"
seq "$sent" > "$DIR/accepted"
cmp -s "$DIR/accepted" "$DIR/handled" || fail "of $sent messages one was lost: $(diff "$DIR/accepted" "$DIR/handled")"
[ "$(ledger deadLetters)" = 0 ] || fail "a dead letter: $(cat "$DIR/gateway.out")"

# ---- Killed in the middle ----

start_gateway
sed -i "s/127.0.0.1:0/127.0.0.1:$MQTT/" "$DIR/serverless.yml" # so that clients find the next one
subscribe kept $(plain) -q 1 -c -i kept -t 'out/#'

# One after the other, each until it is acknowledged.
rm "$DIR/enough"
n=0
while [ ! -e "$DIR/enough" ]; do
    n=$((n + 1))
    until mosquitto_pub $(plain) -q 1 -t in/one -m "{\"n\":$n}" > "$DIR/again.log" 2>&1; do sleep 0.02; done
    echo "$n" > "$DIR/sent"
done &
load=$!
started "$load"

# killed_when WORD COMMAND...: starts a deploy, and kills the gateway when the command succeeds.
killed_when() {
    old=$(live)
    "$SLUICE" deploy "$PROJECT" --config "$DIR/serverless.yml" > "$DIR/deploy.log" 2>&1 &
    deploy=$!
    started "$deploy"
    wait_until "$@"
    kill_gateway
    status=0
    wait "$deploy" || status=$?
    now=$(live)
    [ "$status" = 0 ] || [ "$now" = "$old" ] || fail "the command says that it failed, and $now is live"
    [ "$status" != 0 ] || [ "$now" != "$old" ] || fail "the command says that it is live, and $now still is"
    start_gateway
    grep -q "function one: version $now is live" "$DIR/gateway.log" || fail "the gateway does not run what is live"
}
has_ended() {
    ! kill -0 "$deploy" 2> /dev/null || grep -q ' is live$' "$DIR/deploy.log"
}
is_written() {
    [ -e "$next" ] || has_ended
}
# The gateway has heard of it: it holds the code of both versions. How many workers the old one has says nothing.
is_waiting() {
    [ "$(ls -l "/proc/$GATEWAY/fd" | grep -o 'functions/code/[0-9a-f]*' | sort -u | wc -l)" = 2 ]
}

compile one 101 # it does not initialise while the gate is closed
rm -f "$DIR/gate"
killed_when is_waiting
[ "$(live)" = 2 ] || fail "what never started is live"
grep -q 'the gateway has ended meanwhile' "$DIR/deploy.log" || fail "the command does not say why: $(cat "$DIR/deploy.log")"
compile one 6
killed_when is_written
compile one 7
killed_when has_ended
[ "$(grep -c ' is live$' "$DIR/deploy.log")" = 1 ] || fail "it was not live: $(cat "$DIR/deploy.log")"
wait_until from 7 kept
rolls_back 0 'is live' one
touch "$DIR/enough"
wait "$load"
sent=$(cat "$DIR/sent")
none_is_lost() {
    [ "$(numbers kept | wc -l)" = "$sent" ]
}
wait_until none_is_lost
! from 101 kept || fail "a version that was never live has answered"
stop_gateway

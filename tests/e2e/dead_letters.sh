#!/bin/sh
# What `sluice dlq` does with dead letters: prints them, puts them back into their queues, deletes them; beside a running
# gateway and without one.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub python3

configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#", "other/#"], subscribe: ["out/#"]}]
provider: {runtime: native}
functions:
  knock:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    queueSize: $1
    reply: "out/\${n}"
    events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]
$2
END
}
other="  other:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: \"SELECT * FROM 'other/#'\"}}]"

dlq() {
    "$BUILD/bin/sluice" dlq "$@" --config "$DIR/serverless.yml"
}

letter_count() {
    [ "$(dlq ls | tail -n 1)" = "$1 dead letters" ]
}

knock() {
    publish $(plain) -q 1 -t in/door -i "visitor-$1" -m "{\"do\":\"knock\",\"n\":$1}"
}

# refused STATUS TEXT ARGUMENT...: that status, and that text in what it says.
refused() {
    status=0
    wanted=$1 text=$2
    shift 2
    dlq "$@" > "$DIR/refused" 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "dlq $*: status $status: $(cat "$DIR/refused")"
    grep -q -- "$text" "$DIR/refused" || fail "dlq $*: no '$text': $(cat "$DIR/refused")"
}

configure 100 "$other"
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
out=$SUBSCRIBER
for n in 1 2 3 4; do
    knock $n
done
wait_until letter_count 4
printf '\377no text' | mosquitto_pub -p "$MQTT" -q 1 -t other/x -s
wait_until letter_count 5

shown_letters_have_input_error_and_attempts() {
    dlq show knock 2 > "$DIR/shown"
    python3 - "$DIR/shown" << 'END'
import json, sys
letter = json.load(open(sys.argv[1]))
assert letter["id"] == 2 and letter["function"] == "knock" and letter["topic"] == "in/door", letter
assert letter["reason"] == "attempts" and letter["attempts"] == 1 and letter["client"] == "visitor-2", letter
assert letter["errorType"] == "Closed" and letter["errorMessage"] == "come back later", letter
assert letter["received"] <= letter["firstAttempt"] <= letter["lastAttempt"] <= letter["stored"], letter
assert letter["input"] == {"do": "knock", "n": 2}, letter
END
    dlq show other > "$DIR/shown"
    grep -q '"inputBase64": "/25vIHRleHQ="' "$DIR/shown" || fail "not in Base64: $(cat "$DIR/shown")"
}

what_is_not_there_is_refused() {
    refused 1 'there is no such dead letter' show 99
    refused 1 'there is no such dead letter' show other 2
    refused 1 'there is no such dead letter' replay nobody
    refused 1 'there is no such dead letter' purge 99
    refused 2 'give a FUNCTION, an ID, or --all' purge
    refused 2 'usage' replay knock other
    refused 2 'usage' show knock 0
    refused 2 'usage' bury
    letter_count 5 || fail "$(dlq ls)"
}

# Once more it fails: the same message is a new letter. The gate is open for the next.
a_running_gateway_puts_letters_back() {
    dlq replay knock 1 > "$DIR/replayed"
    expect_lines "$DIR/replayed" '1 dead letters are back in their queues'
    wait_until letter_count 5
    refused 1 'there is no such dead letter' show 1
    touch "$DIR/gate"
    dlq replay 2 > "$DIR/replayed"
    expect_lines "$DIR/replayed" '1 dead letters are back in their queues'
    wait_for '^got out/' "$DIR/out.log" "$out"
    letter_count 4 || fail "$(dlq ls)"
}

purged_letters_are_gone() {
    dlq purge knock 3 > "$DIR/purged"
    expect_lines "$DIR/purged" '1 dead letters are deleted'
    dlq purge other > "$DIR/purged"
    letter_count 2 || fail "$(dlq ls)"
}

both_are_handled() {
    [ "$(grep -c '^got out/' "$DIR/replies.log")" = 2 ]
}

# Two letters wait in the database, and one of a function that is not configured any more. The session of who hears of
# the results outlives the gateway, so that none comes too early.
without_a_gateway_they_wait_for_its_start() {
    printf 'no json' | mosquitto_pub -p "$MQTT" -q 1 -t other/x -s
    wait_until letter_count 3
    subscribe replies $(plain) -q 1 -V 5 -c -i replies -x 3600 -t 'out/#'
    kill "$SUBSCRIBER"
    stop_gateway
    configure 2 ''
    dlq replay > "$DIR/replayed"
    expect_lines "$DIR/replayed" \
        '1 dead letters stay: their event is not configured any more, or they have no input' \
        '2 dead letters will go back into their queues when the gateway starts'
    start_gateway
    subscribe replies $(plain) -q 1 -V 5 -c -i replies -x 3600 -t 'out/#'
    wait_until letter_count 1
    wait_until both_are_handled
    stop_gateway
    [ "$(ledger replayed) $(ledger invoked)" = "2 2" ] || fail "$(cat "$DIR/gateway.out")"
}

all_are_handled() {
    cat "$DIR/again.log" "$DIR/last.log" | sed -n 's/^got out\/\([0-9]*\) .*/\1/p' | sort -un > "$DIR/handled"
    seq 100 139 | cmp -s - "$DIR/handled"
}

# More of them than their queue has room for, and a crash between: each is handled, at least once.
replays_wait_for_room_and_survive_a_crash() {
    rm "$DIR/gate"
    start_gateway
    subscribe again $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#' # a session that outlives the crash
    for n in $(seq 100 139); do
        knock "$n"
    done
    wait_until letter_count 41
    touch "$DIR/gate"
    dlq replay knock > "$DIR/replayed" 2>&1 &
    replaying=$!
    wait_for '^got out/10' "$DIR/again.log" "$SUBSCRIBER"
    kill_gateway
    wait "$replaying" || fail "$(cat "$DIR/replayed")"
    start_gateway
    subscribe last $(plain) -q 1 -V 5 -c -i listener -x 3600 -t 'out/#'
    wait_until all_are_handled
    letter_count 1 || fail "$(dlq ls)"
    stop_gateway
}

shown_letters_have_input_error_and_attempts
what_is_not_there_is_refused
a_running_gateway_puts_letters_back
purged_letters_are_gone
without_a_gateway_they_wait_for_its_start
replays_wait_for_room_and_survive_a_crash

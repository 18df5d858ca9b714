#!/bin/sh
# Functions whose results feed themselves, or each other, come to an end: what goes round too long, and what waits
# for room in a full queue that waits for its own, is a dead letter with one clear line in the log.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub

function_of() {
    cat << END
  $1:
    handler: $BUILD/tests/faulty.so
    timeout: 120
    queueSize: $3
    environment: {GATE: $DIR/gate}
    files: {read: [.]}
    events: [{iot: {sql: "SELECT * FROM '$1/#'"}}]
    reply: $2/again
END
}

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["#"], subscribe: [answer]}]
  limits: {chainedFunctions: 5}
provider: {runtime: native}
functions:
$(function_of self self 4)
$(function_of asked asked 1)
$(function_of ping pong 2)
$(function_of pong ping 2)
  first:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'first'"}}]
    destinations: {onSuccess: second}
  second:
    handler: $BUILD/tests/faulty.so
    destinations: {onSuccess: third}
  third:
    handler: $BUILD/tests/faulty.so
    destinations: {onSuccess: second}
END
start_gateway

letter_count() {
    dead_letters > "$DIR/letters"
    grep -q "^$1 dead letters\$" "$DIR/letters"
}

# A function that feeds itself is invoked as often as the bound says.
what_goes_round_ends() {
    publish $(plain) -q 1 -t self/in -m '{"n":1}'
    wait_until letter_count 1
    grep -q '^self  self/again  0 attempts, rejected: RecursiveLoop: it has passed 5 functions by their results' \
        "$DIR/letters" || fail "$(cat "$DIR/letters")"
    [ "$(grep -c RecursiveLoop "$DIR/gateway.log")" = 1 ] || fail 'the log does not say it once'
}

# So do records that functions send one another.
records_that_go_round_end() {
    publish $(plain) -q 1 -t first -m '{"n":2}'
    wait_until letter_count 2
    grep -q '^second/invoke  .invoke/second  0 attempts, rejected: RecursiveLoop' "$DIR/letters" || fail "$(cat "$DIR/letters")"
}

# Each message of a full queue needs room in it for its result before it may leave.
a_function_that_feeds_its_own_full_queue_ends() {
    for n in 1 2 3 4; do
        publish $(plain) -q 1 -t self/in -m '{"do":"wait"}'
    done
    : > "$DIR/gate"
    wait_until letter_count 6
    grep -q '^self  self/in  0 attempts, rejected: ResultLoop: the queue of function self, which it feeds, is full' \
        "$DIR/letters" || fail "$(cat "$DIR/letters")"
    rm "$DIR/gate"
}

functions_that_feed_each_others_full_queues_end() {
    for n in 1 2; do
        publish $(plain) -q 1 -t ping/in -m '{"do":"wait"}'
        publish $(plain) -q 1 -t pong/in -m '{"do":"wait"}'
    done
    : > "$DIR/gate"
    wait_until letter_count 10
    grep -q '^p[io]ng  p[io]ng/in  0 attempts, rejected: ResultLoop: the queue of function p[io]ng, which it feeds' \
        "$DIR/letters" || fail "$(cat "$DIR/letters")"
}

# What is told to who asked, and to others, is that it was given up, and nothing else.
what_is_given_up_is_answered_once() {
    subscribe answer $(plain) -q 1 -V 5 -t answer
    publish $(plain) -q 1 -V 5 -t asked/in -m '{"do":"wait"}' -D publish response-topic answer
    : > "$DIR/gate"
    wait_until grep -q ResultLoop "$DIR/answer.log"
    [ "$(got answer | wc -l)" = 1 ] || fail "$(got answer)"
    wait_until letter_count 11
    rm "$DIR/gate"
}

what_goes_round_ends
records_that_go_round_end
a_function_that_feeds_its_own_full_queue_ends
functions_that_feed_each_others_full_queues_end
what_is_given_up_is_answered_once
stop_gateway
[ "$(ledger queued)" = 0 ] || fail "$(cat "$DIR/gateway.out")"

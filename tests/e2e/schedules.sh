#!/bin/sh
# Scheduled functions: what their events are, that they are retried and given up like messages, and which runs
# there are when the gateway stops or its clock is set.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["s/#"], subscribe: ["s/#"]}]
provider: {runtime: native, region: eu-west-1}
functions:
  tick:
    handler: $BUILD/tests/faulty.so
    events: [schedule: rate(1 second)]
    reply: s/tick
  given:
    handler: $BUILD/tests/faulty.so
    events:
      - schedule: {rate: rate(1 second), input: {name: a, list: [1, "1", true, "", 1.50]}}
      - schedule: {rate: [rate(1 second)], input: '{"name": "b"}', name: b, description: as text}
      - schedule: {rate: rate(1 second), enabled: false, input: {name: c}}
      - schedule:
          rate: [rate(2 seconds), cron(* * * * ? *)]
          timezone: Europe/Berlin
          name: d
          inputTransformer: {inputPathsMap: {at: \$.time}, inputTemplate: '{"name": "d", "at": <at>, "of": <aws.events.rule-arn>}'}
    reply: s/given/\${name}
  part:
    handler: $BUILD/tests/faulty.so
    events: [schedule: {rate: rate(1 second), inputPath: '\$.resources'}]
    reply: s/part
  failing:
    handler: $BUILD/tests/faulty.so
    maximumRetryAttempts: 0
    events: [schedule: {rate: rate(1 second), input: {do: fail}}]
END

events_are_eventbridges_or_the_input() {
    start_gateway
    subscribe all $(plain) -t 's/#'
    event='{"version":"0","id":"0000000.-0000-8000-8001-[0-9a-f]*","detail-type":"Scheduled Event","source":"aws.events",'
    event=$event'"account":"000000000000","time":"20[-0-9]*T[0-9:]*Z","region":"eu-west-1",'
    event=$event'"resources":\["arn:aws:events:eu-west-1:000000000000:rule/tick"\],"detail":{}}'
    expect all "$SUBSCRIBER" "s/tick 0 0 $event"
    expect all "$SUBSCRIBER" 's/given/a 0 0 {"name":"a","list":\[1,"1",true,"",1.50\]}'
    expect all "$SUBSCRIBER" 's/given/b 0 0 {"name": "b"}'
    expect all "$SUBSCRIBER" 's/given/d 0 0 {"name": "d", "at": "20[-0-9]*T[0-9:]*Z", "of": "arn:aws:events:eu-west-1:000000000000:rule/d"}'
    expect all "$SUBSCRIBER" 's/part 0 0 \["arn:aws:events:eu-west-1:000000000000:rule/part"\]'
    wait_for 'function failing gave up a message after 1 attempts' "$DIR/gateway.log" "$GATEWAY"
    stop_gateway
    ! grep -q '"name":"c"' "$DIR/all.log" || fail "a schedule that is not enabled ran"
    dead_letters | grep -q '^failing .*\$schedule/failing' || fail "no dead letter: $(dead_letters)"
}

# ---- The clock ----

# clock TIME: the gateway's wall clock, from now on; its loop's clock goes on as it is.
clock() {
    printf "%+d" "$(($(date -u -d "$1" +%s) - $(date +%s)))" > "$DIR/clock.new"
    mv "$DIR/clock.new" "$DIR/clock"
}

start_with_clock() {
    LD_PRELOAD=$(faketime -f +0 sh -c 'echo "$LD_PRELOAD"')
    FAKETIME_TIMESTAMP_FILE=$DIR/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
    ASAN_OPTIONS=verify_asan_link_order=0
    export LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE FAKETIME_DONT_FAKE_MONOTONIC DONT_FAKE_MONOTONIC ASAN_OPTIONS
    start_gateway
    unset LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE FAKETIME_DONT_FAKE_MONOTONIC DONT_FAKE_MONOTONIC ASAN_OPTIONS
    subscribe clock $(plain) -q 1 -c -i watcher -t 's/#' # durable: a run may come before it
}

# Every second there is a run, by which one sees what time the gateway has; its events have an id of their own.
ticked() {
    wait_for "$TICK.*\"time\":\"$1" "$DIR/clock.log" "$SUBSCRIBER"
}

# The times of the daily runs, since the last start.
daily() {
    got clock | grep -v "$TICK" | sed 's/.*"time":"\([^"]*\)".*/\1/'
}

expect_daily() {
    daily > "$DIR/daily"
    if [ $# = 0 ]; then : > "$DIR/expected"; else printf '%s\n' "$@" > "$DIR/expected"; fi
    diff -u "$DIR/expected" "$DIR/daily" || fail "these are not the daily runs that were expected"
}

daily_ran() {
    daily | grep -q "$1"
}

a_clock_that_is_set_makes_up_for_one_run_and_repeats_none() {
    rm -rf "$DIR/data" "$DIR/gateway.log"
    READY_COUNT=0
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["s/#"], subscribe: ["s/#"]}]
functions:
  clock:
    handler: $BUILD/tests/faulty.so
    runtime: native
    events: [schedule: {rate: [rate(1 second), cron(30 3 * * ? *)]}]
    reply: s/clock
END
    clock 2031-05-01T03:29:50Z
    start_with_clock
    wait_for '"time":"2031-05-01T03:29' "$DIR/clock.log" "$SUBSCRIBER"
    TICK=$(got clock | sed -n '1s/.*"id":"\([0-9a-f]*\)-.*/"id":"\1-/p')
    expect_daily
    wait_until daily_ran 2031-05-01T03:30:00Z
    clock 2031-05-01T03:29:57Z
    ticked 2031-05-01T03:30:03Z
    expect_daily 2031-05-01T03:30:00Z
    clock 2031-05-05T12:00:00Z
    ticked 2031-05-05T12:00:02Z
    expect_daily 2031-05-01T03:30:00Z 2031-05-02T03:30:00Z
}

# After kill -9 too; and a schedule that has caught up does so once.
a_stop_makes_up_for_one_run() {
    kill_gateway
    clock 2031-05-08T12:00:00Z
    start_with_clock
    ticked 2031-05-08T12:00:02Z
    expect_daily 2031-05-06T03:30:00Z
    grep -q '^WARNING schedule clock cron(30 3 \* \* ? \*): runs were missed; the first of them is made up for' \
        "$DIR/gateway.log" || fail "nothing is said about the runs that were missed"
    stop_gateway
    start_with_clock
    ticked 2031-05-08T12
    expect_daily
    stop_gateway
}

events_are_eventbridges_or_the_input
need faketime
a_clock_that_is_set_makes_up_for_one_run_and_repeats_none
a_stop_makes_up_for_one_run

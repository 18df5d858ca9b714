#!/bin/sh
# What a function ruins is its own event, which is tried again and then dead-lettered; a client beside it goes on.
export TMPDIR=/var/tmp
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub python3
cp -R "$BUILD/libexec/sluice" "$DIR/workers"
mkdir "$DIR/code"
cp "$BUILD/tests/isolated.so" "$DIR/code"
export SLUICE_WORKERS="$DIR/workers"

faults='forks hogs loops crashes prints fills'
{
    cat << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["#"], subscribe: ["#"]}]
  workers: {processes: 40, restartBase: 0.01, restartCap: 0.05}
provider: {runtime: native, timeout: 1, memorySize: 64}
functions:
END
    for fault in $faults; do
        cat << END
  $fault:
    handler: code/isolated.so
    maximumRetryAttempts: 1
    ephemeralStorageSize: 8
    events: [{iot: {sql: "SELECT * FROM '$fault'"}}]
END
    done
} > "$DIR/serverless.yml"
start_gateway
! grep -q 'less confined' "$DIR/gateway.log" || skip "$(grep 'less confined' "$DIR/gateway.log")"

# A client that measures round trips all the time, and says how they were when its input ends a line.
mkfifo "$DIR/ask"
python3 -B "$ROOT/tests/hostile/healthy.py" "$MQTT" < "$DIR/ask" > "$DIR/healthy.log" 2>&1 &
healthy=$!
started "$healthy"
exec 9> "$DIR/ask"
wait_for '^ready' "$DIR/healthy.log" "$healthy"

publish $(plain) -q 1 -t forks -m '{"try":"fork without end"}'
publish $(plain) -q 1 -t loops -m '{"try":"loop"}'
publish $(plain) -q 1 -t crashes -m '{"try":"crash"}'
publish $(plain) -q 1 -t prints -m '{"try":"print a gigabyte"}'
publish $(plain) -q 1 -t fills -m '{"try":"fill","with":"/tmp/file","must":true}'
# Built with sanitizers, which need all the address space, a worker has no limit of memory.
count=5
if ! grep -q '^CMAKE_BUILD_TYPE:STRING=Debug' "$BUILD/CMakeCache.txt"; then
    publish $(plain) -q 1 -t hogs -m '{"try":"take megabytes","with":"1024","must":true}'
    count=6
fi

letter_count() {
    dead_letters | grep -q "^$1 dead letters\$"
}
wait_until letter_count "$count"
echo >&9
wait_for '"p99_ms"' "$DIR/healthy.log" "$healthy"
echo "beside them: $(tail -n 1 "$DIR/healthy.log")"

dead_letters > "$DIR/letters"
while read -r letter; do
    grep -q -- "$letter" "$DIR/letters" || fail "no '$letter' in: $(cat "$DIR/letters")"
done << END
^forks  forks  2 attempts, attempts: Sandbox.Timedout: Task timed out after 1.00 seconds$
^loops  loops  2 attempts, attempts: Sandbox.Timedout: Task timed out after 1.00 seconds$
^crashes  crashes  2 attempts, attempts: Runtime.ExitError: .*signal: Segmentation fault$
^prints  prints  2 attempts, attempts: Sandbox.Timedout: Task timed out after 1.00 seconds$
^fills  fills  2 attempts, attempts: Refused: No space left on device$
END
[ "$count" = 5 ] || grep -q '^hogs  hogs  2 attempts, attempts: Refused: Cannot allocate memory$' "$DIR/letters" ||
    fail "the hog: $(cat "$DIR/letters")"

# Of the bomb nobody is left: they were all of the worker's group, and are killed with it.
nobody_is_left() {
    ! pgrep -f "^$DIR/workers/native" > "$DIR/left" || [ "$(wc -l < "$DIR/left")" -le 2 ] # fills and hogs live on
}
wait_until nobody_is_left
[ "$(wc -c < "$DIR/gateway.log")" -lt 1000000 ] || fail "the log has all that a function printed"
stop_gateway

#!/bin/sh
# What a function ruins is its own event, which is tried again and then dead-lettered; a client and another function
# beside it go on.
export TMPDIR=/var/tmp
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub python3
cp -R "$BUILD/libexec/sluice" "$DIR/workers"
mkdir "$DIR/code"
cp "$BUILD/tests/isolated.so" "$BUILD/tests/faulty.so" "$DIR/code"
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
    cat << END
  steady:
    handler: code/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'steady/in'"}}]
    reply: steady/out
  swells:
    handler: swells
    runtime: provided.al2023
    timeout: 60
    maximumRetryAttempts: 1
    events: [{iot: {sql: "SELECT * FROM 'swells'"}}]
END
} > "$DIR/serverless.yml"
# A hog that no sanitizer is built into, so that it has a limit of memory in every build.
cat > "$DIR/swells" << 'END'
#!/usr/bin/python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
root = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", root + "next")
    answer = api.getresponse()
    answer.read()
    held = []
    try:
        while len(held) < 1024:
            held.append(bytearray(b"x") * (1 << 20))
    except MemoryError:
        held = None
    body = {"errorType": "MemoryError", "errorMessage": "there is no more"} if held is None else {"held": len(held)}
    path = answer.headers["Lambda-Runtime-Aws-Request-Id"] + ("/error" if held is None else "/response")
    api.request("POST", root + path, json.dumps(body))
    api.getresponse().read()
END
chmod +x "$DIR/swells"
start_gateway
! grep -q 'less confined' "$DIR/gateway.log" || skip "$(grep 'less confined' "$DIR/gateway.log")"

# Clients that measure round trips all the time, one to itself and one to a function, and say how they were when their
# input ends a line.
mkfifo "$DIR/ask" "$DIR/ask_steady"
python3 -B "$ROOT/tests/hostile/healthy.py" "$MQTT" < "$DIR/ask" > "$DIR/healthy.log" 2>&1 &
healthy=$!
started "$healthy"
exec 9> "$DIR/ask"
python3 -B "$ROOT/tests/hostile/healthy.py" "$MQTT" steady/in steady/out < "$DIR/ask_steady" > "$DIR/steady.log" 2>&1 &
steady=$!
started "$steady"
exec 8> "$DIR/ask_steady"
wait_for '^ready' "$DIR/healthy.log" "$healthy"
wait_for '^ready' "$DIR/steady.log" "$steady"

publish $(plain) -q 1 -t forks -m '{"try":"fork without end"}'
publish $(plain) -q 1 -t loops -m '{"try":"loop"}'
publish $(plain) -q 1 -t crashes -m '{"try":"crash"}'
publish $(plain) -q 1 -t prints -m '{"try":"print a gigabyte"}'
publish $(plain) -q 1 -t fills -m '{"try":"fill","with":"/tmp/file","must":true}'
count=5
if [ -x /usr/bin/python3 ]; then
    publish $(plain) -q 1 -t swells -m '{}'
    count=$((count + 1))
fi
# Built with sanitizers, which need all the address space, a worker has no limit of memory.
if ! grep -q '^CMAKE_BUILD_TYPE:STRING=Debug' "$BUILD/CMakeCache.txt"; then
    publish $(plain) -q 1 -t hogs -m '{"try":"take megabytes","with":"1024","must":true}'
    count=$((count + 1))
fi

letter_count() {
    dead_letters | grep -q "^$1 dead letters\$"
}
wait_until letter_count "$count"
echo >&9
echo >&8
wait_for '"p99_ms"' "$DIR/healthy.log" "$healthy"
wait_for '"p99_ms"' "$DIR/steady.log" "$steady"
echo "beside them: $(tail -n 1 "$DIR/healthy.log")"
echo "a function beside them: $(tail -n 1 "$DIR/steady.log")"
# One invocation after another, each answered before the next: two time-outs of a second have passed meanwhile.
for name in healthy steady; do
    trips=$(sed -n 's/.*"count": \([0-9]*\).*/\1/p' "$DIR/$name.log")
    [ "$trips" -ge 20 ] || fail "only $trips round trips of $name beside the faults"
done

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
[ ! -x /usr/bin/python3 ] || grep -q '^swells  swells  2 attempts, attempts: MemoryError: there is no more$' "$DIR/letters" ||
    fail "the hog on the Runtime API: $(cat "$DIR/letters")"
grep -q '^CMAKE_BUILD_TYPE:STRING=Debug' "$BUILD/CMakeCache.txt" || grep -q '^hogs  hogs  2 attempts, attempts: Refused: Cannot allocate memory$' "$DIR/letters" ||
    fail "the hog: $(cat "$DIR/letters")"

# Of the bomb nobody is left: they were all of the worker's group, and are killed with it.
nobody_is_left() {
    ! pgrep -f "^$DIR/workers/native" > "$DIR/left" || [ "$(wc -l < "$DIR/left")" -le 3 ] # fills, hogs and steady live on
}
wait_until nobody_is_left
[ "$(wc -c < "$DIR/gateway.log")" -lt 1000000 ] || fail "the log has all that a function printed"
stop_gateway

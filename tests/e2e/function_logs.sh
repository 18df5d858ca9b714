#!/bin/sh
# What functions print is in files of their own, with START, END and REPORT, and `sluice logs` shows it: also while it
# comes, over rotations and a restart of the gateway.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"]}]
  logs: {files: 3, fileBytes: 4096, records: 1000}
  workers: {restartBase: 0.01, restartCap: 0.05}
provider: {runtime: native}
functions:
  talker:
    handler: $BUILD/tests/faulty.so
    timeout: 0.5
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/talker'"}}]
  silent: {handler: $BUILD/tests/faulty.so, events: [{iot: {sql: "SELECT * FROM 'in/silent'"}}]}
END

logs() {
    "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" "$@"
}

# follow NAME ARGUMENTS...: a `sluice logs --follow` that writes to $DIR/NAME.log.
follow() {
    name=$1
    shift
    logs --follow "$@" > "$DIR/$name.log" 2>&1 &
    FOLLOWER=$!
    started "$FOLLOWER"
}

# The records without what differs from run to run: times become T, and the request is its number.
records() {
    sed -E 's/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z /T /; s/[0-9a-f]{8}-0000-8000-8000-0*([0-9]+)/\1/g; s/[0-9.]+ (ms|MB)/N \1/g; s/\t/  /g'
}

follow early talker # before there is anything
early=$FOLLOWER
start_gateway
publish $(plain) -q 1 -t in/talker -m '{"do":"print"}'
wait_for '1	Duration: ' "$DIR/early.log" "$early"
publish $(plain) -q 1 -t in/talker -m '{"do":"hang"}'
wait_for '2	Duration: ' "$DIR/early.log" "$early"
publish $(plain) -q 1 -t in/talker -m '{"do":"print"}'
wait_for '3	Duration: ' "$DIR/early.log" "$early"
report='Duration: N ms  Billed Duration: N ms  Memory Size: N MB  Max Memory Used: N MB'
records < "$DIR/early.log" > "$DIR/early"
expect_lines "$DIR/early" 'T 1 START RequestId: 1 Version: $LATEST' \
    'T 1 printed in between' \
    'T 1 END RequestId: 1' \
    "T 1 REPORT RequestId: 1  $report  Init Duration: N ms" \
    'T 2 START RequestId: 2 Version: $LATEST' \
    'T 2 Sandbox.Timedout: Task timed out after 0.50 seconds' \
    'T 2 END RequestId: 2' \
    "T 2 REPORT RequestId: 2  $report" \
    'T 3 START RequestId: 3 Version: $LATEST' \
    'T 3 printed in between' \
    'T 3 END RequestId: 3' \
    "T 3 REPORT RequestId: 3  $report  Init Duration: N ms"

logs talker > "$DIR/all"
cmp -s "$DIR/all" "$DIR/early.log" || fail "without --follow it is not the same"
logs --since 1h talker | cmp -s - "$DIR/all" || fail "not all of it is of the last hour"
[ -z "$(logs --since 2999 talker)" ] || fail "there are records of the future"
last=$(tail -n 1 "$DIR/all" | cut -d ' ' -f 1)
[ "$(logs --since "$last" talker | tail -n 1)" = "$(tail -n 1 "$DIR/all")" ] || fail "--since a record's time leaves it out"
[ -z "$(logs silent)" ] || fail "what does nothing has a log"
for row in 'nobody:there is no function nobody in ' '../lock:there is no function ../lock in ' "--since soon talker:'soon' is no time; allowed: 30s, 10m"; do
    status=0
    logs ${row%%:*} > "$DIR/wrong" 2>&1 || status=$?
    [ "$status" = 2 ] && grep -q "^sluice logs: ${row#*:}" "$DIR/wrong" || fail "sluice logs ${row%%:*}: $(cat "$DIR/wrong")"
done

# Who may not read it is told so.
if [ "$(id -u)" = 0 ]; then
    other='setpriv --reuid=65534 --regid=65534 --clear-groups'
else
    other=
    chmod 000 "$DIR/data/logs/talker.log"
fi
status=0
$other "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" talker > "$DIR/wrong" 2>&1 || status=$?
[ "$status" = 1 ] && grep -q "^sluice logs: $DIR/data/logs/talker.log cannot be read: Permission denied" "$DIR/wrong" ||
    fail "who may not read it: $status $(cat "$DIR/wrong")"
chmod 600 "$DIR/data/logs/talker.log"

# A restart in between, and more than the files hold.
stop_gateway
start_gateway
i=3
while [ "$i" -lt 63 ]; do
    i=$((i + 1))
    publish $(plain) -q 1 -t in/talker -m '{"do":"print"}'
    [ $((i % 20)) != 3 ] || wait_for "$(printf '%012x' "$i")	Duration: " "$DIR/early.log" "$early"
done
kill "$early"
for kind in START END REPORT; do
    grep -o " $kind RequestId: [^	 ]*" "$DIR/early.log" | sed 's/.*-//' > "$DIR/numbers"
    i=0
    while [ "$i" -lt 63 ]; do i=$((i + 1)); printf '%012x\n' "$i"; done > "$DIR/expected"
    sort "$DIR/numbers" | diff -u "$DIR/expected" - || fail "not every $kind came once"
done
[ "$(ls "$DIR"/data/logs/talker.log*)" = "$DIR/data/logs/talker.log
$DIR/data/logs/talker.log.1
$DIR/data/logs/talker.log.2" ] || fail "not three files: $(ls "$DIR/data/logs")"
for file in "$DIR"/data/logs/talker.log*; do
    [ "$(wc -c < "$file")" -le 4096 ] || fail "$file is too large"
done
logs talker > "$DIR/kept"
tail -n "$(wc -l < "$DIR/kept")" "$DIR/early.log" | cmp -s - "$DIR/kept" || fail "what is kept is not the youngest"
stop_gateway

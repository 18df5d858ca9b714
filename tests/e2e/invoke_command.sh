#!/bin/sh
# A function runs once from the command line, whether or not a gateway has the same configuration.
. "$ROOT/tests/e2e/lib.sh"

cat > "$DIR/serverless.yml" << END
gateway: {listen: {mqtt: "127.0.0.1:0"}, anonymous: [mqtt]}
provider: {runtime: native}
functions:
  echo: {handler: $BUILD/tests/faulty.so, timeout: 0.5, events: [{iot: {sql: "SELECT * FROM 'in'"}}]}
  gone: {handler: $DIR/gone.so, events: [{iot: {sql: "SELECT * FROM 'in'"}}]}
END

# invoke STATUS ARGUMENTS...: its standard output is $DIR/out.
invoke() {
    wanted=$1
    shift
    got=0
    "$BUILD/bin/sluice" invoke --config "$DIR/serverless.yml" "$@" > "$DIR/out" 2> "$DIR/invoke.log" || got=$?
    [ "$got" = "$wanted" ] || fail "sluice invoke $* ended with $got: $(cat "$DIR/invoke.log")"
}

echo '{"n":1}' > "$DIR/event.json"
invoke 0 echo --event "$DIR/event.json"
expect_lines "$DIR/out" '{"n":1}'
echo '[2]' | invoke 0 echo --event -
expect_lines "$DIR/out" '[2]'
invoke 0 --log echo
expect_lines "$DIR/out" '{}'
grep -q '^START RequestId: [0-9a-f-]* Version: $LATEST$' "$DIR/invoke.log" || fail "no START"
grep -q '^REPORT RequestId: [0-9a-f-]*	Duration: [0-9.]* ms	.*	Init Duration: [0-9.]* ms$' "$DIR/invoke.log" || fail "no REPORT"

echo '"print"' > "$DIR/event.json"
invoke 0 echo --event "$DIR/event.json"
expect_lines "$DIR/out" '{}'
grep -q 'printed in between' "$DIR/invoke.log" || fail "what it prints is not shown"

# What fails says how, and with what status.
for row in 'fail:Refused: this event is never good' 'hang:Sandbox.Timedout: Task timed out after 0.50 seconds' \
    'exit:Runtime.ExitError: Runtime exited with error: exit status 3'; do
    echo "\"${row%%:*}\"" > "$DIR/event.json"
    invoke 1 echo --event "$DIR/event.json"
    grep -q "^${row#*:}\$" "$DIR/invoke.log" || fail "not said: ${row#*:}"
done
invoke 1 gone
grep -q 'function gone cannot be served: its handler .*gone.so cannot be read: No such file or directory' "$DIR/invoke.log" ||
    fail "it is not said why"
invoke 2 nobody
grep -q 'nobody is no function of the configuration' "$DIR/invoke.log" || fail "it is not said why"
echo '{"n":' > "$DIR/event.json"
invoke 2 echo --event "$DIR/event.json"
grep -q 'event.json is no JSON from byte' "$DIR/invoke.log" || fail "it is not said why"
invoke 2 echo --event "$DIR/none.json"
invoke 2

sed -i '/gone/d' "$DIR/serverless.yml"
start_gateway
echo 3 > "$DIR/event.json"
invoke 0 echo --event "$DIR/event.json"
expect_lines "$DIR/out" 3
stop_gateway

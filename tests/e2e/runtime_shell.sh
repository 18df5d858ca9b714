#!/bin/sh
# A function as a shell script with curl, as Lambda's own tutorial has it: the whole life of its environment.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub curl

# The bootstrap does what the event says.
cat > "$DIR/bootstrap" << 'END'
#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
echo "a cold start of $_HANDLER in $PWD"
if [ "$_HANDLER" = init.error ]; then
    curl -sS -X POST "$api/init/error" -d '{"errorMessage":"no sensor here","errorType":"Init.NoSensor"}'
    exit 1
fi
headers=scratch/$_HANDLER
while :; do
    event=$(curl -sS -D "$headers" "$api/invocation/next") || exit 1
    id=$(sed -n 's/\r$//; s/^Lambda-Runtime-Aws-Request-Id: //p' "$headers")
    case $event in
    *do*exit*) exit 3 ;;
    *do*crash*) kill -KILL $$ ;;
    *do*hang*) sleep 1000 ;;
    *do*fail*) curl -sS "$api/invocation/$id/error" -d '{"errorMessage":"it failed","errorType":"Event.Bad"}' ;;
    *do*reach*)
        curl -s "http://127.0.0.1:$(echo "$event" | tr -cd 0-9)" > /dev/null 2>&1
        port=$?
        cat serverless.yml > /dev/null 2>&1 && secret=read || secret=hidden
        curl -sS "$api/invocation/$id/response" -d "{\"port\":$port,\"secret\":\"$secret\"}" ;;
    *) curl -sS "$api/invocation/$id/response" -d "{\"seen\":$event}" ;;
    esac
done
END
chmod +x "$DIR/bootstrap"
cat > "$DIR/second" << 'END'
#!/bin/sh
_HANDLER="the second"
. ./bootstrap
END
chmod +x "$DIR/second"

mkdir -m 777 "$DIR/scratch"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}]
  workers: {restartBase: 0.01, restartCap: 0.01}
provider: {runtime: provided.al2023, timeout: 60}
functions:
  shell:
    handler: app.handler
    timeout: 2
    files: {write: [scratch]}
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 't/shell'"}}]
    reply: t/seen
  second:
    handler: second
    files: {write: [scratch]}
    events: [{iot: {sql: "SELECT * FROM 't/second'"}}]
    reply: t/seen
  broken:
    handler: init.error
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 't/broken'"}}]
END

# What the third invocation's report is the last of.
reported() {
    "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" shell | grep 'REPORT RequestId: ' |
        sed 's/\t/ /g; s/.* REPORT RequestId: [^ ]*-0*\([0-9]*\) /\1 /; s/[0-9.]* ms/N ms/g; s/Used: [0-9]*/Used: N/' > "$DIR/reports"
    [ "$(wc -l < "$DIR/reports")" = 3 ]
}

results_are_published() {
    for number in 1 2 3; do
        publish $(plain) -q 1 -t t/shell -m "{\"number\":$number}"
        expect all "$all" "t/seen 1 0 {\"seen\":{\"number\":$number}}"
    done
    wait_until reported
    report='Duration: N ms Billed Duration: N ms Memory Size: 1024 MB Max Memory Used: N MB'
    expect_lines "$DIR/reports" "1 $report Init Duration: N ms" "2 $report" "3 $report"
    [ "$(grep -c "shell: a cold start of app.handler in $DIR" "$DIR/gateway.log")" = 1 ] ||
        fail "not one environment has served them all"
}

# A handler that is an executable file is the bootstrap.
a_handler_may_name_the_executable() {
    publish $(plain) -q 1 -t t/second -m '{}'
    expect all "$all" 't/seen 1 0 {"seen":{}}'
    wait_for 'second: a cold start of the second' "$DIR/gateway.log" "$GATEWAY"
}

# curl's 7: it could not connect.
it_reaches_its_own_network_and_folder_only() {
    ! grep -q 'less confined' "$DIR/gateway.log" || return 0
    publish $(plain) -q 1 -t t/shell -m "{\"do\":\"reach\",\"port\":$MQTT}"
    expect all "$all" 't/seen 1 0 {"port":7,"secret":"hidden"}'
}

# gives_up EVENT WHY: the event becomes a dead letter, and the next one has a new environment.
gives_up() {
    publish $(plain) -q 1 -t t/shell -m "{\"do\":\"$1\"}"
    wait_for "function shell gave up a message after 1 attempts (attempts): $2;" "$DIR/gateway.log" "$GATEWAY"
    publish $(plain) -q 1 -t t/shell -m "{\"after\":\"$1\"}"
    expect all "$all" "t/seen 1 0 {\"seen\":{\"after\":\"$1\"}}"
}

errors_become_dead_letters() {
    gives_up fail 'Event.Bad: it failed'
    gives_up exit 'Runtime.ExitError: Runtime exited with error: exit status 3'
    gives_up crash 'Runtime.ExitError: Runtime exited with error: signal: Killed'
    gives_up hang 'Sandbox.Timedout: Task timed out after 2.00 seconds'
    [ "$(grep -c 'shell: a cold start' "$DIR/gateway.log")" = 4 ] || fail "an error has ended its environment, too"
    publish $(plain) -q 1 -t t/broken -m '{}'
    wait_for 'function broken gave up a message .*Init.NoSensor: no sensor here' "$DIR/gateway.log" "$GATEWAY"
}

# The sentence for what is missing, before anything is listened to.
what_is_missing_is_said_at_start() {
    for row in "provided.al2 app.handler neither its handler app.handler nor bootstrap is an executable file in $DIR/empty" \
        "nodejs20.x app.handler its runtime nodejs20.x needs the package aws-lambda-ric in $DIR/empty/node_modules"; do
        runtime=${row%% *}
        sed -e "s/runtime: provided.al2023/runtime: $runtime/" "$DIR/serverless.yml" > "$DIR/empty/serverless.yml"
        PATH=$DIR/programs:$PATH "$BUILD/bin/sluice" run --config "$DIR/empty/serverless.yml" \
            > "$DIR/start.log" 2>&1 && fail "it starts without what $runtime needs"
        grep -q "function shell cannot be served: ${row#* * }" "$DIR/start.log" || fail "nothing said: $(cat "$DIR/start.log")"
    done
}

start_gateway --verbose
subscribe all $(plain) -q 1 -t t/seen
all=$SUBSCRIBER
results_are_published
a_handler_may_name_the_executable
it_reaches_its_own_network_and_folder_only
errors_become_dead_letters
stop_gateway
[ "$(ledger deadLetters)" = 5 ] || fail "not five dead letters: $(cat "$DIR/gateway.out")"
mkdir "$DIR/empty" "$DIR/programs"
printf '#!/bin/sh\n' > "$DIR/programs/node"
chmod +x "$DIR/programs/node"
what_is_missing_is_said_at_start

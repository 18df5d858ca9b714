#!/bin/sh
# A Python function: how it is started and what it finds, its traces and errors, and one that is too slow to start. The
# runtime client is one of the tests' own, since AWS's comes from PyPI.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub curl python3

cp -r "$ROOT/tests/e2e/runtime/python/awslambdaric" "$DIR"
cat > "$DIR/app.py" << 'END'
import os

print("imported")
if os.environ["SLOW"] == "yes":
    import time
    time.sleep(1000)

def handler(event, context):
    print("handling", event["n"])
    for i in range(event.get("lines", 0)):
        print("one of many lines", i, 200 * "x")
    if event["n"] == 13:
        raise ValueError("not thirteen")
    names = ("_HANDLER", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_EXECUTION_ENV",
             "AWS_REGION", "LAMBDA_TASK_ROOT", "COLOUR", "_X_AMZN_TRACE_ID")
    return {"twice": 2 * event["n"], "arn": context.invoked_function_arn, **{name: os.environ.get(name) for name in names}}
END
mkdir "$DIR/inner"
printf 'def handler(event, context):\n    return "from the folder within"\n' > "$DIR/inner/deeper.py"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", http: "127.0.0.1:0"}
  anonymous: [mqtt, http]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"], invoke: ["*"]}]
  workers: {initTimeout: 60, restartBase: 0.01, restartCap: 0.01}
provider: {runtime: python3.11, region: eu-north-1, timeout: 60, environment: {SLOW: "no"}}
functions:
  twice:
    handler: app.handler
    memorySize: 256
    environment: {COLOUR: green}
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/twice'"}}]
    reply: out/twice
  deeper: {handler: inner/deeper.handler}
  missing:
    handler: missing.handler
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/missing'"}}]
END

# value EXPRESSION EXPECTED: of the JSON in $DIR/answer.
value() {
    python3 -c 'import json,sys; a=json.load(open(sys.argv[1])); v=eval(sys.argv[2]); sys.exit(str(v)!=sys.argv[3] and repr(v))' \
        "$DIR/answer" "$1" "$2" || fail "$1 is not $2"
}

invoke() {
    function=$1
    shift
    curl -sS -D "$DIR/head" -o "$DIR/answer" "http://127.0.0.1:$HTTP/2015-03-31/functions/$function/invocations" "$@" ||
        fail "$function cannot be invoked"
}

it_finds_what_lambda_gives() {
    publish $(plain) -q 1 -t in/twice -m '{"n":21}'
    wait_for '^got ' "$DIR/out.log" "$SUBSCRIBER"
    got out | sed 's/got out.twice 1 0 //' > "$DIR/answer"
    value 'a["twice"]' 42
    value 'a["arn"]' arn:aws:lambda:eu-north-1:000000000000:function:twice
    value '[a[k] for k in sorted(a) if k.startswith("AWS_")]' "['AWS_Lambda_python3.11', '256', 'twice', 'eu-north-1']"
    value '[a["_HANDLER"], a["COLOUR"], a["LAMBDA_TASK_ROOT"]]' "['app.handler', 'green', '$DIR']"
    value '__import__("re").fullmatch("Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0", a["_X_AMZN_TRACE_ID"]) is not None' True
}

a_trace_goes_on() {
    invoke twice -H 'X-Amzn-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1' -d '{"n":1}'
    value 'a["_X_AMZN_TRACE_ID"]' 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1'
    invoke twice -d '{"n":1}'
    value 'a["_X_AMZN_TRACE_ID"][:7]' Root=1-
    value 'a["_X_AMZN_TRACE_ID"] != "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1"' True
}

a_handler_may_be_in_a_folder() {
    invoke deeper -d '{}'
    value a 'from the folder within'
}

errors_keep_their_stack() {
    invoke twice -d '{"n":13}'
    grep -qi '^x-amz-function-error: Unhandled' "$DIR/head" || fail "no function error: $(cat "$DIR/head")"
    value '[a["errorType"], a["errorMessage"], "line 13" in a["stackTrace"][-1]]' "['ValueError', 'not thirteen', True]"
    publish $(plain) -q 1 -t in/missing -m '{}'
    wait_for "function missing gave up a message .*Runtime.ImportModuleError: No module named 'missing'" "$DIR/gateway.log" "$GATEWAY"
}

# The last 4 KB of this invocation's log, and not of the one before it.
the_log_comes_with_the_answer() {
    invoke twice -H 'X-Amz-Log-Type: Tail' -d '{"n":5}'
    sed -n 's/\r$//; s/^[Xx]-[Aa]mz-[Ll]og-[Rr]esult: //p' "$DIR/head" | base64 -d > "$DIR/tail"
    id=$(sed -n 's/\r$//; s/^x-amzn-RequestId: //p' "$DIR/head")
    sed -E 's/[0-9.]+ (ms|MB)/N \1/g; s/\t/  /g' "$DIR/tail" > "$DIR/tail.plain"
    expect_lines "$DIR/tail.plain" "START RequestId: $id Version: \$LATEST" 'handling 5' "END RequestId: $id" \
        "REPORT RequestId: $id  Duration: N ms  Billed Duration: N ms  Memory Size: N MB  Max Memory Used: N MB"
    invoke twice -H 'X-Amz-Log-Type: Tail' -d '{"n":6,"lines":1000}'
    sed -n 's/\r$//; s/^[Xx]-[Aa]mz-[Ll]og-[Rr]esult: //p' "$DIR/head" | base64 -d > "$DIR/tail"
    [ "$(wc -c < "$DIR/tail")" = 4096 ] || fail "the log has $(wc -c < "$DIR/tail") bytes"
    grep -q '^REPORT ' "$DIR/tail" || fail "it is not the end of the log"
}

what_it_prints_is_logged() {
    "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" twice | cut -d ' ' -f 2- > "$DIR/printed"
    [ "$(head -n 1 "$DIR/printed")" = '- imported' ] || fail "the first line is $(head -n 1 "$DIR/printed")"
    grep -q '^[0-9a-f-]* handling 21$' "$DIR/printed" || fail "$(cat "$DIR/printed")"
}

# With another row for the time that a start may take.
a_slow_start_is_cut_off() {
    sed -e 's/initTimeout: 60/initTimeout: 0.3/' -e 's/SLOW: "no"/SLOW: "yes"/' "$DIR/serverless.yml" > "$DIR/slow.yml"
    mv "$DIR/slow.yml" "$DIR/serverless.yml"
    start_gateway
    publish $(plain) -q 1 -t in/twice -m '{"n":1}'
    wait_for 'function twice gave up a message after 1 attempts (attempts): Sandbox.Timedout: Task timed out after 0.30 seconds' \
        "$DIR/gateway.log" "$GATEWAY"
    stop_gateway
    "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" twice | grep -q ' - Sandbox.Timedout: Task timed out after 0.30 seconds$' ||
        fail "the function's log does not say why it did not start"
}

start_gateway
subscribe out $(plain) -q 1 -t out/twice
it_finds_what_lambda_gives
a_trace_goes_on
a_handler_may_be_in_a_folder
errors_keep_their_stack
the_log_comes_with_the_answer
stop_gateway
what_it_prints_is_logged
a_slow_start_is_cut_off

#!/bin/sh
# Versions by name: NAME:3, NAME:live, ?Qualifier=, $LATEST, at once and from the queue.
. "$ROOT/tests/e2e/lib.sh"
. "$ROOT/tests/e2e/deploy_lib.sh"
need curl mosquitto_sub cc

cat > "$PROJECT/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", http: "127.0.0.1:0"}
  workers: {restartBase: 60, restartCap: 60}
  anonymous: [mqtt, http]
  access: [{who: anonymous, invoke: ["*"], subscribe: ["out/#"]}]
functions:
  one:
    {handler: one.so, runtime: native, reply: out/one, maximumRetryAttempts: 0, destinations: {onSuccess: {topic: out/done}}}
  shell: {handler: shell, runtime: provided.al2023, package: {patterns: ["!**", shell]}}
END
cat > "$PROJECT/shell" << 'END'
#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
while request=$(curl -sS -i "$api/invocation/next" | tr -d '\r'); do
    id=$(printf '%s\n' "$request" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
    arn=$(printf '%s\n' "$request" | sed -n 's/^lambda-runtime-invoked-function-arn: //Ip')
    curl -sS -o /dev/null "$api/invocation/$id/response" -d "{\"version\":$AWS_LAMBDA_FUNCTION_VERSION,\"arn\":\"$arn\"}" || exit 1
done
END
chmod +x "$PROJECT/shell"
cp "$PROJECT/serverless.yml" "$DIR/serverless.yml"

# invokes STATUS VERSION FUNCTION [CURL-ARGUMENT...]: who answers, by its own word and by the header.
invokes() {
    wanted=$1 version=$2 path=$3
    shift 3
    got=$(curl -sS -g -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' "$@" -d '{}' \
        "http://127.0.0.1:$HTTP/2015-03-31/functions/$path")
    [ "$got" = "$wanted" ] || fail "$got for $path: $(cat "$DIR/body")"
    [ "$wanted" = 200 ] || return 0
    tr -d '\r' < "$DIR/head" | grep -qi "^x-amz-executed-version: $version\$" || fail "the header of $path: $(cat "$DIR/head")"
    grep -q "\"version\":$version," "$DIR/body" || fail "$path is answered by $(cat "$DIR/body")"
}

compile one 1
sed -i 's/{handler: one.so,/& memorySize: 128,/' "$PROJECT/serverless.yml"
deploys 0 'one: version 1 is live'
sed -i 's/ memorySize: 128,//' "$PROJECT/serverless.yml"
compile one 2
deploys 0 'one: version 2 is live'
compile one 3
cp "$PROJECT/one.so" "$PROJECT/shell" "$DIR" # what lies in the gateway's own folder is $LATEST
start_gateway

invokes 200 2 one/invocations
invokes 200 2 one:live/invocations
invokes 200 2 'one/invocations?Qualifier=live'
invokes 200 1 one:1/invocations
invokes 200 1 'one/invocations?Qualifier=1'
invokes 200 1 'one:1/invocations?Qualifier=1'
invokes 200 1 'arn:aws:lambda:eu-west-1:123456789012:function:one:1/invocations'
# The ARN that a function gets has what named it.
invoked_as() {
    invokes 200 1 "$1"
    grep -q "\"arn\":\"arn:aws:lambda:us-east-1:000000000000:function:$2\"" "$DIR/body" || fail "$1: $(cat "$DIR/body")"
}
invoked_as shell/invocations shell
invoked_as shell:1/invocations shell:1
invoked_as 'shell/invocations?Qualifier=live' shell:live
invokes 400 '' 'one:1/invocations?Qualifier=2'
for none in one:3 one:0 one:01 one:Live one:99999999999999999999; do
    invokes 404 '' "$none/invocations"
    grep -q "Function not found: .*:function:$none" "$DIR/body" || fail "$none: $(cat "$DIR/body")"
done

got=$(curl -sS -D "$DIR/head" -d '{}' "http://127.0.0.1:$HTTP/2015-03-31/functions/one:%24LATEST/invocations")
[ "$got" = '{"version":3,"event":{}}' ] || fail "\$LATEST answers $got"
grep -qi '^x-amz-executed-version: \$LATEST' "$DIR/head" || fail "its header: $(cat "$DIR/head")"

# From the queue: the version is looked up when it is invoked.
subscribe out $(plain) -q 1 -t 'out/#'
invokes 202 '' one:1/invocations -H 'X-Amz-Invocation-Type: Event'
expect out "$SUBSCRIBER" 'out/one 1 0 {"version":1,"event":{}}'
expect out "$SUBSCRIBER" 'out/done 1 0 {.*"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:one:1",.*"executedVersion":"1"}.*}'
invokes 202 '' one/invocations -H 'X-Amz-Invocation-Type: Event'
expect out "$SUBSCRIBER" 'out/one 1 0 {"version":2,"event":{}}'

# What tools ask.
lists() {
    { curl -sS -g "http://127.0.0.1:$HTTP/2015-03-31/functions/$1" && echo; } | tr '{' '\n' | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" > "$DIR/list"
    shift 2
    expect_lines "$DIR/list" "$@"
}
lists one/versions Version '$LATEST' 1 2
lists one/aliases FunctionVersion 2
lists one Version 2
lists 'one?Qualifier=1' Version 1
lists one:1/configuration FunctionArn arn:aws:lambda:us-east-1:000000000000:function:one:1
lists shell/versions Version '$LATEST' 1

# The memory that is reported is the version's.
invokes 200 1 one:1/invocations -H 'X-Amz-Log-Type: Tail'
tr -d '\r' < "$DIR/head" | sed -n 's/^x-amz-log-result: //Ip' | base64 -d > "$DIR/report"
grep -q 'Memory Size: 128 MB' "$DIR/report" || fail "it reports $(cat "$DIR/report")"
"$SLUICE" logs one --config "$DIR/serverless.yml" | grep -q 'Memory Size: 128 MB' || fail "its log does not"
stop_gateway

# A version that does not start any more: who names it waits for the pause to pass. Where nothing backed off, the
# second request would start a worker too, and be answered.
for code in "$DIR"/data/functions/code/*/one.so; do
    : > "$code"
done
start_gateway
curl -sS -g -D "$DIR/head" -o "$DIR/body" -d '{}' "http://127.0.0.1:$HTTP/2015-03-31/functions/one:1/invocations"
grep -qi '^x-amz-function-error: ' "$DIR/head" || fail "what is no shared object answers: $(cat "$DIR/body")"
curl -sS -g -m 1 -d '{}' "http://127.0.0.1:$HTTP/2015-03-31/functions/one:1/invocations" > "$DIR/second" 2>&1 &&
    fail "the second request was answered: $(cat "$DIR/second")"
stop_gateway

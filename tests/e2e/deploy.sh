#!/bin/sh
# `sluice deploy` and `sluice rollback`: which version of a function answers, and what stays when one is bad.
. "$ROOT/tests/e2e/lib.sh"
. "$ROOT/tests/e2e/deploy_lib.sh"
need mosquitto_pub mosquitto_sub cc

# versions LINE...: as they are listed, without time and hash.
versions() {
    "$SLUICE" versions --config "$DIR/serverless.yml" | sed 's/  [^ ]*Z  [0-9a-f]*//' > "$DIR/versions"
    expect_lines "$DIR/versions" "$@"
}

# answers VERSION: the live version does.
turn=0
answers() {
    turn=$((turn + 1))
    publish $(plain) -q 1 -t in/one -m "{\"turn\":$turn}"
    expect out "$all" "out/one 1 0 {\"version\":$1,\"event\":{\"turn\":$turn}}"
}

mkdir -p "$PROJECT/test" "$PROJECT/secrets"
echo 'KEY=1' > "$PROJECT/.env"
echo 'test' > "$PROJECT/test/one.txt"
echo 'key' > "$PROJECT/secrets/key"
ln -s one.so "$PROJECT/link.so"
cat > "$PROJECT/serverless.yml" << END
service: project
package: {patterns: ["!test/**"]}
provider: {runtime: native}
functions:
  one: {handler: one.so, timeout: 300, environment: {GATE: $DIR/gate}}
  two: {handler: two.so}
END
# The gateway has its own configuration, and none of the code.
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"], subscribe: ["out/#"]}]
  tls: {key: project/secrets/key, certificate: project/secrets/certificate}
  versions: {kept: 3}
  workers: {restartBase: 0.01, restartCap: 0.01}
provider: {runtime: native}
functions:
  one:
    handler: one.so
    reservedConcurrency: 2
    files: {read: [.]}
    events: [{iot: {sql: "SELECT * FROM 'in/one'"}}]
    reply: out/one
  two: {handler: two.so}
END
code=$DIR/data/functions/code

# Without a gateway the command starts the functions itself, and switches when they have started.
compile one 0
compile two 1
deploys 1 'function one: version 1 has not started: Init.Broken: this version never starts'
[ -z "$("$SLUICE" versions --config "$DIR/serverless.yml")" ] || fail "there are versions"
[ -z "$(ls "$code")" ] || fail "code was left"
compile one 1
deploys 0 'one: version 1 is live'
versions 'one  1  live' 'two  1  live'
(cd "$code"/* && find . ! -type d | sort) > "$DIR/files"
expect_lines "$DIR/files" ./link.so ./one.so ./two.so
deploys 0 'one: version 1 is live already'

start_gateway --verbose
grep -q 'function one: version 1 is live' "$DIR/gateway.log" || fail "the gateway does not say which version runs"
! grep -q 'runs as root.*/data/functions/' "$DIR/gateway.log" || fail "a function's own user cannot read its code"
subscribe out $(plain) -q 1 -t 'out/#'
all=$SUBSCRIBER
answers 1

# What is in the old version ends there, while the new one answers.
publish $(plain) -q 1 -t in/one -m '{"do":"wait"}'
children() {
    wc -w < "/proc/$GATEWAY/task/$GATEWAY/children"
}
before=$(children)
compile one 2
deploys 0 'one: version 2 is live'
answers 2
touch "$DIR/gate"
expect out "$all" 'out/one 1 0 {"version":1,"event":{"do":"wait"}}'
old_has_ended() {
    [ "$(children)" -le $((before + 1)) ]
}
wait_until old_has_ended

# What does not start changes nothing, of no function.
compile one 0
compile two 3
deploys 1 'function one: version 3 has not started: Init.Broken: this version never starts'
grep -q 'what was live stays so' "$DIR/deploy.log" || fail "it does not say what is live"
versions 'one  1' 'one  2  live' 'two  1' 'two  2  live'
answers 2
rm "$PROJECT/one.so"
deploys 1 'function one cannot be served: its handler .*/one.so cannot be read: No such file or directory'
answers 2

# Back, and forth, and over a restart. The numbers of what has never lived are given again.
rolls_back 0 'one: version 1 is live' one
answers 1
rolls_back 1 'has no version before the live one' one
rolls_back 1 'is no version of it' one 7
rolls_back 1 'was never deployed' three
stop_gateway
start_gateway
subscribe out $(plain) -q 1 -t 'out/#'
all=$SUBSCRIBER
answers 1
compile one 3
deploys 0 'one: version 3 is live'
answers 3

# Only so many are kept, but the live one always.
rolls_back 0 'one: version 1 is live' one 1
rolls_back 0 'one: version 3 is live' one 3
mkdir "$code/new" "$code/gone" "$code/0123" # what commands that were killed have left
compile one 4
deploys 0 'one: version 4 is live'
versions 'one  2' 'one  3' 'one  4  live' 'two  2' 'two  3' 'two  4  live'
three_packages() {
    deploys 0 'one: version 4 is live already'
    [ "$(ls "$code" | wc -l)" = 3 ]
}
wait_until three_packages
stop_gateway

# What was written half, as a crash might leave it, and what is damaged: both starts go on.
printf '{"one":{"live":9' > "$DIR/data/functions/versions.next.json"
start_gateway
stop_gateway
printf '{"one":{"live":9' > "$DIR/data/functions/versions.json"
"$SLUICE" versions --config "$DIR/serverless.yml" > "$DIR/list.log" 2>&1 && fail "damage is listed"
cp "$PROJECT/one.so" "$PROJECT/two.so" "$DIR"
start_gateway
grep -q 'versions.json.damaged, and functions run as they lie in their folders' "$DIR/gateway.log" || fail "nothing said"
stop_gateway

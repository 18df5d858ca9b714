#!/bin/sh
# The figures of functions in tests/bench/README.md, as lines of its table; a figure is the median of REPEAT runs.
#
#   sh tests/bench/functions.sh [BUILD [ROW...]]     BUILD: a Release build tree with its tests (default: build)
#
# ROW: latency, load, batches, start, cold, rules; without any, all of them. REPEAT=5 is the default. Node.js is
# measured where tests/e2e/setup-node.sh has been run.
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=$(cd "${1:-$ROOT/build}" && pwd)
[ $# = 0 ] || shift
. "$ROOT/tests/e2e/lib.sh"
REPEAT=${REPEAT:-5}
FUNCTION_BENCH=$BUILD/tests/function_bench
[ -x "$FUNCTION_BENCH" ] || fail "$BUILD holds no function_bench: build it with the tests"
MODULES=$ROOT/tests/e2e/runtime/node_modules
[ -f "$MODULES/.installed" ] || MODULES=

# ---- The gateway ----

write_config() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["bench/#"], subscribe: ["results/#"]}]
functions:
  native:
    handler: $BUILD/tests/pass_function.so
    runtime: native
    provisionedConcurrency: 1
    events: [{iot: {sql: "SELECT * FROM 'bench/native'"}}]
    reply: results/native
  batch:
    handler: $BUILD/tests/count_function.so
    runtime: native
    provisionedConcurrency: 1
    events: [{iot: {sql: "SELECT * FROM 'bench/batch'", batchSize: 100, maximumBatchingWindow: 0.05}}]
    reply: results/batch
  bootstrap:
    handler: any
    runtime: provided.al2023
    provisionedConcurrency: 1
    events: [{iot: {sql: "SELECT * FROM 'bench/bootstrap'"}}]
    reply: results/bootstrap
END
    cp "$BUILD/tests/bootstrap" "$DIR/bootstrap"
    [ -z "$MODULES" ] || write_node
}

write_node() {
    ln -s "$MODULES" "$DIR/node_modules"
    echo 'exports.handler = async event => event' > "$DIR/app.js"
    cat >> "$DIR/serverless.yml" << END
  node:
    handler: app.handler
    runtime: nodejs20.x
    timeout: 60
    provisionedConcurrency: 1
    files: {read: ["$MODULES"]}
    events: [{iot: {sql: "SELECT * FROM 'bench/node'"}}]
    reply: results/node
END
}

# As many more rules.
write_rules() {
    cat >> "$DIR/serverless.yml" << END
  idle:
    handler: $BUILD/tests/pass_function.so
    runtime: native
    events:
$(seq "$1" | sed "s|.*|      - iot: {sql: \"SELECT * FROM 'bench/idle/&'\"}|")
END
}

# ---- Measuring ----

field() {
    sed -n "s/^\(.* \)\{0,1\}$1=\([^ ]*\).*/\2/p"
}

median() {
    sort -n | awk '{ value[NR] = $1 } END { if (NR) print value[int((NR + 1) / 2)] }'
}

# row TITLE FIELDS COMMAND...: runs the command, whose lines have NAME=VALUE, and prints the medians.
row() {
    title=$1
    fields=$2
    shift 2
    rm -f "$DIR/rows"
    turn=0
    while [ "$turn" -lt "$REPEAT" ]; do
        "$@" >> "$DIR/rows"
        turn=$((turn + 1))
    done
    printf '%s |' "$title"
    for name in $fields; do
        printf ' %s %s |' "$name" "$(field "$name" < "$DIR/rows" | median)"
    done
    echo
}

bench() {
    "$FUNCTION_BENCH" "$1" "$MQTT" "$2" "$3" "$4" "$GATEWAY" # KIND FUNCTION COUNT RATE
}

# One run of a function without a gateway: its start, as its REPORT line says.
cold() {
    echo '{}' | "$BUILD/bin/sluice" invoke "$1" --config "$DIR/serverless.yml" --event - --log 2>&1 > "$DIR/cold.out" |
        sed -n 's/.*Init Duration: \([0-9.]*\) ms.*/init_ms=\1/p'
}

# ---- The rows ----

latency_rows() {
    times="result_p50_us result_p99_us cpu_us"
    row "native function, publish to result" "$times" bench latency native 20000 0
    row "Runtime API, publish to result" "$times" bench latency bootstrap 20000 0
    [ -z "$MODULES" ] || row "Node.js, publish to result" "$times" bench latency node 5000 0
}

load_rows() {
    times="pubacks_per_s puback_p50_us puback_p99_us cpu_us"
    row "durable QoS 1 into a function queue, at 300,000 a second" "$times" bench load batch 500000 300000
}

batches_rows() {
    row "events through one function in batches of 100" "pubacks_per_s events_per_s cpu_us" bench load batch 500000 0
}

start_rows() {
    row "start with 1,000,000 queued messages" "full_ms full_cpu_ms full_peak_kb empty_peak_kb" \
        "$BUILD/tests/restart_bench" "$BUILD/bin/sluice" "$BUILD/tests/count_function.so"
}

cold_rows() {
    row "cold start, native" init_ms cold native
    row "cold start, a bootstrap in C" init_ms cold bootstrap
    [ -z "$MODULES" ] || row "cold start, Node.js" init_ms cold node
}

# What 10,000 rules that have nothing to do cost one that has.
rules_rows() {
    stop_gateway
    write_rules 10000
    start_gateway
    row "native function beside 10,000 idle rules, publish to result" "result_p50_us result_p99_us cpu_us" \
        bench latency native 20000 0
}

write_config
start_gateway
for rows in ${*:-latency load batches start cold rules}; do
    "${rows}_rows"
done

#!/bin/sh
# Workers have cgroups with their limits, where there are any: first on plain files that stand for the kernel's, then on
# the kernel's own, as far as this machine has them.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub
export TMPDIR="$DIR"

# configure WHERE
configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"]}]
  workers: {cgroup: $1, processes: 40, nice: 5, restartBase: 0.01, restartCap: 0.01}
provider: {runtime: native}
functions:
  worker:
    handler: $BUILD/tests/faulty.so
    timeout: 60
    memorySize: 64
    ephemeralStorageSize: 8
    maximumRetryAttempts: 0
    events: [{iot: {sql: "SELECT * FROM 'in/worker'"}}]
END
}

# report N: the N-th invocation's REPORT is in $DIR/report.
report() {
    "$BUILD/bin/sluice" logs --config "$DIR/serverless.yml" worker | grep ' REPORT ' > "$DIR/reports" || true
    sed -n "$1p" "$DIR/reports" > "$DIR/report"
    [ -s "$DIR/report" ]
}

limits_are_written() {
    tree=$DIR/tree
    mkdir -p "$tree/worker.1" "$tree/other.2" "$tree/mine" "$tree/my.slice"
    echo 'cpuset cpu io memory pids' > "$tree/cgroup.controllers"
    : > "$tree/cgroup.subtree_control"
    for file in cgroup.procs cgroup.kill memory.max memory.swap.max memory.oom.group pids.max cpu.weight.nice; do
        : > "$tree/worker.1/$file"
    done
    echo $((77 * 1024 * 1024)) > "$tree/worker.1/memory.peak"
    configure "$tree"
    start_gateway
    [ "$(cat "$tree/worker.1/cgroup.kill")" = 1 ] || fail "what a killed gateway's worker had started lives on"
    : > "$tree/worker.1/cgroup.kill"
    publish $(plain) -q 1 -t in/worker -m '{"n":1}'
    wait_until report 1
    [ "$(cat "$tree/worker.1/cgroup.procs")" = "$(cat "/proc/$GATEWAY/task/$GATEWAY/children" | tr -d ' ')" ] ||
        fail "the worker's number is not there: $(cat "$tree/worker.1/cgroup.procs")"
    for row in "memory.max $((72 * 1024 * 1024))" 'memory.swap.max 0' 'memory.oom.group 1' 'pids.max 40' 'cpu.weight.nice 5'; do
        [ "$(cat "$tree/worker.1/${row% *}")" = "${row#* }" ] || fail "${row% *} is $(cat "$tree/worker.1/${row% *}")"
    done
    grep -q 'Max Memory Used: 77 MB' "$DIR/report" || fail "the kernel's peak is not reported: $(cat "$DIR/report")"
    [ ! -e "$tree/other.2" ] || fail "what a killed gateway has left stays"
    [ -e "$tree/mine" ] && [ -e "$tree/my.slice" ] || fail "what is somebody else's is gone"
    ! grep -q 'have no limits of' "$DIR/gateway.log" || fail "limits are said to be missing"
    stop_gateway
    [ "$(cat "$tree/worker.1/cgroup.kill")" = 1 ] || fail "what a worker may have left is not killed"
}

what_cannot_be_used_is_said() {
    configure "$DIR/nowhere"
    "$BUILD/bin/sluice" run --config "$DIR/serverless.yml" > "$DIR/start.log" 2>&1 && fail "it starts without its cgroup"
    grep -q "ERROR gateway.workers.cgroup: $DIR/nowhere is no folder" "$DIR/start.log" || fail "$(cat "$DIR/start.log")"
    configure here
    "$BUILD/bin/sluice" check --config "$DIR/serverless.yml" > "$DIR/start.log" 2>&1 && fail "a path may not be relative"
    grep -q "gateway.workers.cgroup is 'here'; allowed: own, none, or an absolute path" "$DIR/start.log" ||
        fail "$(cat "$DIR/start.log")"
    mkdir -p "$DIR/tree/worker.1"
    rm -f "$DIR/tree/worker.1/cgroup.procs"
    configure "$DIR/tree"
    start_gateway
    publish $(plain) -q 1 -t in/worker -m '{"n":2}'
    wait_until report 2
    grep -q 'function worker: a worker has no cgroup: .*/worker.1: No such file' "$DIR/gateway.log" || fail "nothing is said"
    stop_gateway
}

# With or without them it runs, and what there is not is one line.
own_ones_are_optional() {
    lines=$(wc -l < "$DIR/gateway.log")
    configure own
    start_gateway
    publish $(plain) -q 1 -t in/worker -m '{"n":3}'
    wait_until report 3
    child=$(cat "/proc/$GATEWAY/task/$GATEWAY/children" | tr -d ' ')
    grep -q '^0::.*/sluice-[0-9]*/worker\.1$' "/proc/$child/cgroup" ||
        [ "$(tail -n +$((lines + 1)) "$DIR/gateway.log" | grep -c 'INFO memory of workers is limited for each process')" = 1 ] ||
        fail "no cgroup, and not a line about it"
    stop_gateway
}

real_ones_come_and_go() {
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    tree=$mount/sluice-test-$$
    [ -n "$mount" ] && mkdir "$tree" 2> /dev/null || { echo "no cgroups of version 2 here: they were not tried"; return 0; }
    configure "$tree"
    start_gateway
    publish $(plain) -q 1 -t in/worker -m '{"n":4}'
    wait_until report 4
    grep -q "/sluice-test-$$/worker.1\$" "/proc/$(cat "/proc/$GATEWAY/task/$GATEWAY/children" | tr -d ' ')/cgroup" ||
        fail "the worker is elsewhere"
    sleep 1000 & # as if the worker had started it
    started $!
    echo $! > "$tree/worker.1/cgroup.procs"
    kill_gateway
    start_gateway # and ends and removes what the other one has left, before it makes the same again
    [ ! -e "$tree/worker.1" ] || fail "something is left in it: $(cat "$tree/worker.1/cgroup.procs")"
    publish $(plain) -q 1 -t in/worker -m '{"do":"exit"}'
    wait_until dead_letters_are 1
    grep -q memory "$tree/cgroup.controllers" || echo "cgroups without limits of memory: only their life was tried"
    stop_gateway
    rmdir "$tree" || fail "there are cgroups left: $(ls -d "$tree"/*/)"
}

dead_letters_are() {
    dead_letters | grep -q "^$1 dead letters\$"
}

limits_are_written
what_cannot_be_used_is_said
own_ones_are_optional
real_ones_come_and_go

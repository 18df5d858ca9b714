#!/bin/sh
# What `sluice deploy` waits for: the gateway's answer, not a sign of it; and nothing but that ends it.
. "$ROOT/tests/e2e/lib.sh"
. "$ROOT/tests/e2e/deploy_lib.sh"
need cc python3

cat > "$PROJECT/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
provider: {runtime: native}
functions:
  one: {handler: one.so, environment: {GATE: $DIR/gate}, files: {read: [$DIR]}}
END
cp "$PROJECT/serverless.yml" "$DIR/serverless.yml"
functions=$DIR/data/functions

begin_deploy() {
    "$SLUICE" deploy "$PROJECT" --config "$DIR/serverless.yml" > "$DIR/deploy.log" 2>&1 &
    deploy=$!
    started "$deploy"
}
has_child() {
    [ -n "$(cat "/proc/$deploy/task/$deploy/children")" ]
}

# Without a gateway it has the data folder's lock, and gets what is meant for one.
compile one 100 # it does not initialise while the gate is closed
begin_deploy
wait_until has_child
kill -HUP "$deploy"
kill -USR1 "$deploy"
touch "$DIR/gate"
wait "$deploy" || fail "a deploy is ended by a reload"

# A gateway whose disk is slow: live is what its functions' next events go to.
cat > "$DIR/slow.py" << 'END'
import fcntl, os, signal, sys, time
folder, ends = sys.argv[1] + "/data/", len(sys.argv) > 2
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
lock = open(folder + "lock", "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("locked", flush=True)
signal.sigwait([signal.SIGUSR2])
os.rename(folder + "functions/versions.next.json", folder + "functions/versions.json")
print("renamed", flush=True)
while not ends and not os.path.exists(sys.argv[1] + "/durable"):
    time.sleep(0.01)
if not ends:
    os.unlink(folder + "functions/refused")
    signal.pause()
END
compile one 1
python3 "$DIR/slow.py" "$DIR" > "$DIR/slow.log" 2>&1 &
slow=$!
started "$slow"
wait_for locked "$DIR/slow.log" "$slow"
begin_deploy
wait_for renamed "$DIR/slow.log" "$slow"
for look in 1 2 3 4 5; do
    ! grep -q 'is live' "$DIR/deploy.log" || fail "it is live, before the gateway says so: $(cat "$DIR/deploy.log")"
    sleep 0.05
done
touch "$DIR/durable"
wait "$deploy" || fail "sluice deploy ended with $?"
grep -q 'one: version 2 is live' "$DIR/deploy.log" || fail "it does not say so"
kill "$slow"
wait "$slow" || true

# One that ends behind the rename has made it live.
compile one 2
python3 "$DIR/slow.py" "$DIR" ends > "$DIR/slow.log" 2>&1 &
slow=$!
started "$slow"
wait_for locked "$DIR/slow.log" "$slow"
deploys 0 'one: version 3 is live'
[ ! -e "$functions/refused" ] || fail "the answer was left"

# What was asked for while the gateway was not there to hear of it is answered by its start.
cp "$functions/versions.json" "$functions/versions.next.json"
: > "$functions/refused"
start_gateway
[ ! -e "$functions/versions.next.json" ] || fail "it is still asked for"
[ "$(cat "$functions/refused")" = 'the gateway has just started; try again' ] || fail "it is not answered"
compile one 3
deploys 0 'one: version 4 is live'
stop_gateway

#!/bin/sh
# The quickstart does what it promises, in the tree as it is, and leaves nothing running. Only in build/, which is
# the quickstart's own.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub cmake ninja
[ "$BUILD" -ef "$ROOT/build" ] || skip "this is not the quickstart's build folder"

# In a tree where nothing is built yet it builds no more than it names.
ninja -C "$BUILD" -t inputs sluice | grep -q 'libexec/sluice/launch$' ||
    fail "whoever builds sluice alone gets no launcher, which starts its workers"

MARK=$DIR sh "$ROOT/gateway/quickstart.sh" --for 8 > "$DIR/quickstart.out" 2> "$DIR/quickstart.log" ||
    fail "the quickstart ended with status $?"
tail -n 1 "$DIR/quickstart.out" > "$DIR/last"
number() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$DIR/last"
}
grep -qx '{"published":[0-9]*,"acknowledged":[0-9]*,"stored":[0-9]*,"invoked":[0-9]*,"results":[0-9]*,"lost":0}' \
    "$DIR/last" || fail "the last line is $(cat "$DIR/last")"
[ "$(number results)" -gt 0 ] || fail "there are no results: $(cat "$DIR/last")"
[ "$(number published)" -gt 0 ] && [ "$(number published)" = "$(number acknowledged)" ] ||
    fail "not all is acknowledged: $(cat "$DIR/last")"
grep -q '^farm/summary {"summary":' "$DIR/quickstart.out" || fail "no summary was shown"

for environment in /proc/[0-9]*/environ; do
    grep -qszx "MARK=$DIR" "$environment" || continue
    fail "left running: $(tr '\0' ' ' < "${environment%environ}cmdline")"
done

#!/bin/sh
# A backlog that fills the journal is worked off: publishers are held back before there is no room for results.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub

# configure SELECTION: what `slow` gets of each message; with the member `do` of it, it hangs.
configure() {
    cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"]}]
  journal: {maxBytes: 16777216}
provider: {runtime: native}
functions:
  slow:
    handler: $BUILD/tests/faulty.so
    timeout: 600
    events: [{iot: {sql: "SELECT $1 FROM 'in/#'"}}]
    reply: made/by/slow
  sink:
    handler: $BUILD/tests/faulty.so
    events: [{iot: {sql: "SELECT * FROM 'made/#'"}}]
END
}

{ printf '{"do":"hang","pad":"'; head -c 200000 /dev/zero | tr '\0' x; printf '"}\n'; } > "$DIR/event"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$DIR/event"; done
done > "$DIR/events" # 20 MB

# How much the journal's files have, which is when its publishers are held back.
is_filled() {
    [ "$(du -sb "$DIR/data/journal" | cut -f 1)" -gt 12000000 ]
}

configure '*'
start_gateway
mosquitto_pub $(plain) -q 1 -t in/device -l < "$DIR/events" > "$DIR/publisher.log" 2>&1 &
publisher=$!
started "$publisher"
wait_until is_filled
kill "$publisher"
kill_gateway
configure pad
start_gateway
timeout 300 mosquitto_pub $(plain) -q 1 -t in/device -l < "$DIR/events" > "$DIR/publisher.log" 2>&1 ||
    fail "what was published was not taken: $(cat "$DIR/publisher.log")"
stop_gateway
[ "$(ledger deadLetters) $(ledger unpublished)" = "0 0" ] || fail "$(cat "$DIR/gateway.out")"

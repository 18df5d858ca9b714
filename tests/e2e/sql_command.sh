#!/bin/sh
# sluice sql shows what a rule makes of a message, or says why it makes nothing of it.
. "$ROOT/tests/e2e/lib.sh"
cd "$DIR"
printf '{"fahrenheit": 95, "kind": "air"}' > message.json
printf '\377\330' > image.jpg

# gives STATUS OUTPUT ARGUMENTS...: what `sluice sql` prints, on whichever stream.
gives() {
    wanted_status=$1
    wanted=$2
    shift 2
    status=0
    "$BUILD/bin/sluice" sql "$@" > output 2> errors || status=$?
    [ "$status" = "$wanted_status" ] || fail "$* ended with status $status: $(cat output errors)"
    if [ "$status" = 0 ]; then
        [ ! -s errors ] || fail "$* complains: $(cat errors)"
        [ "$(cat output)" = "$wanted" ] || fail "$* gives $(cat output)"
    else
        [ ! -s output ] || fail "$* has output: $(cat output)"
        grep -qF "$wanted" errors || fail "$* says: $(cat errors)"
    fi
}

# The README's example, word for word.
awk '/^## / { under = $0 == "## Rules" } under && /^```/ { inside = !inside; if (inside) count++; next }
    under && inside && count == 2' "$ROOT/README.md" > example.sh
[ -s example.sh ] || fail "the README has no example under Rules"
PATH="$BUILD/bin:$PATH" sh -eu example.sh > output
[ "$(cat output)" = '{"fahrenheit":95}' ] || fail "the README's example gives $(cat output)"

gives 0 '{"device":"7","who":"pi-7","cert":"9f86"}' --topic farm/7 --clientid pi-7 --principal 9f86 \
    "SELECT topic(2) AS device, clientid() AS who, principal() AS cert FROM 'farm/+'"
gives 0 '{"image":"/9g="}' "SELECT encode(*, 'base64') AS image FROM '#'" --topic cam --payload image.jpg
gives 0 '{"fahrenheit": 95, "kind": "air"}' "SELECT * FROM '#'" --topic a --payload /dev/stdin < message.json
gives 0 '{"different":true}' "SELECT newuuid() <> newuuid() AS different FROM '#'" --topic a
gives 1 "no match: the topic does not match 'farm/#'" "SELECT * FROM 'farm/#'" --topic cam --payload message.json
gives 1 'no match: WHERE is false' "SELECT * FROM '#' WHERE fahrenheit > 95" --topic a --payload message.json
gives 1 'no match: the payload is not JSON: it is malformed at byte 1 of 2' "SELECT * FROM '#'" --topic a --payload image.jpg
gives 1 'no match: the payload is empty, and the rule needs JSON' "SELECT * FROM '#'" --topic a
gives 2 'sluice sql: 1:21: expected a Topic Filter in quotes' 'SELECT celsius FROM farm' --topic farm
gives 2 "'farm/+' is no Topic Name" "SELECT * FROM 'farm/#'" --topic farm/+
gives 2 'sluice sql: nothing.json: No such file or directory' "SELECT * FROM '#'" --topic a --payload nothing.json
gives 2 'usage: sluice sql RULE --topic TOPIC' "SELECT * FROM '#'"

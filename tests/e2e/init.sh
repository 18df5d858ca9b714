#!/bin/sh
# Each template of `sluice init` is a project that runs as it is, and what is there already stays.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub make cc curl python3
SLUICE=$BUILD/bin/sluice
PROJECTS=$DIR/projects

# begin TEMPLATE: makes the project and does what it is told to do first.
begin() {
    "$SLUICE" init "$1" "$PROJECTS/$1" > "$DIR/init.log" 2>&1 || fail "sluice init $1"
    if grep -q ': make$' "$DIR/init.log"; then
        make -C "$PROJECTS/$1" > "$DIR/make.log" 2>&1 || fail "make"
    fi
}

# runs TEMPLATE: its function answers from the command line, and under a gateway.
runs() {
    (cd "$PROJECTS/$1" && printf '{"n":1}' | "$SLUICE" invoke hello --event -) > "$DIR/out" 2> "$DIR/invoke.log" ||
        fail "sluice invoke in $1"
    tr -d ' ' < "$DIR/out" > "$DIR/answer"
    expect_lines "$DIR/answer" '{"hello":{"n":1}}'
    (cd "$PROJECTS/$1" && "$SLUICE" check) > "$DIR/check.log" 2>&1 || fail "sluice check in $1"
    expect_lines "$DIR/check.log" 'serverless.yml is good: 1 functions'
    sed -i 's/:1883/:0/' "$PROJECTS/$1/serverless.yml"
    start_gateway --config "$PROJECTS/$1/serverless.yml"
    subscribe out $(plain) -q 1 -t 'out/#'
    publish $(plain) -q 1 -t in/shed -m '{"n":2}'
    wait_until grep -Eq 'out/shed 1 0 \{"hello": ?\{"n": ?2, ?"name": ?"shed"\}\}' "$DIR/out.log"
    stop_gateway
}

begin native-c
runs native-c
begin shell
runs shell

begin node
CLIENT=$ROOT/tests/e2e/runtime
if [ -f "$CLIENT/node_modules/.installed" ] && (need_node "$CLIENT") > /dev/null; then
    need_node "$CLIENT"
    PATH=${NODE%/*}:$PATH
    cp -r "$CLIENT/node_modules" "$PROJECTS/node/node_modules"
    runs node
fi
begin python
cp -r "$ROOT/tests/e2e/runtime/python/awslambdaric" "$PROJECTS/python" # stands in for what `pip install` brings
runs python

# Nothing is replaced, and nothing is written beside it.
mkdir "$DIR/mine"
echo 'mine: true' > "$DIR/mine/serverless.yml"
"$SLUICE" init shell "$DIR/mine" > "$DIR/init.log" 2>&1 && fail "it replaces what is there"
grep -q "$DIR/mine/serverless.yml is there already; nothing was written" "$DIR/init.log" || fail "it is not said what is there"
expect_lines "$DIR/mine/serverless.yml" 'mine: true'
[ "$(ls -A "$DIR/mine")" = serverless.yml ] || fail "something was written: $(ls -A "$DIR/mine")"
"$SLUICE" init cobol "$DIR/cobol" > "$DIR/init.log" 2>&1 && fail "there is a template for all"
grep -q "there is no template 'cobol'" "$DIR/init.log" || fail "it is not said that there is none"
grep -q 'native-c' "$DIR/init.log" || fail "it is not said which there are"
[ ! -e "$DIR/cobol" ] || fail "a folder was made for it"

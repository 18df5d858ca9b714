# What the tests of versions share: a project in $PROJECT, and a gateway whose configuration is $DIR/serverless.yml.
SLUICE=$BUILD/bin/sluice
PROJECT=$DIR/project
mkdir "$PROJECT"

# compile NAME VERSION: puts that version of the function in the project.
compile() {
    cc -D_GNU_SOURCE -DVERSION="$2" -shared -fPIC -I "$ROOT/handlers/include" -o "$PROJECT/new.so" \
        "$ROOT/tests/e2e/functions/versioned.c" || fail "cc"
    mv "$PROJECT/new.so" "$PROJECT/$1.so"
}

# deploys STATUS TEXT: what a deploy ends with and says.
deploys() {
    got=0
    "$SLUICE" deploy "$PROJECT" --config "$DIR/serverless.yml" > "$DIR/deploy.log" 2>&1 || got=$?
    [ "$got" = "$1" ] || fail "sluice deploy ended with $got"
    grep -q "$2" "$DIR/deploy.log" || fail "it does not say: $2"
}

# rolls_back STATUS TEXT ARGUMENTS...
rolls_back() {
    wanted=$1 text=$2 got=0
    shift 2
    "$SLUICE" rollback "$@" --config "$DIR/serverless.yml" > "$DIR/rollback.log" 2>&1 || got=$?
    [ "$got" = "$wanted" ] || fail "sluice rollback $* ended with $got"
    grep -q "$text" "$DIR/rollback.log" || fail "it does not say: $text"
}

#!/bin/sh
# What `sluice deploy` takes for code: not the gateway's own files, not what functions write; and functions reach it.
. "$ROOT/tests/e2e/lib.sh"
. "$ROOT/tests/e2e/deploy_lib.sh"
need cc

# The gateway's configuration and keys lie in the project. No key has a name that says so.
mkdir -p "$PROJECT/state" "$PROJECT/lib"
for name in uplink iot token; do
    echo "$name" > "$PROJECT/$name.pem"
done
echo key > "$PROJECT/lib/other.key"
echo secret > "$DIR/credentials"
chmod 600 "$PROJECT"/*.pem "$PROJECT/lib/other.key" "$DIR/credentials"
ln -s "$DIR/credentials" "$PROJECT/state/planted"
ln -s "$PROJECT/lib/../state/planted" "$PROJECT/linked"
compile one 1
cat > "$PROJECT/serverless.yml" << END
provider: {runtime: native}
functions: {one: {handler: one.so}}
END
cat > "$PROJECT/gw.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  data: ../data
  iotCredentials: {endpoint: "127.0.0.1:1", roleAlias: a, thingName: b, certificate: iot.pem, key: iot.pem, ca: iot.pem}
  tokens: [{issuer: a, audience: b, algorithm: RS256, key: token.pem}]
provider: {runtime: native}
functions:
  one: {handler: one.so, files: {write: [state]}}
  greenhouse:
    runtime: uplink
    uplink: {url: "mqtts://127.0.0.1:1", topic: out, clientId: a, ca: uplink.pem, certificate: uplink.pem, key: uplink.pem}
    events: [{iot: {sql: "SELECT * FROM 'in'"}}]
END
deploy() {
    (umask 077 && "$SLUICE" deploy "$PROJECT" --config "$PROJECT/gw.yml") > "$DIR/deploy.log" 2>&1
}
deploy || fail "sluice deploy fails"
(cd "$DIR"/data/functions/code/* && find . ! -type d | sort) > "$DIR/files"
expect_lines "$DIR/files" ./one.so

# A function's own user passes through, whatever the umask.
for folder in functions functions/code; do
    [ "$(stat -c %a "$DIR/data/$folder")" = 711 ] || fail "functions cannot reach $folder"
done
! grep 'without its privileges' "$DIR/deploy.log" || fail "it runs as root"

# What a function may write is no folder for code.
sed -i 's/write: \[state\]/write: [..]/' "$PROJECT/gw.yml"
deploy && fail "a folder that a function writes is deployed"
grep -q 'function one: its folder .*project.* may be written by a function' "$DIR/deploy.log" || fail "it does not say why"

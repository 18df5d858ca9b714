#!/bin/sh
# The workers of functions that are elsewhere are confined too: they have a user of their own, no privileges but, where
# their key is somebody else's, to read it, and still reach what they have to. A replaced key is read after a reload.
export TMPDIR=/var/tmp
. "$ROOT/tests/e2e/lib.sh"
need mosquitto mosquitto_pub python3
[ "$(id -u)" = 0 ] || skip "only root gives workers users of their own"
cp -R "$BUILD/libexec/sluice" "$DIR/workers"
mv "$DIR/workers/launch" "$DIR/workers/launch.real"
cat > "$DIR/workers/launch" << END
#!/bin/sh
echo "\$*" >> "$DIR/launched"
exec "$DIR/workers/launch.real" "\$@"
END
chmod 755 "$DIR/workers/launch"
export SLUICE_WORKERS="$DIR/workers"
unset AWS_SHARED_CREDENTIALS_FILE AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE SSL_CERT_FILE
mkdir -p "$DIR/home/.aws"
printf '[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n' > "$DIR/home/.aws/credentials"
chmod 600 "$DIR/home/.aws/credentials"
chmod 700 "$DIR/home"

make_pki gateway-1 gateway-2
SITE=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$DIR/mosquitto.conf" << END
listener $SITE 127.0.0.1
cafile $DIR/pki/ca.crt
certfile $DIR/pki/gateway.crt
keyfile $DIR/pki/gateway.key
require_certificate true
use_identity_as_username true
user root
END
mosquitto -v -c "$DIR/mosquitto.conf" > "$DIR/mosquitto.log" 2>&1 &
SITE_PID=$!
started "$SITE_PID"
wait_for "Opening ipv4 listen socket on port $SITE\\." "$DIR/mosquitto.log" "$SITE_PID"

mkdir "$DIR/mine"
cp "$DIR/pki/gateway-1.crt" "$DIR/mine/site.crt"
cp "$DIR/pki/gateway-1.key" "$DIR/mine/site.key"
chmod 644 "$DIR/mine/site.key" # the one that takes its place is not for everybody
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["in/#"]}]
functions:
  keyed:
    uplink: {url: "mqtts://localhost:$SITE", clientId: keyed, ca: pki/ca.crt, certificate: mine/site.crt, key: mine/site.key}
    events: [{iot: {sql: "SELECT * FROM 'in/keyed'"}}]
  open:
    uplink: {url: "mqtt://127.0.0.1:1", clientId: open}
    events: [{iot: {sql: "SELECT * FROM 'in/open'"}}]
  far:
    lambda: archive
    endpoint: http://127.0.0.1:1
    environment: {HOME: $DIR/home}
    events: [{iot: {sql: "SELECT * FROM 'in/far'"}}]
  wide:
    lambda: archive
    endpoint: http://127.0.0.1:1
    environment:
      HOME: $DIR/home
      AWS_SHARED_CREDENTIALS_FILE: $DIR/home/credentials
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: /etc/sluice-token
    events: [{iot: {sql: "SELECT * FROM 'in/wide'"}}]
END
start_gateway
! grep -q 'less confined' "$DIR/gateway.log" || skip "$(grep 'less confined' "$DIR/gateway.log")"
publish $(plain) -q 1 -t in/far -m '{}'
# Without its credentials it would not have come that far.
wait_for 'far: .*is not reached: Lambda.Unreachable' "$DIR/gateway.log" "$GATEWAY"
wait_for 'as keyed (p5, c1, k60, u.gateway-1.)' "$DIR/mosquitto.log" "$SITE_PID"

# Of a folder that has much else it gets the file.
publish $(plain) -q 1 -t in/wide -m '{}'
wait_for '--read /etc/sluice-token ' "$DIR/launched" "$GATEWAY"
! grep -E -- "--read (/etc|$DIR/home|$DIR) " "$DIR/launched" || fail "a worker may read more than its files"

# worker_of USER: its process.
worker_of() {
    for child in $(cat "/proc/$GATEWAY/task/$GATEWAY/children"); do
        ! grep -q "^Uid:	$1	$1	$1	$1\$" "/proc/$child/status" || echo "$child"
    done
}

# is_confined USER CAPABILITIES: the functions have users in their order, and 4 is to read what is others'.
is_confined() {
    worker=$(worker_of "$1")
    [ -n "$worker" ] || fail "no worker has the user $1"
    for row in "Gid:	$1	$1	$1	$1" "CapPrm:	$2" "CapEff:	$2" 'NoNewPrivs:	1' 'Seccomp:	2'; do
        grep -q "^$row\$" "/proc/$worker/status" || fail "user $1 has no '$row': $(cat "/proc/$worker/status")"
    done
}
is_confined 2000000000 0000000000000004
is_confined 2000000001 0000000000000000
is_confined 2000000002 0000000000000004

# The file has another place on the disk now: the old worker may not read that.
before=$(worker_of 2000000000)
for kind in crt key; do
    cp "$DIR/pki/gateway-2.$kind" "$DIR/mine/new"
    chmod 600 "$DIR/mine/new"
    mv "$DIR/mine/new" "$DIR/mine/site.$kind"
done
"$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "$(cat "$DIR/reload.log")"
wait_for 'as keyed (p5, c1, k60, u.gateway-2.)' "$DIR/mosquitto.log" "$SITE_PID"
others=$(worker_of 2000000001)
"$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "$(cat "$DIR/reload.log")"
[ "$(worker_of 2000000001)" = "$others" ] || fail "a worker whose files are the same has ended"
[ "$(worker_of 2000000000)" != "$before" ] || fail "it is still the old worker"
publish $(plain) -q 1 -t in/keyed -m '{"n":1}'
wait_for 'Received PUBLISH from keyed .*in/keyed' "$DIR/mosquitto.log" "$SITE_PID"
stop_gateway

#!/bin/sh
# The agent's private key is in another process, which signs for it; a signer that cannot is named, and nothing starts.
. "$ROOT/tests/e2e/lib.sh"
need openssl

make_pki d1 d2
configure_clients
start_gateway

# agent NAME KEY-LINE...: one sample to the gateway, with these lines in [gateway]; STATUS is how that ended.
agent() {
    name=$1
    shift
    {
        echo "[gateway]"
        printf '%s\n' "host = localhost" "port = $MQTTS" "ca = $DIR/pki/ca.crt" "certificate = $DIR/pki/d1.crt" \
            "client_id = d1" "topic = t/d1" "$@"
    } > "$DIR/$name.conf"
    STATUS=0
    "$BUILD/bin/sluice-agent" --config "$DIR/$name.conf" --once --stats "$DIR/$name.json" 2> "$DIR/$name.log" || STATUS=$?
}

# refused STATUS NAME SENTENCE KEY-LINE...: 1 is worth another start, 2 is for who writes the configuration.
refused() {
    wanted=$1 name=$2 sentence=$3
    shift 3
    agent "$name" "$@"
    [ "$STATUS" = "$wanted" ] || fail "$name: the status is $STATUS"
    grep -q -- "$sentence" "$DIR/$name.log" || fail "$name: $(cat "$DIR/$name.log")"
}

sign="openssl pkeyutl -sign -inkey $DIR/pki"
agent signs "signer = $sign/d1.key"
[ "$STATUS" = 0 ] || fail "the status is $STATUS"
grep -q '"samples_acknowledged":1' "$DIR/signs.json" || fail "not acknowledged: $(cat "$DIR/signs.json")"

refused 2 other "signer: the signer's key does not belong to the certificate" "signer = $sign/d2.key"
refused 1 fails "signer: the signer gave no signature" "signer = $sign/d1.key; exit 1"
refused 1 silent "signer: the signer gave no signature" "signer = true"
refused 1 long "signer: the signer gave no signature" "signer = head -c 73 /dev/zero"
refused 1 absent "cannot read $DIR/later.key: No such file" "key = $DIR/later.key"
refused 2 both "there are key and signer; allowed is one of them" "signer = true" "key = $DIR/pki/d1.key"
refused 2 neither "key is missing: set it in \[gateway\] or by --key"

# With README's drop-in the service is right for systemd, and its command starts with the configuration of a signer.
dropin=$DIR/units/sluice-agent.service.d/signer.conf
mkdir -p "${dropin%/*}"
agent_folder=$ROOT/device-sdk/agent
sed "s|/usr/bin/sluice-agent|$BUILD/bin/sluice-agent|" "$agent_folder/sluice-agent.service" > "$DIR/units/sluice-agent.service"
sed -n '/^## As a service/,$ { /^```ini/,/^```$/ { /^```/d; p } }' "$agent_folder/README.md" |
    sed "s|/usr/bin/sluice-agent|$BUILD/bin/sluice-agent|; s|/etc/sluice/agent.conf|$DIR/signs.conf|" > "$dropin"
if command -v systemd-analyze > /dev/null; then
    SYSTEMD_UNIT_PATH=$DIR/units: systemd-analyze verify sluice-agent.service || fail "systemd refuses the drop-in"
fi
command=$(sed -n 's/^ExecStart=\(..*\)/\1/p' "$dropin")
[ -n "$command" ] || fail "the drop-in has no command"
# shellcheck disable=SC2086
$command --once --stats "$DIR/service.json" || fail "as the service starts it, its status is $?"
grep -q '"samples_acknowledged":1' "$DIR/service.json" || fail "not acknowledged: $(cat "$DIR/service.json")"
stop_gateway

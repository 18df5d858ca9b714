#!/bin/sh
# Rules, certificates and revocations are taken up while the gateway runs, all of them or none, and nobody who stays
# allowed notices.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub openssl prlimit

# configuration ANONYMOUS RULES...: the other rule lines are always there.
configuration() {
    anonymous=$1
    shift
    cat > "$DIR/serverless.yml" << END_OF_FILE
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [$anonymous]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/clients.crt, crl: pki/ca.crl}
  access:
    - {who: "device:*", publish: ["t/#"], subscribe: ["t/#"]}
    - {who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}
END_OF_FILE
    [ $# = 0 ] || printf '%s\n' "$@" >> "$DIR/serverless.yml"
}

reload() {
    "$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1
}

reloaded() {
    reload || fail "not reloaded: $(cat "$DIR/reload.log")"
}

# keeps SENTENCE: the reload fails with it, both in the command's words and in the log, and the old rules stay.
keeps() {
    : > "$DIR/before"
    grep -c "$1" "$DIR/gateway.log" > "$DIR/before" || true
    if reload; then
        fail "reloaded in spite of '$1'"
    fi
    grep -q "$1" "$DIR/reload.log" || fail "not '$1': $(cat "$DIR/reload.log")"
    [ "$(grep -c "ERROR reload: .*$1" "$DIR/gateway.log")" -gt "$(cat "$DIR/before")" ] ||
        fail "the log does not say '$1'"
    publish $(as one) -q 1 -t t/kept -m kept
}

refused() {
    if mosquitto_pub -q 1 -t t/a -m forbidden "$@" > "$DIR/publish.log" 2>&1; then
        fail "let in: $*"
    fi
}

pki() {
    "$BUILD/bin/sluice" pki "$@" > "$DIR/pki.log" 2>&1 || fail "pki $*: $(cat "$DIR/pki.log")"
}

# gone NAME PID: the server has ended that subscriber's connection with 0x87 (135); and it ends by itself.
gone() {
    wait_for 'Received DISCONNECT (135)' "$DIR/$1.log" "$2"
    wait "$2" || true
}

# 20 reloads while 4,000 messages pass, each of them once and in order, on one and the same connection.
allowed_connections_keep_flowing() {
    subscribe flow $(as one) -i one -q 1 -t t/flow
    flow=$SUBSCRIBER
    mkfifo "$DIR/lines"
    mosquitto_pub $(as two) -i two -d -q 1 -t t/flow -l < "$DIR/lines" > "$DIR/pump.log" 2>&1 &
    pump=$!
    started "$pump"
    exec 3> "$DIR/lines"
    for round in $(seq 20); do
        seq $((200 * round - 199)) $((200 * round)) >&3
        reloaded
    done
    exec 3>&-
    wait "$pump" || fail "the publisher ended with status $?"
    expect flow "$flow" 't/flow 1 0 4000'
    got flow | cut -d ' ' -f 5 > "$DIR/flowed"
    seq 4000 | cmp - "$DIR/flowed" || fail "4,000 messages did not arrive once each and in order"
    for name in flow pump; do
        [ "$(grep -c 'sending CONNECT' "$DIR/$name.log")" = 1 ] || fail "$name was disconnected"
    done
    kill "$flow"
    wait "$flow" || true
}

# tls_client VERSION ARGUMENTS...: openssl's, with the victim's certificate.
tls_client() {
    version=$1
    shift
    openssl s_client -connect "localhost:$MQTTS" -CAfile "$DIR/pki/ca.crt" -cert "$DIR/pki/victim.crt" \
        -key "$DIR/pki/victim.key" "-$version" "$@" 2>&1 || true
}

# get_session VERSION: into $DIR/VERSION.session. With TLS 1.3 it comes after the handshake, so the client stays until
# it has it.
get_session() {
    rm -f "$DIR/$1.session"
    until [ -s "$DIR/$1.session" ]; do
        check_gateway
        sleep 0.1
    done | tls_client "$1" -sess_out "$DIR/$1.session" > /dev/null
}

# resumes VERSION: whether the gateway goes on with the session.
resumes() {
    tls_client "$1" -sess_in "$DIR/$1.session" < /dev/null > "$DIR/resumed"
    grep -q '^Reused, TLSv1' "$DIR/resumed"
}

a_revoked_device_is_gone_at_once() {
    subscribe victim $(as victim) -i victim -V mqttv5 -q 1 -t t/victim
    victim=$SUBSCRIBER
    subscribe bystander $(as one) -i one -V mqttv5 -q 1 -t t/bystander
    bystander=$SUBSCRIBER
    for version in tls1_2 tls1_3; do
        get_session "$version"
        resumes "$version" || fail "the $version session cannot be resumed: $(cat "$DIR/resumed")"
    done
    cp "$DIR/pki/victim.crt" "$DIR/victim.crt"
    cp "$DIR/pki/victim.key" "$DIR/victim.key"
    pki revoke "$DIR/pki" victim --reason keyCompromise
    reloaded
    mv "$DIR/victim.crt" "$DIR/victim.key" "$DIR/pki"
    gone victim "$victim"
    refused $(as victim) -i victim
    for version in tls1_2 tls1_3; do
        ! resumes "$version" || fail "a revoked device has resumed its $version session"
    done
    publish $(as two) -q 1 -t t/bystander -m there
    expect bystander "$bystander" 't/bystander 1 0 there'
    [ "$(grep -c 'sending CONNECT' "$DIR/bystander.log")" = 1 ] || fail "the bystander was disconnected"
    kill "$bystander"
}

# A renewed device is the same to the gateway, with the old certificate and with the new one.
a_renewed_device_stays() {
    cp "$DIR/pki/two.crt" "$DIR/pki/old.crt"
    cp "$DIR/pki/two.key" "$DIR/pki/old.key"
    pki renew "$DIR/pki" two
    reloaded
    publish $(as two) -q 1 -t t/a -m new
    publish $(as old) -q 1 -t t/a -m old
    pki renew "$DIR/pki" two --revoke-old
    reloaded
    publish $(as two) -q 1 -t t/a -m new
    refused $(as old)
}

served() {
    openssl s_client -connect "localhost:$MQTTS" < /dev/null 2> /dev/null | openssl x509 -noout -serial
}

the_gateways_own_certificate_is_renewed() {
    before=$(served)
    pki renew "$DIR/pki" gateway
    reloaded
    [ "$(served)" = "$(openssl x509 -in "$DIR/pki/gateway.crt" -noout -serial)" ] || fail "it serves the old one"
    [ "$(served)" != "$before" ] || fail "it was not renewed"
    publish $(as one) -q 1 -t t/a -m after
}

# Both have five days, less the moments since.
what_runs_out_soon_is_said() {
    pki renew "$DIR/pki" gateway --days 5
    pki renew "$DIR/pki" --days 5
    reloaded
    wait_for 'WARNING .*/gateway.crt runs out in [45] days; then no Client' "$DIR/gateway.log" "$GATEWAY"
    wait_for 'WARNING .*/ca.crl runs out in [45] days; then no client certificate' "$DIR/gateway.log" "$GATEWAY"
    pki renew "$DIR/pki" gateway
    reloaded
    [ "$(grep -c 'runs out' "$DIR/gateway.log")" = 2 ] || fail "it is still said"
}

rules_are_withdrawn() {
    subscribe secret $(as one) -i one -V mqttv5 -q 1 -t t/secret -t t/other
    secret=$SUBSCRIBER
    sed -i 's/who: "device:\*", publish: \["t\/#"\], subscribe: \["t\/#"\]/who: "device:*", publish: ["t\/#"], subscribe: ["t\/other"]/' \
        "$DIR/serverless.yml"
    reloaded
    publish $(plain) -q 1 -t t/secret -m secret
    publish $(plain) -q 1 -t t/other -m open
    expect secret "$secret" 't/other 1 0 open'
    got secret > "$DIR/told"
    expect_lines "$DIR/told" 'got t/other 1 0 open'
    kill "$secret"
    configuration mqtt
    reloaded
}

what_is_wrong_leaves_everything_as_it_was() {
    cp "$DIR/serverless.yml" "$DIR/good.yml"
    for file in ca.crl gateway.crt clients.crt; do
        cp "$DIR/pki/$file" "$DIR/copy"
        : > "$DIR/pki/$file"
        keeps "pki/$file is not a PEM file"
        sed 's/^[A-Za-z0-9]/!/' "$DIR/copy" > "$DIR/pki/$file"
        keeps "pki/$file holds a "
        rm "$DIR/pki/$file"
        keeps "pki/$file cannot be read: No such file or directory"
        mkdir "$DIR/pki/$file"
        keeps "pki/$file cannot be read: Is a directory"
        rmdir "$DIR/pki/$file"
        mv "$DIR/copy" "$DIR/pki/$file"
    done
    reloaded
}

# The command checks the configuration itself, and bothers nobody with one that has errors. A signal does reach the
# gateway.
a_bad_configuration_is_refused() {
    cp "$DIR/serverless.yml" "$DIR/good.yml"
    echo '  nonsense: 1' >> "$DIR/serverless.yml"
    status=0
    reload || status=$?
    [ "$status" = 2 ] || fail "status $status: $(cat "$DIR/reload.log")"
    grep -q 'there is no gateway.nonsense' "$DIR/reload.log" || fail "not named: $(cat "$DIR/reload.log")"
    grep -q 'nonsense' "$DIR/gateway.log" && fail "the gateway was asked"
    kill -HUP "$GATEWAY"
    wait_for 'ERROR reload: .*there is no gateway.nonsense' "$DIR/gateway.log" "$GATEWAY"
    wait_for 'ERROR reload: nothing was changed' "$DIR/gateway.log" "$GATEWAY"
    publish $(as one) -q 1 -t t/a -m kept
    mv "$DIR/good.yml" "$DIR/serverless.yml"
    reloaded
}

# Also with no descriptor left to open a file with.
without_descriptors_the_old_rules_stay() {
    free=0
    while [ -L "/proc/$GATEWAY/fd/$free" ]; do
        free=$((free + 1))
    done
    prlimit --pid "$GATEWAY" --nofile="$free:"
    reload && fail "reloaded without descriptors"
    grep -q 'cannot be read: Too many open files' "$DIR/reload.log" || fail "not said: $(cat "$DIR/reload.log")"
    prlimit --pid "$GATEWAY" --nofile="$(ulimit -Hn):"
    publish $(as one) -q 1 -t t/a -m kept
    reloaded
}

what_needs_a_restart_is_named() {
    configuration mqtt '  limits: {packetBytes: 4096, queueSize: 7}'
    sed -i 's/mqtt: "127.0.0.1:0"/mqtt: "127.0.0.1:1"/' "$DIR/serverless.yml"
    reloaded
    grep -qx 'warning: gateway.listen.mqtt, gateway.limits.packetBytes, gateway.limits.queueSize changed, and need a restart' \
        "$DIR/reload.log" || fail "not named: $(cat "$DIR/reload.log")"
    configuration mqtt
    reloaded
    grep -q 'restart' "$DIR/reload.log" && fail "nothing has changed: $(cat "$DIR/reload.log")"
    :
}

anonymous_access_is_withdrawn() {
    subscribe nobody $(plain) -i nobody -V mqttv5 -q 1 -t t/a
    nobody=$SUBSCRIBER
    configuration ''
    reloaded
    gone nobody "$nobody"
    refused $(plain)
    publish $(as one) -q 1 -t t/a -m kept
    configuration mqtt
    reloaded
    publish $(plain) -q 1 -t t/a -m back
}

nobody_to_ask_is_said() {
    status=0
    reload || status=$?
    [ "$status" = 1 ] || fail "status $status"
    grep -q 'data is the data folder of no running gateway' "$DIR/reload.log" || fail "not said: $(cat "$DIR/reload.log")"
}

make_pki one two victim
cp "$DIR/pki/ca.crt" "$DIR/pki/clients.crt" # so that the clients keep theirs when the gateway's is damaged
configuration mqtt
nobody_to_ask_is_said
start_gateway
allowed_connections_keep_flowing
a_revoked_device_is_gone_at_once
a_renewed_device_stays
the_gateways_own_certificate_is_renewed
what_runs_out_soon_is_said
rules_are_withdrawn
what_is_wrong_leaves_everything_as_it_was
a_bad_configuration_is_refused
without_descriptors_the_old_rules_stay
what_needs_a_restart_is_named
anonymous_access_is_withdrawn
stop_gateway
nobody_to_ask_is_said

#!/bin/sh
# A TLS session outlives kill -9 of the gateway; its client's revocation does too.
. "$ROOT/tests/e2e/lib.sh"
need openssl

make_pki d1
cp "$DIR/pki/d1.crt" "$DIR/pki/d1.key" "$DIR/"
configure_clients
sed -i 's|clientCa: pki/ca.crt|clientCa: pki/ca.crt, crl: pki/ca.crl|' "$DIR/serverless.yml"
start_gateway
mkfifo "$DIR/input"

# visit VERSION OPTIONS...: an OpenSSL client that stays until it has said $SAYS, and kept its session in $KEEPS.
visit() {
    version=$1
    shift
    openssl s_client -connect "127.0.0.1:$MQTTS" -CAfile "$DIR/pki/ca.crt" -verify_return_error "-$version" \
        -cert "$DIR/d1.crt" -key "$DIR/d1.key" "$@" < "$DIR/input" > "$DIR/visit.log" 2>&1 &
    visitor=$!
    exec 3> "$DIR/input"
    wait_until told
    exec 3>&-
    wait "$visitor" || true
}

told() {
    grep -qE "$SAYS" "$DIR/visit.log" && { [ -z "$KEEPS" ] || [ -s "$KEEPS" ]; }
}

# kept VERSION, then again VERSION: the session of a first visit, and a visit with it.
kept() {
    KEEPS=$DIR/$1.session
    visit "$1" -sess_out "$KEEPS"
    KEEPS=
    grep -q '^New, ' "$DIR/visit.log" || fail "$1: the first visit is no full handshake"
}

again() {
    visit "$1" -sess_in "$DIR/$1.session"
}

SAYS='^(New|Reused), '
for version in tls1_2 tls1_3; do
    kept "$version"
done
kill_gateway
start_gateway
[ "$(stat -c %a "$DIR/data/mqtts.sessions")" = 600 ] || fail "others may read the sessions"
for version in tls1_2 tls1_3; do
    again "$version"
    grep -q '^Reused, ' "$DIR/visit.log" || fail "$version: not resumed after kill -9"
done

"$BUILD/bin/sluice" pki revoke "$DIR/pki" d1 > /dev/null
kill_gateway
start_gateway
SAYS=error: # mbedTLS seals its last alert of TLS 1.3 with the key before
for version in tls1_2 tls1_3; do
    again "$version"
    grep -q '^Reused, ' "$DIR/visit.log" && fail "$version: a revoked certificate resumed"
done
stop_gateway

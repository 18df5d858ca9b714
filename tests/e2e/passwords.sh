#!/bin/sh
# Users and passwords, tokens, certificates, when they run out, and what a reload makes of them.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub openssl python3

make_pki d1 d2
sluice() {
    "$BUILD/bin/sluice" "$@"
}

# set_password NAME PASSWORD
set_password() {
    printf '%s\n' "$2" | sluice passwd "$DIR/passwords" "$1" --iterations 4096
}

# token SUBJECT SECONDS [ISSUER]: one of the issuer with the key $DIR/issuer.key.
token() {
    python3 "$ROOT/tests/e2e/make_token.py" ES256 "$DIR/issuer.key" "{\"iss\":\"${3:-https://login.example}\",
        \"aud\":[\"other\",\"greenhouse\"],\"sub\":\"$1\",\"exp\":$(($(date +%s) + $2))}"
}

set_password ann 'right one'
set_password bob secret
openssl ecparam -name prime256v1 -genkey -noout -out "$DIR/issuer.key" 2> /dev/null
openssl ec -in "$DIR/issuer.key" -pubout -out "$DIR/issuer.pem" 2> /dev/null
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt, crl: pki/ca.crl}
  passwords: passwords
  tokens:
    - {issuer: "https://login.example", audience: greenhouse, algorithm: ES256, key: issuer.pem}
  limits: {tokenClockSkew: 0}
  access:
    - {who: "user:*", publish: ["user/%u"], subscribe: ["#"]}
    - {who: "token:*", subscribe: ["user/#"]}
    - {who: "device:*", publish: ["device/%u"], subscribe: ["device/%u"], clientIds: ["%u:*"]}
END

# issue_for SECONDS: the device "short", whose certificate runs out then.
issue_for() {
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\ndefault_md=sha256\nrand_serial=yes\npolicy=p\n' \
        "$DIR/index" "$DIR" > "$DIR/ca.cnf"
    printf '[p]\ncommonName=supplied\n' >> "$DIR/ca.cnf"
    : > "$DIR/index"
    {
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=short \
            -keyout "$DIR/pki/short.key" -out "$DIR/short.csr"
        openssl ca -config "$DIR/ca.cnf" -batch -notext -in "$DIR/short.csr" -out "$DIR/pki/short.crt" \
            -cert "$DIR/pki/ca.crt" -keyfile "$DIR/pki/ca.key" -startdate 20200101000000Z \
            -enddate "$(date -u -d "@$(($(date +%s) + $1))" +%Y%m%d%H%M%SZ)"
    } > "$DIR/issue.log" 2>&1 || fail "$(cat "$DIR/issue.log")"
}
start_gateway --verbose

# let_in ARGUMENTS...: a Client that may subscribe to user/x.
let_in() {
    subscribe guest -t user/x "$@"
    kill "$SUBSCRIBER"
    wait "$SUBSCRIBER" || true
}

# refused WORDS ARGUMENTS...: what mosquitto says of the CONNACK.
refused() {
    words=$1
    shift
    if mosquitto_sub -t user/x -W 10 -E "$@" > "$DIR/refused.log" 2>&1; then
        fail "let in: $*"
    fi
    grep -qi "$words" "$DIR/refused.log" || fail "not '$words': $*: $(cat "$DIR/refused.log")"
}

the_password_file_is_its_owners() {
    [ "$(stat -c %a "$DIR/passwords")" = 600 ] || fail "its mode is $(stat -c %a "$DIR/passwords")"
    ! grep -q 'right one\|secret' "$DIR/passwords" || fail "it has the passwords themselves"
    if printf 'x\n' | sluice passwd "$DIR/passwords" 'a:b' 2> "$DIR/passwd.log"; then
        fail "a name with a colon is taken"
    fi
    if printf '\n' | sluice passwd "$DIR/passwords" ann 2> "$DIR/passwd.log"; then
        fail "an empty password is taken"
    fi
    if sluice passwd "$DIR/passwords" nobody --delete 2> "$DIR/passwd.log"; then
        fail "a user that is not there is deleted"
    fi
    if printf 'x\n' | sluice passwd "$DIR/serverless.yml" ann 2> "$DIR/passwd.log"; then
        fail "another kind of file is overwritten"
    fi
}

# A gateway that reads it by its group, or as another user, still can; and nobody else any more.
a_changed_file_keeps_owner_and_mode() {
    [ "$(id -u)" != 0 ] || chown 1:1 "$DIR/passwords"
    chmod 640 "$DIR/passwords"
    before=$(stat -c '%a %u %g' "$DIR/passwords")
    chmod o+rw "$DIR/passwords"
    set_password bob secret
    [ "$(stat -c '%a %u %g' "$DIR/passwords")" = "$before" ] || fail "was $before: $(stat -c '%a %u %g' "$DIR/passwords")"
    [ "$(id -u)" != 0 ] || chown 0:0 "$DIR/passwords"
    chmod 600 "$DIR/passwords"
}

# Each of several at once finds what the others have written.
no_change_is_lost() {
    for number in $(seq 8); do
        set_password "many$number" secret &
        makers="${makers:-} $!"
    done
    wait $makers
    [ "$(grep -c '^many' "$DIR/passwords")" = 8 ] || fail "users are lost: $(cut -d : -f 1 "$DIR/passwords")"
}

# It is asked for twice, is not shown, and Ctrl-C leaves the terminal as it was.
a_terminal_is_asked_without_echo() {
    python3 "$ROOT/tests/e2e/passwd_terminal.py" "$BUILD/bin/sluice" "$DIR/passwords" > "$DIR/terminal.log" 2>&1 ||
        fail "$(cat "$DIR/terminal.log")"
}

a_password_lets_its_user_in() {
    for version in mqttv311 mqttv5; do
        for where in "$(plain)" "-h localhost -p $MQTTS --cafile $DIR/pki/ca.crt"; do
            let_in $where -V "$version" -u ann -P 'right one'
            let_in $where -V "$version" -u ann -P 'right one' # remembered
            refused 'not auth\|bad user' $where -V "$version" -u ann -P 'right'
            refused 'not auth\|bad user' $where -V "$version" -u nobody -P 'right one'
            refused 'not auth\|bad user' $where -V "$version" -u ann # HOSTILE 19
            refused 'not auth' $where -V "$version"
        done
    done
}

a_user_may_what_its_rules_say() {
    subscribe bob $(plain) -u bob -P secret -q 1 -t 'user/#'
    bob=$SUBSCRIBER
    publish $(plain) -u ann -P 'right one' -q 1 -t user/ann -m hello
    mosquitto_pub $(plain) -V mqttv5 -u ann -P 'right one' -q 1 -t user/bob -m forbidden > "$DIR/publish.log" 2>&1 || true
    grep -q 'Not authorized' "$DIR/publish.log" || fail "not refused: $(cat "$DIR/publish.log")"
    expect bob "$bob" 'user/ann 1 0 hello'
}

# Neither another user's nor that of a token with the same name.
a_session_is_its_users() {
    let_in $(plain) -V mqttv5 -x 600 -c -i desk -u ann -P 'right one'
    refused 'not auth' $(plain) -V mqttv5 -i desk -u bob -P secret
    refused 'not auth' $(plain) -V mqttv5 -i desk -u guest -P "$(token ann 60)"
    mosquitto_sub $(plain) -d -V mqttv5 -x 600 -c -i desk -u ann -P 'right one' -t user/x -E > "$DIR/desk.log" 2>&1 ||
        fail "$(cat "$DIR/desk.log")"
}

a_token_lets_its_subject_in_until_it_expires() {
    let_in $(plain) -V mqttv5 -u dashboard -P "$(token wall 60)"
    let_in $(plain) -V mqttv311 -u dashboard -P "$(token wall 60)"
    refused 'bad user' $(plain) -V mqttv5 -u dashboard -P "$(token wall -1)"
    refused 'bad user' $(plain) -V mqttv5 -u dashboard -P "$(token wall 60 https://evil.example)"
    refused 'bad user' $(plain) -V mqttv5 -u ann -P "$(token wall 60)" # the password file goes first
    for why in 'the token has expired' "the token's issuer (iss) is not the configured one" 'the password is wrong'; do
        wait_for "^DEBUG a Client is refused: $why\$" "$DIR/gateway.log" "$GATEWAY"
    done
    subscribe short $(plain) -V mqttv5 -u dashboard -P "$(token wall 3)" -t user/x
    wait_for 'Received DISCONNECT (135)' "$DIR/short.log" "$SUBSCRIBER"
}

# HOSTILE 40; a certificate is enough, whatever the User Name says.
a_device_has_its_own_client_identifiers() {
    publish $(as d1) -i d1 -u label -q 1 -t device/d1 -m x
    publish $(as d1) -i d1:2 -q 1 -t device/d1 -m x
    refused 'not valid\|rejected' $(as d1) -i d2 -V mqttv5
    refused 'not valid\|rejected' $(as d1) -i d2:2 -V mqttv311
}

# SCRAM-SHA-256 by Python's own hashing, also again while connected.
scram_needs_no_password_on_the_wire() {
    python3 "$ROOT/tests/e2e/scram_client.py" "$MQTT" ann 'right one' || fail "SCRAM with the right password"
    if python3 "$ROOT/tests/e2e/scram_client.py" "$MQTT" ann wrong > "$DIR/scram.log" 2>&1; then
        fail "SCRAM with a wrong password"
    fi
    grep -q 'refused: 0x87' "$DIR/scram.log" || fail "$(cat "$DIR/scram.log")"
    if python3 "$ROOT/tests/e2e/scram_client.py" "$MQTT" nobody wrong > "$DIR/scram.log" 2>&1; then
        fail "SCRAM of a user that does not exist"
    fi
    grep -q 'refused: 0x87' "$DIR/scram.log" || fail "$(cat "$DIR/scram.log")"
}

# Also after a restart: salts do not tell who there is.
nobody_has_always_the_same_salt() {
    : > "$DIR/salts"
    for round in 1 2; do
        for name in eve mallory ann; do
            python3 "$ROOT/tests/e2e/scram_client.py" "$MQTT" "$name" x 2>> "$DIR/scram.log" | sort -u >> "$DIR/salts" || true
        done
        [ "$round" = 1 ] || break
        cp "$DIR/salts" "$DIR/before"
        stop_gateway
        start_gateway --verbose
    done
    [ "$(wc -l < "$DIR/before")" = 3 ] && [ "$(sort -u "$DIR/salts" | wc -l)" = 3 ] || fail "$(cat "$DIR/salts")"
}

# A user with a new password, one that is gone, and one who stays.
a_reload_takes_passwords_away() {
    subscribe ann $(plain) -V mqttv5 -u ann -P 'right one' -q 1 -t user/x
    ann=$SUBSCRIBER
    set_password carol third
    sluice reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "$(cat "$DIR/reload.log")"
    subscribe carol $(plain) -V mqttv5 -u carol -P third -t user/x -t user/carol
    carol=$SUBSCRIBER
    set_password ann changed
    sluice passwd "$DIR/passwords" bob --delete
    cp "$DIR/passwords" "$DIR/good"
    echo damaged >> "$DIR/passwords"
    if sluice reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1; then
        fail "a damaged file was taken up"
    fi
    grep -q 'passwords:[0-9]*: the name is none' "$DIR/reload.log" || fail "$(cat "$DIR/reload.log")"
    let_in $(plain) -u bob -P secret # the old ones stay in force
    cp "$DIR/good" "$DIR/passwords"
    sluice reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "$(cat "$DIR/reload.log")"
    wait_for 'Received DISCONNECT (135)' "$DIR/ann.log" "$ann"
    refused 'bad user' $(plain) -V mqttv5 -u ann -P 'right one'
    refused 'bad user' $(plain) -V mqttv5 -u bob -P secret
    let_in $(plain) -u ann -P changed
    publish $(plain) -u carol -P third -q 1 -t user/carol -m still
    expect carol "$carol" 'user/carol 0 0 still'
    [ "$(grep -c 'sending CONNECT' "$DIR/carol.log")" = 1 ] || fail "carol was disconnected"
}

# A new user and a revoked device: neither is so while another file is wrong.
a_reload_takes_up_all_or_nothing() {
    cp "$DIR/pki/d2.crt" "$DIR/pki/d2.key" "$DIR"
    set_password dora fourth
    sluice pki revoke "$DIR/pki" d2 > /dev/null
    cp "$DIR/d2.crt" "$DIR/d2.key" "$DIR/pki"
    for broken in pki/ca.crl issuer.pem passwords; do
        cp "$DIR/$broken" "$DIR/good"
        echo damaged > "$DIR/$broken"
        if sluice reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1; then
            fail "a damaged $broken was taken up"
        fi
        cp "$DIR/good" "$DIR/$broken"
        refused 'bad user' $(plain) -V mqttv5 -u dora -P fourth
        publish $(as d2) -i d2 -q 1 -t device/d2 -m x
    done
    sluice reload --config "$DIR/serverless.yml" > "$DIR/reload.log" 2>&1 || fail "$(cat "$DIR/reload.log")"
    let_in $(plain) -u dora -P fourth
    if mosquitto_pub $(as d2) -i d2 -q 1 -t device/d2 -m x > "$DIR/publish.log" 2>&1; then
        fail "a revoked device is let in"
    fi
}

the_log_has_no_secrets() {
    ! grep -q 'right one\|secret\|third\|fourth\|eyJ' "$DIR/gateway.log" || fail "$(grep 'secret\|eyJ' "$DIR/gateway.log")"
}

a_device_is_let_in_while_its_certificate_is_good() {
    issue_for 30
    subscribe short_device $(as short) -i short -V mqttv5 -t device/short
    short=$SUBSCRIBER
}

# It is looked for once a minute.
a_certificate_that_runs_out_ends_its_connection() {
    wait_for 'Received DISCONNECT (135)' "$DIR/short_device.log" "$short"
}

nobody_has_always_the_same_salt
a_device_is_let_in_while_its_certificate_is_good
the_password_file_is_its_owners
a_changed_file_keeps_owner_and_mode
no_change_is_lost
a_terminal_is_asked_without_echo
a_password_lets_its_user_in
a_user_may_what_its_rules_say
a_session_is_its_users
a_token_lets_its_subject_in_until_it_expires
a_device_has_its_own_client_identifiers
scram_needs_no_password_on_the_wire
a_reload_takes_passwords_away
a_reload_takes_up_all_or_nothing
the_log_has_no_secrets
a_certificate_that_runs_out_ends_its_connection
stop_gateway

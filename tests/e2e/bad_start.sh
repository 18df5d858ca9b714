#!/bin/sh
# What keeps a gateway from starting is said in one sentence; it ends with status 1, and nothing is left running.
. "$ROOT/tests/e2e/lib.sh"
need openssl

make_pki
"$BUILD/bin/sluice" pki issue "$DIR/pki" other --server > /dev/null
: > "$DIR/file"

# configuration KEY=VALUE...: the one that works, with these lines instead.
configuration() {
    data=data mqtt=127.0.0.1:0 certificate=pki/gateway.crt key=pki/gateway.key ca=pki/ca.crt handler=$BUILD/tests/faulty.so
    for line in "$@"; do
        eval "${line%%=*}=\${line#*=}"
    done
    cat > "$DIR/serverless.yml" << END
gateway:
  data: $data
  listen: {mqtt: "$mqtt", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: $certificate, key: $key, clientCa: $ca}
functions:
  echo: {handler: $handler, runtime: native, events: [{iot: {sql: "SELECT * FROM 'in/#'"}}]}
END
}

# says SENTENCE KEY=VALUE...: the only error, with that configuration, is this.
says() {
    sentence=$1
    shift
    configuration "$@"
    status=0
    (cd "$DIR" && "$BUILD/bin/sluice" run) > "$DIR/output" 2> "$DIR/start.log" || status=$?
    [ "$status" = 1 ] || fail "'$sentence' ended with status $status"
    grep '^ERROR ' "$DIR/start.log" > "$DIR/errors" || true
    expect_lines "$DIR/errors" "ERROR $sentence"
    [ ! -s "$DIR/output" ] || fail "there is output: $(cat "$DIR/output")"
}

bad_certificates_are_named() {
    says 'mqtts cannot listen: pki/missing.crt cannot be read: No such file or directory' certificate=pki/missing.crt
    says 'mqtts cannot listen: file is not a PEM file' certificate=file
    says 'mqtts cannot listen: pki/missing.key cannot be read: No such file or directory' key=pki/missing.key
    says 'mqtts cannot listen: pki cannot be read: Is a directory' key=pki
    says 'mqtts cannot listen: pki/other.key is not the key of the certificate in pki/gateway.crt' key=pki/other.key
    says 'mqtts cannot listen: pki/missing.crt cannot be read: No such file or directory' ca=pki/missing.crt
    openssl ec -aes128 -passout pass:secret -in "$DIR/pki/gateway.key" -out "$DIR/pki/secret.key" 2> /dev/null
    chmod 600 "$DIR/pki/secret.key"
    says 'mqtts cannot listen: pki/secret.key is protected by a password, and there is nobody to ask for it' \
        key=pki/secret.key
    [ ! -e "$DIR/data" ] || fail "the data folder was made"
}

bad_addresses_are_named() {
    says 'listen mqtt: 192.0.2.1:1883 is not an address of this machine' mqtt=192.0.2.1:1883
    configuration
    start_gateway
    says "listen mqtt: 127.0.0.1:$MQTT is in use by another program" "mqtt=127.0.0.1:$MQTT" data=data2
    [ ! -e "$DIR/data2" ] || fail "the data folder was made"
    says 'the data folder data is in use by another gateway'
    stop_gateway
}

bad_data_folders_are_named() {
    says 'the data folder file cannot be written: Not a directory' data=file
    says 'the data folder file/data cannot be made: Not a directory' data=file/data
    says 'the data folder /proc/sluice cannot be made: No such file or directory' data=/proc/sluice
}

missing_programs_are_named() {
    mkdir "$DIR/workers"
    export SLUICE_WORKERS="$DIR/workers"
    cp "$BUILD/libexec/sluice/native" "$DIR/workers"
    says "functions cannot be confined: the launcher $DIR/workers/launch cannot be run: No such file or directory"
    rm "$DIR/workers/native"
    cp "$BUILD/libexec/sluice/launch" "$DIR/workers"
    says "function echo: the worker $DIR/workers/native cannot be started: No such file or directory"
    unset SLUICE_WORKERS
    says 'function echo cannot be served: its handler missing.so cannot be read: No such file or directory' \
        handler=missing.so
}

bad_certificates_are_named
bad_addresses_are_named
bad_data_folders_are_named
missing_programs_are_named

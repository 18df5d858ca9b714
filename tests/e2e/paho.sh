#!/bin/sh
# Eclipse Paho MQTT C over mutual TLS, in both versions: see paho_test.c.
. "$ROOT/tests/e2e/lib.sh"
[ -x "$BUILD/tests/paho_test" ] || skip "the Eclipse Paho MQTT C library is not installed"

make_pki one two
"$BUILD/bin/sluice" pki init "$DIR/other" > /dev/null
"$BUILD/bin/sluice" pki issue "$DIR/other" stranger > /dev/null
cp "$DIR/other/stranger.crt" "$DIR/other/stranger.key" "$DIR/pki"
cp "$DIR/other/ca.crt" "$DIR/pki/other-ca.crt"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtts: "127.0.0.1:0"}
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:*", publish: ["farm/%c/#"], subscribe: ["farm/one/#", "farm/two/#"]}
END
start_gateway
MQTTS=$MQTTS PKI=$DIR/pki "$BUILD/tests/paho_test"
stop_gateway

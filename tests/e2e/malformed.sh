#!/bin/sh
# What is no MQTT, or wrong in it: see malformed_test.c.
. "$ROOT/tests/e2e/lib.sh"

cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["#"], subscribe: ["#"]}]
END
start_gateway
MQTT=$MQTT "$BUILD/tests/malformed_test"
stop_gateway

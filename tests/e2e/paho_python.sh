#!/bin/sh
# Python's paho-mqtt over mutual TLS, in both versions: see paho_python_test.py.
. "$ROOT/tests/e2e/lib.sh"
need_paho

make_pki one two
configure_clients
start_gateway
PORT=$MQTTS PKI=$DIR/pki "$PYTHON" -B "$ROOT/tests/e2e/paho_python_test.py" > "$DIR/python.log" 2>&1 ||
    fail "the Python client's tests"
stop_gateway

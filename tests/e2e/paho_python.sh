#!/bin/sh
# Python's paho-mqtt over mutual TLS, in both versions: see paho_python_test.py.
. "$ROOT/tests/e2e/lib.sh"

# Debian's package is for Debian's Python; another one may come first.
PYTHON=
for python in python3 /usr/bin/python3; do
    "$python" -c 'import paho.mqtt.client' 2> /dev/null && PYTHON=$python && break
done
[ -n "$PYTHON" ] || skip "paho-mqtt is not installed"

make_pki one two
configure_clients
start_gateway
PORT=$MQTTS PKI=$DIR/pki "$PYTHON" -B "$ROOT/tests/e2e/paho_python_test.py" > "$DIR/python.log" 2>&1 ||
    fail "the Python client's tests"
stop_gateway

#!/bin/sh
# A dashboard in a real browser: its page's origin may connect, and no other; it decodes telemetry frames.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub
CLIENT=$ROOT/tests/e2e/mqttjs
need_node "$CLIENT"
BROWSER=$(command -v chromium || command -v google-chrome) || skip "there is no Chromium"

"$NODE" "$CLIENT/page.js" > "$DIR/page.log" 2>&1 &
started $!
wait_for '^serving' "$DIR/page.log" $!
PAGE=$(sed -n 's/^serving //p' "$DIR/page.log")

make_pki
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", https: "127.0.0.1:0"}
  anonymous: [mqtt, https]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  websocket: {origins: ["http://localhost:$PAGE"]}
  access: [{who: anonymous, publish: ["t/#"], subscribe: ["t/#"]}]
END
start_gateway

# browse HOST: the text of the page from there, when it is done. Whether certificates are good is not asked here.
browse() {
    "$BROWSER" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --ignore-certificate-errors \
        --user-data-dir="$DIR/browser" --dump-dom "http://$1:$PAGE/?$HTTPS" > "$DIR/dom.log" 2> "$DIR/browser.log" ||
        fail "the browser ended with status $?"
}

subscribe tcp $(plain) -q 1 -t 't/#'
browse localhost
grep -q 'result: t/browser Netscape' "$DIR/dom.log" || fail "the page did not get its message"
expect tcp "$SUBSCRIBER" 't/browser 1 0 Netscape'
grep -Eq 'frames: ([1-9][0-9]+) of \1<' "$DIR/dom.log" ||
    fail "frame.mjs does not decode the shared frames: $(grep 'frames:' "$DIR/dom.log")"
browse 127.0.0.1
grep -q 'result: refused' "$DIR/dom.log" || fail "a page of another origin connected"
stop_gateway

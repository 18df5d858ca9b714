#!/bin/sh
# The gateway's own figures on $SYS: for whoever may read them, from nobody else, and nowhere on the disk.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub

make_pki keeper stranger
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  sys: {interval: 0.2}
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt}
  access:
    - {who: "device:keeper", publish: ["t/#"], subscribe: ["t/#", "\$SYS/#"]}
    - {who: "device:stranger", publish: ["#"], subscribe: ["#"]}
    - {who: anonymous, publish: ["\$SYS/#", "t/#"], subscribe: ["t/#"]}
END
start_gateway

# What is retained greets a subscriber; what changes reaches it later.
figures_are_retained_and_kept_up() {
    subscribe figures $(as keeper) -i keeper -q 2 -t '$SYS/broker/#'
    figures=$SUBSCRIBER
    expect figures "$figures" '$SYS/broker/version 0 1 sluice version [0-9.]*'
    expect figures "$figures" '$SYS/broker/uptime 0 [01] [0-9]* seconds'
    expect figures "$figures" '$SYS/broker/clients/connected 0 0 1'
    expect figures "$figures" '$SYS/broker/subscriptions/count 0 0 1'
    publish $(plain) -q 1 -r -t t/kept -m four
    expect figures "$figures" '$SYS/broker/retained messages/count 0 0 1'
    expect figures "$figures" '$SYS/broker/publish/messages/received 0 0 1'
    expect figures "$figures" '$SYS/broker/publish/bytes/received 0 0 4'
    expect figures "$figures" '$SYS/broker/load/publish/received/1min 0 0 [0-9.]*'
}

# `#` is not a way to them, and a rule has to name them.
they_are_read_by_rule_only() {
    mosquitto_sub $(plain) -V mqttv5 -d -t '$SYS/#' -E > "$DIR/denied.log" 2>&1 || true
    grep -q 'denied' "$DIR/denied.log" || fail "a subscription without a right was granted: $(cat "$DIR/denied.log")"
    subscribe everything $(as stranger) -i stranger -q 1 -t '#'
    publish $(plain) -q 1 -t t/last -m last
    expect everything "$SUBSCRIBER" 't/last 1 0 last'
    ! grep -q 'SYS' "$DIR/everything.log" || fail "# matched \$SYS"
}

nobody_else_publishes_there() {
    mosquitto_pub $(plain) -V mqttv5 -d -q 1 -t '$SYS/broker/version' -m forged > "$DIR/forged.log" 2>&1 || true
    grep -q 'RC:144' "$DIR/forged.log" || fail "a client may publish to \$SYS: $(cat "$DIR/forged.log")"
}

nothing_of_them_is_stored() {
    ! grep -qrF 'broker/clients/' "$DIR/data" || fail "\$SYS is on the disk"
}

they_are_off_at_interval_0() {
    sed -i 's/interval: 0.2/interval: 0/' "$DIR/serverless.yml"
    start_gateway
    subscribe off $(as keeper) -i keeper -q 1 -t '$SYS/#' -t t/last
    publish $(plain) -q 1 -t t/last -m last
    expect off "$SUBSCRIBER" 't/last 1 0 last'
    ! grep -q 'got .SYS' "$DIR/off.log" || fail "\$SYS is published though it is off"
}

figures_are_retained_and_kept_up
they_are_read_by_rule_only
nobody_else_publishes_there
nothing_of_them_is_stored
stop_gateway
nothing_of_them_is_stored
they_are_off_at_interval_0
stop_gateway

#!/bin/sh
# A bad configuration: every error at once, each with its place and what is allowed; status 2; nothing is started
# or written.
. "$ROOT/tests/e2e/lib.sh"
cd "$DIR"

# Reads the configuration from standard input; `run` refuses it with just these lines, and `check` does too.
refuses() {
    cat > bad.yml
    for command in run check; do
        status=0
        "$BUILD/bin/sluice" "$command" --config bad.yml > output 2> errors || status=$?
        [ "$status" = 2 ] || fail "$command ended with status $status"
        expect_lines errors "$@"
        [ ! -s output ] || fail "there is output: $(cat output)"
    done
    [ ! -e data ] || fail "the data folder was made"
}

every_error_is_told_at_once() {
    refuses \
        'bad.yml:2:1: there is no gatway; did you mean gateway?' \
        "bad.yml:5:18: gateway.listen.mqtt is '127.0.0.1:99999'; allowed: HOST:PORT, [IPv6]:PORT or PORT" \
        'bad.yml:5:44: mqtts needs gateway.tls.certificate and gateway.tls.key' \
        'bad.yml:5:44: nobody can use the listener mqtts; allowed: gateway.tls.clientCa, gateway.passwords, gateway.tokens, or mqtts in gateway.anonymous' \
        "bad.yml:6:21: gateway.anonymous is 'mqqt'; allowed: a list of mqtt, mqtts, https and http" \
        'bad.yml:9:7: gateway.access[].who is missing; it is the Clients: `device:`, `user:` or `token:` and a name, in which `*` is any text; or `anonymous`' \
        "bad.yml:9:18: gateway.access[].publish is 'a/#/b'; allowed: a list of Topic Filters" \
        "bad.yml:10:13: gateway.access[].who is 'someone'; allowed: device:PATTERN, user:PATTERN, token:PATTERN or anonymous" \
        "bad.yml:11:25: gateway.limits.connections is '0'; allowed: a whole number from 1 to 1000000 connections" \
        "bad.yml:11:41: gateway.limits.packetBytes is 'many'; allowed: a whole number from 128 to 268435460 bytes" \
        "bad.yml:13:3: bad name is no function's name; allowed: 1 to 64 letters, digits, - and _" \
        'bad.yml:17:3: functions.alert: the runtime java21 is not served by this version; allowed: native, provided.al2023, provided.al2, nodejs20.x, python3.11 and others of these, `lambda:` with the name of a function in AWS, or `uplink:` with another MQTT Server' \
        "bad.yml:19:14: functions.NAME.timeout is '901'; allowed: a number from 0.001 to 900 s" \
        "bad.yml:20:28: the variable \${self:custom.none} has no value here; allowed: self, opt:stage, sls:stage, env, param, file or aws with something that is there, or a default, as in \${env:NAME, 'text'}" \
        'bad.yml:21:12: functions.NAME.reply is no topic template; a `${` has no closing `}`' \
        "bad.yml:23:20: SQL 1:38: expected a value: a path, 'text', a number, true, false, null, CASE, a function, \`(\`, \`[\` or \`{\`, found the end" \
        "bad.yml:24:20: SQL 1:15: 'a/#/b' is no Topic Filter; \`+\` is a whole level, \`#\` the whole last one" \
        'bad.yml:24:45: there is no functions.NAME.events[].iot.batchsize; did you mean batchSize?' \
        'bad.yml:25:9: functions.alert: maximumBatchingWindow, maximumBatchingBytes and functionResponseType need a batchSize' \
        "bad.yml:26:19: functions.NAME.events[].schedule.rate: rate is '1 minutes'; allowed: a whole number above 0 and second(s), minute(s), hour(s) or day(s), as in rate(1 minute) or rate(5 minutes), at most 366 days" \
        "bad.yml:27:3: functions.remote: destinations.onFailure is 'sqs'; allowed: dlq, none, a function's name or ARN, or {topic: TOPIC}" \
        'bad.yml:31:1: warning: plugins does not apply at the edge; it is ignored' << 'END'
service: greenhouse
gatway:
  data: data
gateway:
  listen: {mqtt: "127.0.0.1:99999", mqtts: "0.0.0.0:8883"}
  anonymous: [mqtt, mqqt]
  tls: {certificate: pki/gateway.crt}
  access:
    - {publish: ["a/#/b"]}
    - {who: someone, subscribe: ["a"]}
  limits: {connections: 0, packetBytes: many, keepAliveMax: 60}
functions:
  "bad name":
    runtime: native
    handler: x.so
    events: [{iot: {sql: "SELECT * FROM 'a'"}}]
  alert:
    runtime: java21
    timeout: 901
    environment: {A: x, B: "${self:custom.none}"}
    reply: "farm/${device/alerts"
    events:
      - iot: {sql: "SELECT * FROM 'a' WHERE temperature >"}
      - iot: {sql: "SELECT * FROM 'a/#/b'", batchsize: 10}
      - iot: {sql: "SELECT * FROM 'a'", maximumBatchingWindow: 5}
      - schedule: rate(1 minutes)
  remote:
    lambda: archive
    events: [{iot: {sql: "SELECT * FROM 'a'"}}]
    destinations: {onFailure: sqs}
plugins: [serverless-offline]
END
}

what_is_no_yaml_is_told_with_its_place() {
    refuses "bad.yml:2:2: this is no YAML: did not find expected ',' or ']'" << 'END'
a: [1
b: 2
END
    refuses 'bad.yml:3:1: there is a second document; allowed: one in a file' << 'END'
gateway: {anonymous: [mqtt]}
---
service: b
END
    nobody='nobody can use the listener mqtt: it asks for no certificate, there are no gateway.passwords and gateway.tokens, and gateway.anonymous does not name it'
    refuses "bad.yml: warning: $nobody" 'bad.yml:1:1: the file is no mapping; allowed: `name: value` lines' << 'END'
- a
END
    refuses 'bad.yml:1:1: the file is empty; allowed: a mapping, as in `functions: ...`' < /dev/null
}

a_file_that_is_not_there_is_named() {
    status=0
    "$BUILD/bin/sluice" run --config missing.yml 2> errors || status=$?
    [ "$status" = 2 ] || fail "run ended with status $status"
    expect_lines errors 'missing.yml: cannot be read: No such file or directory'
}

# What only means something in AWS is no error.
a_file_that_also_deploys_to_aws_is_good() {
    cat > good.yml << 'END'
service: both
frameworkVersion: "4"
provider: {name: aws, stage: dev, region: eu-west-1, iam: {role: x}}
gateway: {anonymous: [mqtt], access: [{who: anonymous, subscribe: ["#"]}]}
functions:
  archive:
    lambda: archive
    events: [{iot: {sql: "SELECT * FROM 'farm/#'", sqlVersion: "2016-03-23"}}]
END
    "$BUILD/bin/sluice" check --config good.yml > output 2> errors || fail "$(cat errors)"
    expect_lines output 'good.yml is good: 1 functions'
    expect_lines errors 'good.yml:2:1: warning: frameworkVersion does not apply at the edge; it is ignored' \
        'good.yml:3:54: warning: provider.iam does not apply at the edge; it is ignored'
}

every_error_is_told_at_once
what_is_no_yaml_is_told_with_its_place
a_file_that_is_not_there_is_named
a_file_that_also_deploys_to_aws_is_good

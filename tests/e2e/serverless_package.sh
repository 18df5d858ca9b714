#!/bin/sh
# One serverless.yml, with variables, iot and schedule events: Serverless Framework packages it for AWS, and the
# gateway runs it. Both make the same of its variables.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_pub mosquitto_sub faketime

FRAMEWORK=$ROOT/tests/e2e/serverless
need_node "$FRAMEWORK"

cp "$BUILD/tests/faulty.so" "$DIR"
echo 'telemetry: farm/+/telemetry' > "$DIR/topics.yml"
cat > "$DIR/serverless.yml" << 'END'
service: greenhouse
configValidationMode: warn
provider:
  name: aws
  runtime: provided.al2023
  region: eu-west-1
  stage: ${opt:stage, 'dev'}
custom:
  topics: ${file(topics.yml)}
  high: {dev: 30, prod: 40}
gateway:
  listen: {mqtt: "127.0.0.1:0"}
  anonymous: [mqtt]
  access: [{who: anonymous, publish: ["farm/#"], subscribe: ["farm/#"]}]
functions:
  alert:
    handler: faulty.so
    runtime: native
    events:
      - iot:
          name: hot
          description: what is too hot
          sqlVersion: "2016-03-23"
          sql: "SELECT *, topic(2) AS device FROM '${self:custom.topics.telemetry}' WHERE temperature > ${self:custom.high.${sls:stage}}"
      - sns: ${self:service}-${env:SLUICE_TEST_NOT_SET, 'news'}
    reply: farm/${self:service}/alerts
  report:
    handler: faulty.so
    runtime: native
    events:
      - schedule: rate(1 minute)
      - schedule:
          rate: [cron(0/1 * ? * MON-SUN *), rate(2 hours)]
          enabled: true
          input: {kind: long}
    reply: farm/report
END

# rules: what of the file is to AWS, one line each.
packaged_rules() {
    "$NODE" -e '
        const template = JSON.parse(require("fs").readFileSync(process.argv[1]));
        for (const { Type, Properties } of Object.values(template.Resources)) {
            if (Type === "AWS::IoT::TopicRule") console.log(Properties.TopicRulePayload.Sql);
            if (Type === "AWS::Events::Rule") console.log(Properties.ScheduleExpression, Properties.Targets[0].Input || "");
            if (Type === "AWS::SNS::Topic") console.log(Properties.TopicName);
        }' "$DIR/.serverless/cloudformation-template-update-stack.json"
}

the_framework_packages_it() {
    (cd "$DIR" && SLS_TELEMETRY_DISABLED=1 "$NODE" "$FRAMEWORK/node_modules/serverless/bin/serverless.js" package \
        --stage prod) > "$DIR/package.log" 2>&1 || fail "it cannot be packaged: $(cat "$DIR/package.log")"
    packaged_rules > "$DIR/rules"
    expect_lines "$DIR/rules" \
        'rate(1 minute) ' \
        'cron(0/1 * ? * MON-SUN *) {"kind":"long"}' \
        'rate(2 hours) {"kind":"long"}' \
        'greenhouse-news' \
        "SELECT *, topic(2) AS device FROM 'farm/+/telemetry' WHERE temperature > 40"
}

# Its clock is set to the last seconds of a minute: schedules have no seconds.
the_gateway_runs_it() {
    LD_PRELOAD=$(faketime -f +0 sh -c 'echo "$LD_PRELOAD"')
    FAKETIME=+$(((117 - $(date +%s) % 60) % 60)) FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=verify_asan_link_order=0
    export LD_PRELOAD FAKETIME FAKETIME_DONT_FAKE_MONOTONIC ASAN_OPTIONS
    start_gateway --stage prod
    unset LD_PRELOAD FAKETIME FAKETIME_DONT_FAKE_MONOTONIC ASAN_OPTIONS
    grep -q 'serverless.yml:25:9: warning: functions.NAME.events\[\].sns is an event that this version does not serve; it is ignored' \
        "$DIR/gateway.log" || fail "the event that is not served is not named"
    subscribe all $(plain) -q 1 -t 'prod/farm/#'
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":40}'
    publish $(plain) -q 1 -t prod/farm/shed/telemetry -m '{"temperature":41}'
    expect all "$SUBSCRIBER" 'prod/farm/greenhouse/alerts 1 0 {"temperature":41,"device":"shed"}'
    expect all "$SUBSCRIBER" 'prod/farm/report 1 0 {"kind":"long"}'
    expect all "$SUBSCRIBER" 'prod/farm/report 1 0 {"version":"0".*"Scheduled Event".*'
    stop_gateway
    [ "$(got all | grep -c 'alerts')" = 1 ] || fail "not what the rule selects: $(got all)"
}

the_framework_packages_it
the_gateway_runs_it

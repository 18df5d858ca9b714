/* AWS SAM's template.yaml as a configuration. */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct config *parse(const char *text, char **ret_problems)
{
    struct config *config = NULL;
    size_t bytes;
    FILE *out = open_memstream(ret_problems, &bytes);
    config_parse(span_from_string(text), "dir/template.yaml", NULL, out, &config);
    fclose(out);
    return config;
}

static const char greenhouse[] =
    "AWSTemplateFormatVersion: '2010-09-09'\n"
    "Transform: AWS::Serverless-2016-10-31\n"
    "Parameters:\n"
    "  Site: {Type: String, Default: farm}\n"
    "  Limit: {Type: Number, Default: 30}\n"
    "Globals:\n"
    "  Function:\n"
    "    Runtime: native\n"
    "    Timeout: 7\n"
    "    MemorySize: 64\n"
    "    Environment: {Variables: {A: global, B: !Ref Site}}\n"
    "Metadata:\n"
    "  gateway:\n"
    "    anonymous: [mqtt]\n"
    "    access: [{who: anonymous, publish: ['farm/#'], subscribe: ['farm/#']}]\n"
    "Resources:\n"
    "  Table: {Type: 'AWS::DynamoDB::Table'}\n"
    "  Alert:\n"
    "    Type: AWS::Serverless::Function\n"
    "    Metadata: {gateway: {reply: 'farm/${device}/alerts'}}\n"
    "    Properties:\n"
    "      CodeUri: handlers/\n"
    "      Handler: alert.so\n"
    "      Timeout: 5\n"
    "      ReservedConcurrentExecutions: 4\n"
    "      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}\n"
    "      EventInvokeConfig: {MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 60}\n"
    "      Environment: {Variables: {A: own, C: !Sub '${Site}-${AWS::Region}-${!x}', D: !GetAtt Table.Arn}}\n"
    "      Events:\n"
    "        Hot:\n"
    "          Type: IoTRule\n"
    "          Properties:\n"
    "            AwsIotSqlVersion: '2016-03-23'\n"
    "            Sql: !Sub \"SELECT *, topic(2) AS device FROM '${Site}/+/telemetry' WHERE t > ${Limit}\"\n"
    "        Daily: {Type: Schedule, Properties: {Schedule: rate(1 day), Input: '{\"a\": 1}', Enabled: "
    "true}}\n"
    "        Hourly: {Type: ScheduleV2, Properties: {ScheduleExpression: {'Fn::Sub': 'rate(1 hour)'}}}\n"
    "        Queue: {Type: SQS, Properties: {Queue: x}}\n";

static void a_template_is_a_configuration(void **state)
{
    (void)state;
    char *problems;
    struct config *config = parse(greenhouse, &problems);
    if (!config)
        fail_msg("%s", problems);
    assert_string_equal(
        problems,
        "dir/template.yaml:17:3: warning: Resources.Table is no AWS::Serverless::Function; it is "
        "ignored\n"
        "dir/template.yaml:37:23: warning: functions.NAME.events[].SQS is an event that this version "
        "does not serve; it is ignored\n");
    free(problems);
    assert_int_equal(config->function_count, 1);
    const struct config_function *alert = &config->functions[0];
    assert_string_equal(alert->name, "Alert");
    assert_string_equal(alert->handler, "dir/handlers/alert.so");
    assert_string_equal(alert->runtime, "native");
    assert_int_equal(alert->timeout_ms, 5000);
    assert_int_equal(alert->memory_mb, 64);
    assert_int_equal(alert->reserved_concurrency, 4);
    assert_int_equal(alert->provisioned_concurrency, 1);
    assert_int_equal(alert->maximum_retry_attempts, 1);
    assert_int_equal(alert->maximum_event_age_ms, 60000);
    assert_string_equal(alert->reply, "farm/${device}/alerts");
    assert_int_equal(alert->environment.count, 4);
    assert_string_equal(alert->environment.items[0], "A=own");
    assert_string_equal(alert->environment.items[1], "C=farm-us-east-1-${x}");
    assert_string_equal(alert->environment.items[2],
                        "D=arn:aws:lambda:us-east-1:000000000000:function:Table");
    assert_string_equal(alert->environment.items[3], "B=farm");
    assert_int_equal(alert->event_count, 3);
    assert_string_equal(alert->events[0].sql,
                        "SELECT *, topic(2) AS device FROM 'farm/+/telemetry' WHERE t > 30");
    assert_string_equal(alert->events[1].input, "{\"a\": 1}");
    assert_string_equal(alert->events[2].rates.items[0], "rate(1 hour)");
    config_free(config);
}

static void an_error_has_its_place_in_the_template(void **state)
{
    (void)state;
#define FUNCTION(properties)                                                                                 \
    "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: " properties "\n"
    static const struct {
        const char *text, *problem;
    } rows[] = {
        {FUNCTION("{Handler: x.so, Runtime: native, Timeout: 901}"),
         ":4:59: functions.NAME.timeout is '901'; allowed: a number from 0.001 to 900 s"},
        {FUNCTION("{Handler: x.so, Runtime: !Ref Missing}"),
         ":4:42: Missing has no value here; allowed: a parameter"},
        {FUNCTION("{Handler: x.so, Runtime: !Sub 'a${Missing}'}"), ":4:42: Missing has no value here"},
        {FUNCTION("{Handler: x.so, Runtime: !GetAtt F.Name}"), ":4:42: F.Name has no value here"},
        {FUNCTION("{Handler: x.so, Runtime: !Join [a, [b]]}"),
         ":4:42: Join is of no text; allowed: !Ref, !Sub"},
        {FUNCTION("{Handler: x.so, Runtime: !ImportValue a}"),
         ":4:42: ImportValue is not served; allowed: !Ref, !Sub"},
        {FUNCTION("{Handler: x.so, Runtime: native, Events: {A: {Properties: {}}}}"),
         ":4:62: this event has no Type"},
        {FUNCTION("{Handler: x.so, Runtime: native, Events: {A: {Type: IoTRule}}}"),
         ":4:62: functions.NAME.events[].iot.sql is missing"},
        {FUNCTION("{Handler: x.so, Runtime: native, Environment: {Variables: &a {A: *a}}}"),
         "this is too much"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *problems;
        struct config *config = parse(rows[i].text, &problems);
        if (config || !strstr(problems, rows[i].problem))
            fail_msg("%s: %s", rows[i].text, problems);
        free(problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_a_configuration),
        cmocka_unit_test(an_error_has_its_place_in_the_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

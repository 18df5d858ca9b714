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
    assert_string_equal(alert->task_root, "dir/handlers");
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

static const char intrinsics[] =
    "Parameters:\n"
    "  Stage: {Type: String, Default: prod}\n"
    "  Names: {Type: CommaDelimitedList, Default: 'a,b,c'}\n"
    "Mappings: {Sizes: {prod: {memory: 256, list: [x, y]}, dev: {memory: 64}}}\n"
    "Conditions:\n"
    "  IsProd: !Equals [!Ref Stage, prod]\n"
    "  IsDev: {'Fn::Not': [{Condition: IsProd}]}\n"
    "  Both: !And [!Condition IsProd, !Condition IsDev]\n"
    "  Any: !Or [!Condition IsProd, !Condition IsDev]\n"
    "Globals: {Function: {Runtime: provided.al2023, CodeUri: build, Timeout: 9, Environment: {Variables: {G: "
    "!Ref "
    "Stage}}}}\n"
    "Resources:\n"
    "  One:\n"
    "    Type: AWS::Serverless::Function\n"
    "    Condition: Any\n"
    "    Metadata: {BuildMethod: makefile}\n"
    "    Properties:\n"
    "      Handler: bootstrap\n"
    "      MemorySize: !FindInMap [Sizes, !Ref Stage, memory]\n"
    "      Policies: [AWSLambdaBasicExecutionRole]\n"
    "      Timeout: !If [IsProd, !Ref 'AWS::NoValue', 3]\n"
    "      Tracing: Active\n"
    "      Environment:\n"
    "        Variables:\n"
    "          JOINED: !Join ['-', [x, !Ref Stage, {Ref: 'AWS::Region'}]]\n"
    "          NAMES: !Join [';', !Ref Names]\n"
    "          SELECTED: !Select [1, !Split [',', 'u,v,w']]\n"
    "          MAPPED: !Select [1, !FindInMap [Sizes, prod, list]]\n"
    "          PROD: !If [Both, 'no', !If [IsProd, 'yes', 'no']]\n"
    "          NONE: !If [IsDev, x, !Ref AWS::NoValue]\n"
    "          SUB: !Sub ['${A}/${Stage}/${Two.Arn}', {A: !Ref Stage}]\n"
    "          ATT: !GetAtt [Two, Arn]\n"
    "          CLOUD: !ImportValue elsewhere\n"
    "          QUEUE: !GetAtt Queue.QueueUrl\n"
    "      Events:\n"
    "        Off: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), State: DISABLED}}\n"
    "        Api: {Type: Api, Properties: {Path: /a, Method: get}}\n"
    "        All: {Type: HttpApi}\n"
    "        Old: {Type: HttpApi, Properties: {Path: /b, Method: get, PayloadFormatVersion: '1.0'}}\n"
    "  Two: {Type: AWS::Serverless::Function, Condition: IsDev, Properties: {}}\n"
    "Metadata: {gateway: {listen: {http: 0}, anonymous: [http]}}\n";

static void intrinsics_and_conditions_are_applied(void **state)
{
    (void)state;
    static const char *const variables[] = {
        "JOINED=x-prod-us-east-1",
        "NAMES=a;b;c",
        "SELECTED=v",
        "MAPPED=y",
        "PROD=yes",
        "SUB=prod/prod/arn:aws:lambda:us-east-1:000000000000:function:Two",
        "ATT=arn:aws:lambda:us-east-1:000000000000:function:Two",
        "G=prod"};
    char *problems;
    struct config *config = parse(intrinsics, &problems);
    if (!config)
        fail_msg("%s", problems);
    assert_string_equal(
        problems, "dir/template.yaml:15:29: warning: Metadata.BuildMethod is for `sam build`, whose "
                  ".aws-sam/build/template.yaml can be run; here it is ignored\n"
                  "dir/template.yaml:17:7: warning: Resources.One has properties that do not apply at the "
                  "edge; they are "
                  "ignored: Policies, Tracing\n"
                  "dir/template.yaml:32:18: warning: ImportValue has no value here; it is left out\n"
                  "dir/template.yaml:33:18: warning: Queue.QueueUrl has no value here; it is left out\n");
    free(problems);
    assert_int_equal(config->function_count, 1);
    const struct config_function *one = &config->functions[0];
    assert_string_equal(one->task_root, "dir/build");
    assert_string_equal(one->handler, "bootstrap");
    assert_int_equal(one->memory_mb, 256);
    assert_int_equal(one->timeout_ms, 6000); /* its own is none, which Globals do not make up for */
    assert_int_equal(one->environment.count, sizeof variables / sizeof *variables);
    for (size_t i = 0; i < one->environment.count; i++)
        assert_string_equal(one->environment.items[i], variables[i]);
    assert_int_equal(one->event_count, 0);
    assert_int_equal(config->route_count, 3);
    assert_int_equal(config->routes[0].form, CONFIG_REST_API);
    assert_int_equal(config->routes[1].form, CONFIG_HTTP_API);
    assert_string_equal(config->routes[1].path, "$default");
    assert_int_equal(config->routes[2].form, CONFIG_HTTP_API_1);
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
        {FUNCTION("{Handler: x.so, Runtime: !ImportValue a}"),
         ":4:42: ImportValue is not served; allowed: !Ref, !Sub"},
        {FUNCTION("{Handler: x.so, Runtime: !Join [a, b]}"),
         ":4:42: this is no Join; allowed: a separator and a list of texts"},
        {FUNCTION("{Handler: x.so, Runtime: !Join [a]}"), ":4:42: this is no Join; allowed: a list of two"},
        {FUNCTION("{Handler: x.so, Runtime: !Select [2, [a, b]]}"),
         ":4:42: this is no Select; allowed: a number"},
        {FUNCTION("{Handler: x.so, Runtime: !Split ['', ab]}"), ":4:42: this is no Split"},
        {FUNCTION("{Handler: x.so, Runtime: !FindInMap [M, a, b]}"), ":4:42: b has no value here"},
        {FUNCTION("{Handler: x.so, Runtime: !If [Missing, a, b]}"),
         ":4:42: this is no If; allowed: the name of one of the template's Conditions"},
        {"Conditions: {A: !Not [!Condition A]}\n" FUNCTION("{Handler: x.so, Runtime: !If [A, a, b]}"),
         "this condition leads over too many others; allowed: 32"},
        {"Conditions: {A: yes}\n" FUNCTION("{Handler: x.so, Runtime: !If [A, a, b]}"),
         ":1:17: this is no condition; allowed: !Equals"},
        {FUNCTION("{CodeUri: {Bucket: a, Key: b}, Handler: x.so, Runtime: native}"),
         ":4:27: CodeUri is elsewhere; allowed: a folder beside this file"},
        {FUNCTION("{Handler: x.so, Runtime: !Join ['', [&a !Join ['', [\"0123456789abcdef\", x]], *a]]}"),
         "functions.F: the runtime 0123456789abcdefx0123456789abcdefx is not served"},
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
        cmocka_unit_test(intrinsics_and_conditions_are_applied),
        cmocka_unit_test(an_error_has_its_place_in_the_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

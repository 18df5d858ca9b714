/* Serverless Framework's variables: what a value becomes, and what is said where it has none. */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/config_variables_test.XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct config *parse(const char *text, const char *stage, char **ret_problems)
{
    struct config *config = NULL;
    char path[256];
    size_t bytes;
    snprintf(path, sizeof path, "%s/serverless.yml", folder);
    FILE *out = open_memstream(ret_problems, &bytes);
    config_parse(span_from_string(text), path, stage, out, &config);
    fclose(out);
    return config;
}

/* The tree that all rows are asked about; `%s` is the value of an environment variable, X. */
#define DOCUMENT                                                                                             \
    "service: farm\n"                                                                                        \
    "provider: {name: aws, stage: \"${opt:stage, 'test'}\", region: eu-west-1}\n"                            \
    "custom:\n"                                                                                              \
    "  name: shed\n"                                                                                         \
    "  number: 007\n"                                                                                        \
    "  chained: ${self:custom.name}-${self:custom.number}\n"                                                 \
    "  list: [zero, one, {two: second}]\n"                                                                   \
    "  test: {color: red}\n"                                                                                 \
    "  prod: {color: blue}\n"                                                                                \
    "  other: ${file(other.yml):nested}\n"                                                                   \
    "  a: ${self:custom.b}\n"                                                                                \
    "  b: ${self:custom.a}\n"                                                                                \
    "params:\n"                                                                                              \
    "  default: {size: small, only: everywhere}\n"                                                           \
    "  prod: {size: large}\n"                                                                                \
    "stages: {test: {params: {level: low}}}\n"                                                               \
    "functions:\n"                                                                                           \
    "  f:\n"                                                                                                 \
    "    lambda: a\n"                                                                                        \
    "    environment:\n"                                                                                     \
    "      X: %s\n"

static void a_value_is_what_its_variables_say(void **state)
{
    (void)state;
    setenv("VARIABLES_TEST", "from outside", 1);
    unsetenv("VARIABLES_TEST_NOT");
    static const struct {
        const char *value, *stage, *expected;
    } rows[] = {
        {"plain", NULL, "plain"},
        {"${self:custom.name}", NULL, "shed"},
        {"${self:service}", NULL, "farm"},
        {"in the ${self:custom.name}!", NULL, "in the shed!"},
        {"${self:custom.name}${self:custom.name}", NULL, "shedshed"},
        {"${self:custom.number}", NULL, "007"},
        {"${self:custom.chained}", NULL, "shed-007"},
        {"${self:custom.list.1}", NULL, "one"},
        {"${self:custom.list.2.two}", NULL, "second"},
        {"${self:provider.stage}", NULL, "test"},
        {"${self:provider.stage}", "prod", "prod"},
        {"${sls:stage}", NULL, "test"},
        {"${sls:stage}", "prod", "prod"},
        {"\"${opt:stage, 'dev'}\"", NULL, "dev"},
        {"\"${opt:stage, 'dev'}\"", "prod", "prod"},
        {"'${opt:stage, \"dev\"}'", NULL, "dev"},
        {"\"${opt:region, self:provider.region}\"", NULL, "eu-west-1"},
        {"\"${opt:region, ${self:provider.region}}\"", NULL, "eu-west-1"},
        {"\"${opt:a, opt:b, ${opt:c, ${opt:d, 'deep'}}}\"", NULL, "deep"},
        {"${self:custom.${sls:stage}.color}", NULL, "red"},
        {"${self:custom.${sls:stage}.color}", "prod", "blue"},
        {"\"${self:custom.${opt:stage, self:provider.stage}.color, 'none'}\"", "third", "none"},
        {"${env:VARIABLES_TEST}", NULL, "from outside"},
        {"\"${env:VARIABLES_TEST_NOT, 'default'}\"", NULL, "default"},
        {"\"${env:VARIABLES_TEST_NOT, ''}\"", NULL, ""},
        {"\"${env:VARIABLES_TEST_NOT, 12.5}\"", NULL, "12.5"},
        {"\"${env:VARIABLES_TEST_NOT, true}\"", NULL, "true"},
        {"\"${env:VARIABLES_TEST_NOT, 'a, b} c'}\"", NULL, "a, b} c"},
        {"\"${ssm:/farm/key, 'unknown'}\"", NULL, "unknown"},
        {"${file(other.yml):top}", NULL, "file"},
        {"${file(./other.yml):nested.deep.0}", NULL, "down"},
        {"${file(other.yml):back}", NULL, "shed"},
        {"${self:custom.other.deep.0}", NULL, "down"},
        {"${file(other.json):key}", NULL, "json"},
        {"${file(secret.txt)}", NULL, "as it is"},
        {"\"${file(${self:custom.number, 'x'}.yml):top}\"", NULL, "bond"},
        {"\"${file(other.yml):missing, 'default'}\"", NULL, "default"},
        {"${param:size}", NULL, "small"},
        {"${param:size}", "prod", "large"},
        {"${param:only}", "prod", "everywhere"},
        {"${param:level}", NULL, "low"},
        {"${aws:region}/${aws:accountId}", NULL, "eu-west-1/000000000000"},
        {"${AWS::Region}", NULL, "eu-west-1"},
        {"${name} and $ {self:x} and {}", NULL, "${name} and $ {self:x} and {}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2048], *problems;
        snprintf(text, sizeof text, DOCUMENT, rows[i].value);
        struct config *config = parse(text, rows[i].stage, &problems);
        if (!config)
            fail_msg("%s: %s", rows[i].value, problems);
        assert_string_equal(config->functions[0].environment.items[0] + 2, rows[i].expected);
        config_free(config);
        free(problems);
    }
}

static void a_variable_without_a_value_is_an_error_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *value, *problem;
    } rows[] = {
        {"${self:custom.missing}",
         ":21:10: the variable ${self:custom.missing} has no value here; allowed: self,"},
        {"text ${opt:stage} text", ":21:10: the variable ${opt:stage} has no value here"},
        {"${ssm:/farm/key}", "the variable ${ssm:/farm/key} has no value here"},
        {"${unknown:x}", "the variable ${unknown:x} has no value here"},
        {"${self:custom.list.7}", "has no value here"},
        {"${self:custom.name.more}", "has no value here"},
        {"${self:custom.a}", ":11:6: the variable ${self:custom.b} leads back to itself"},
        {"${self:functions.f.environment.X}", "leads back to itself"},
        {"${file(missing.yml):a}", "the variable ${file(missing.yml):a} names a file that cannot be read"},
        {"${file(handler.js):a}",
         "names a program, which the gateway does not run; allowed: YAML, JSON and text"},
        {"${file(bad.yml):a}", "/bad.yml:2:1: this is no YAML: "},
        {"\"a ${self:custom.list}\"", "is a list or a mapping; allowed within text: a single value"},
        {"\"${self:custom.name\"", "the variable ${self:custom.name has no closing `}`"},
        {"${self:custom.list}", "functions.NAME.environment is a list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[2048], *problems;
        snprintf(text, sizeof text, DOCUMENT, rows[i].value);
        struct config *config = parse(text, NULL, &problems);
        if (config || !strstr(problems, rows[i].problem))
            fail_msg("%s: %s", rows[i].value, problems);
        free(problems);
    }
}

static void a_stage_that_is_no_text_has_no_parameters(void **state)
{
    (void)state;
    char *problems;
    assert_null(parse("provider: {stage: [a]}\nparams: {default: {x: y}}\ngateway: {data: '${param:x}'}\n",
                      NULL, &problems));
    assert_non_null(strstr(problems, ":3:17: the variable ${param:x} has no value here"));
    free(problems);
}

/* Lists and mappings come in one piece, wherever one may stand. */
static void a_variable_may_be_a_list_or_a_mapping(void **state)
{
    (void)state;
    char *problems;
    struct config *config =
        parse("custom:\n"
              "  environment: {A: a, B: '${self:custom.b}'}\n"
              "  b: bee\n"
              "  rates: [rate(1 day), '${self:custom.cron}']\n"
              "  cron: cron(0 12 * * ? *)\n"
              "  input: {n: 1, s: '${self:custom.b}', l: '${self:custom.rates}'}\n"
              "provider: {environment: '${self:custom.environment}'}\n"
              "functions:\n"
              "  f: ${file(function.yml)}\n"
              "  g:\n"
              "    lambda: b\n"
              "    events:\n"
              "      - schedule: {rate: '${self:custom.rates}', input: '${self:custom.input}'}\n"
              "      - ${file(function.yml):events.0}\n",
              NULL, &problems);
    if (!config)
        fail_msg("%s", problems);
    free(problems);
    assert_string_equal(config->functions[0].lambda, "a");
    assert_string_equal(config->functions[0].environment.items[1], "B=bee");
    assert_string_equal(config->functions[0].events[0].sql, "SELECT * FROM 'farm/bee'");
    assert_string_equal(config->functions[1].events[0].rates.items[1], "cron(0 12 * * ? *)");
    assert_string_equal(config->functions[1].events[0].input,
                        "{\"n\":1,\"s\":\"bee\",\"l\":[\"rate(1 day)\",\"cron(0 12 * * ? *)\"]}");
    assert_string_equal(config->functions[1].events[1].sql, "SELECT * FROM 'farm/bee'");
    config_free(config);
}

/* What is only for AWS may name things that only AWS knows. */
static void variables_that_nobody_reads_need_no_value(void **state)
{
    (void)state;
    char *problems;
    struct config *config = parse("custom: {arn: '${ssm:/farm/arn}', self: '${self:custom.self}'}\n"
                                  "resources: {a: '${cf:stack.Output}'}\n"
                                  "provider: {iam: '${file(iam.js)}'}\n",
                                  NULL, &problems);
    if (!config)
        fail_msg("%s", problems);
    free(problems);
    config_free(config);
}

/* Each doubles the one before. */
static void text_does_not_grow_without_bound(void **state)
{
    (void)state;
    char text[4096] = "custom:\n  a0: 0123456789\n", *problems;
    for (int i = 1; i <= 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "  a%d: ${self:custom.a%d}${self:custom.a%d}\n", i, i - 1, i - 1);
    strcat(text, "gateway: {data: '${self:custom.a30}'}\n");
    assert_null(parse(text, NULL, &problems));
    assert_non_null(strstr(problems, "makes the text too large; allowed: 65536 bytes"));
    free(problems);
}

static void a_long_chain_of_variables_is_refused(void **state)
{
    (void)state;
    char text[16384] = "custom:\n  a0: end\n", *problems;
    for (int i = 1; i <= 200; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "  a%d: ${self:custom.a%d}\n", i, i - 1);
    strcat(text, "gateway: {data: '${self:custom.a200}'}\n");
    assert_null(parse(text, NULL, &problems));
    assert_non_null(strstr(problems, "leads over too many others; allowed: 64"));
    free(problems);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    write_file("other.yml", "top: file\nnested: {deep: [down]}\nback: ${self:custom.name}\n");
    write_file("other.json", "{\"key\": \"json\"}");
    write_file("007.yml", "top: bond\n");
    write_file("secret.txt", "as it is");
    write_file("bad.yml", "a: [\n");
    write_file("handler.js", "module.exports = {}");
    write_file("function.yml",
               "lambda: a\nevents: [{iot: {sql: \"SELECT * FROM 'farm/${self:custom.b}'\"}}]\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_what_its_variables_say),
        cmocka_unit_test(a_variable_without_a_value_is_an_error_at_its_place),
        cmocka_unit_test(a_stage_that_is_no_text_has_no_parameters),
        cmocka_unit_test(a_variable_may_be_a_list_or_a_mapping),
        cmocka_unit_test(variables_that_nobody_reads_need_no_value),
        cmocka_unit_test(text_does_not_grow_without_bound),
        cmocka_unit_test(a_long_chain_of_variables_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

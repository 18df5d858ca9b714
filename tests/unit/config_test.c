/* The configuration: what a serverless.yml comes to, and what is said about a bad one. */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Parses text under the name dir/serverless.yml; the problems are the caller's to free. */
static struct config *parse_stage(const char *text, const char *stage, char **ret_problems)
{
    struct config *config = NULL;
    size_t bytes;
    FILE *out = open_memstream(ret_problems, &bytes);
    enum sluice_error error = config_parse(span_from_string(text), "dir/serverless.yml", stage, out, &config);
    fclose(out);
    assert_int_equal(error, config ? SLUICE_OK : SLUICE_INVALID);
    return config;
}

static struct config *parse(const char *text, char **ret_problems)
{
    return parse_stage(text, NULL, ret_problems);
}

static struct config *parse_good(const char *text)
{
    char *problems;
    struct config *config = parse(text, &problems);
    if (!config)
        fail_msg("%s", problems);
    free(problems);
    return config;
}

static const char greenhouse[] =
    "service: greenhouse\n"
    "provider: {name: aws, stage: prod, region: eu-west-1, timeout: 7, environment: {A: provider, B: '2'}}\n"
    "gateway:\n"
    "  data: state\n"
    "  listen: {mqtt: 1883, mqtts: '[::1]:8883'}\n"
    "  anonymous: [mqtt]\n"
    "  tls: {certificate: pki/gateway.crt, key: /etc/gateway.key, clientCa: pki/ca.crt}\n"
    "  access:\n"
    "    - {who: 'device:*', publish: ['farm/%c/#', up], subscribe: farm/%c/commands/#}\n"
    "    - who: anonymous\n"
    "  limits: {packetBytes: 65536, connectTimeout: 2.5}\n"
    "  journal: {commitDelay: 5}\n"
    "functions:\n"
    "  alert:\n"
    "    handler: handlers/alert.so\n"
    "    runtime: native\n"
    "    timeout: 0.25\n"
    "    memorySize: 64\n"
    "    environment: {A: own, C: ''}\n"
    "    reservedConcurrency: 4\n"
    "    provisionedConcurrency: 1\n"
    "    reply: farm/${device}/alerts\n"
    "    events:\n"
    "      - iot:\n"
    "          sql: \"SELECT * FROM 'farm/+/telemetry' WHERE t > 30\"\n"
    "          batchSize: 100\n"
    "          maximumBatchingWindow: 0.5\n"
    "          functionResponseType: ReportBatchItemFailures\n"
    "          frames: senml\n"
    "      - iot: {sql: \"SELECT * FROM 'off'\", enabled: false}\n"
    "      - iot: {sql: \"SELECT * FROM 'farm/+/other'\"}\n"
    "  archive:\n"
    "    lambda: arn:aws:lambda:eu-west-1:123456789012:function:archive:live\n"
    "    endpoint: http://127.0.0.1:3902\n"
    "    invocationType: Event\n"
    "    destinations: {onFailure: none}\n"
    "    events: [{iot: {sql: \"SELECT * FROM 'farm/#'\", batchSize: 10}}]\n";

static void the_gateway_section_is_read(void **state)
{
    (void)state;
    struct config *config = parse_good(greenhouse);
    assert_string_equal(config->region, "eu-west-1");
    assert_string_equal(config->data, "dir/state");
    assert_string_equal(config->mqtt.host, "127.0.0.1");
    assert_int_equal(config->mqtt.port, 1883);
    assert_true(config->mqtt.anonymous);
    assert_string_equal(config->mqtts.host, "::1");
    assert_int_equal(config->mqtts.port, 8883);
    assert_false(config->mqtts.anonymous);
    assert_string_equal(config->tls.certificate, "dir/pki/gateway.crt");
    assert_string_equal(config->tls.key, "/etc/gateway.key");
    assert_null(config->tls.crl);
    assert_int_equal(config->access_count, 2);
    assert_string_equal(config->access[0].who, "device:*");
    assert_int_equal(config->access[0].publish.count, 2);
    assert_string_equal(config->access[0].publish.items[1], "up");
    assert_string_equal(config->access[0].subscribe.items[0], "farm/%c/commands/#");
    assert_int_equal(config->access[1].place.line, 10);
    assert_int_equal(config->limits.packet_bytes, 65536);
    assert_int_equal(config->limits.connect_timeout_ms, 2500);
    assert_int_equal(config->limits.topic_levels, 16);
    assert_int_equal(config->journal.commit_delay_ms, 5);
    config_free(config);
}

static void functions_are_read_with_the_providers_settings(void **state)
{
    (void)state;
    struct config *config = parse_good(greenhouse);
    assert_int_equal(config->function_count, 2);
    struct config_function *alert = &config->functions[0], *archive = &config->functions[1];
    assert_string_equal(alert->name, "alert");
    assert_string_equal(alert->handler, "dir/handlers/alert.so");
    assert_int_equal(alert->timeout_ms, 250);
    assert_int_equal(alert->memory_mb, 64);
    assert_int_equal(alert->reserved_concurrency, 4);
    assert_int_equal(alert->maximum_retry_attempts, 2);
    assert_int_equal(alert->on_failure.kind, CONFIG_TO_DEAD_LETTERS);
    assert_int_equal(alert->on_success.kind, CONFIG_TO_NOBODY);
    assert_string_equal(alert->reply, "farm/${device}/alerts");
    assert_int_equal(alert->environment.count, 3);
    assert_string_equal(alert->environment.items[0], "A=own");
    assert_string_equal(alert->environment.items[1], "C=");
    assert_string_equal(alert->environment.items[2], "B=2");
    assert_null(archive->handler);
    assert_null(archive->runtime);
    assert_int_equal(archive->timeout_ms, 7000);
    assert_int_equal(archive->memory_mb, 1024);
    assert_int_equal(archive->invocation_type, CONFIG_EVENT);
    assert_string_equal(archive->endpoint, "http://127.0.0.1:3902");
    assert_int_equal(archive->on_failure.kind, CONFIG_TO_NOBODY);
    config_free(config);
}

static void events_are_read_and_compiled(void **state)
{
    (void)state;
    struct config *config = parse_good(greenhouse);
    const struct config_function *alert = &config->functions[0];
    assert_int_equal(alert->event_count, 2); /* without the one that is not enabled */
    const struct config_event *batched = &alert->events[0], *single = &alert->events[1];
    assert_true(span_equal(rule_filter(batched->rule), SPAN_LITERAL("farm/+/telemetry")));
    assert_int_equal(batched->batch_size, 100);
    assert_int_equal(batched->maximum_batching_window_ms, 500);
    assert_int_equal(batched->maximum_batching_bytes, 6291456);
    assert_true(batched->report_batch_item_failures);
    assert_int_equal(batched->frames, CONFIG_FRAMES_SENML);
    assert_true(span_equal(rule_filter(single->rule), SPAN_LITERAL("farm/+/other")));
    assert_int_equal(single->batch_size, 0);
    assert_int_equal(batched->number, 1);
    assert_int_equal(single->number, 3); /* its queue stays its own when another event is switched off */
    assert_false(single->report_batch_item_failures);
    assert_int_equal(single->frames, CONFIG_FRAMES_SAMPLES);
    assert_int_equal(config->functions[1].events[0].maximum_batching_bytes, 1048576);
    config_free(config);
}

static void a_small_journal_has_small_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t segment_bytes;
    } rows[] = {
        {"gateway: {journal: {maxBytes: 16777216}}", 4194304},
        {"gateway: {journal: {maxBytes: 16777216, segmentBytes: 65536}}", 65536},
        {"service: x", 16777216},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *config = parse_good(rows[i].text);
        assert_int_equal(config->journal.segment_bytes, rows[i].segment_bytes);
        config_free(config);
    }
}

static void a_configuration_without_listeners_listens_on_loopback(void **state)
{
    (void)state;
    struct config *config = parse_good("service: x\n");
    assert_string_equal(config->mqtt.host, "127.0.0.1");
    assert_int_equal(config->mqtt.port, 1883);
    assert_null(config->mqtts.host);
    config_free(config);
}

static void https_may_be_the_only_listener(void **state)
{
    (void)state;
    struct config *config = parse_good("gateway:\n"
                                       "  listen: {https: 8443}\n"
                                       "  anonymous: https\n"
                                       "  tls: {certificate: a, key: b}\n");
    assert_string_equal(config->https.host, "0.0.0.0");
    assert_int_equal(config->https.port, 8443);
    assert_true(config->https.anonymous);
    assert_null(config->mqtt.host);
    assert_false(config->https_certificates);
    assert_int_equal(config->origins.count, 1);
    assert_string_equal(config->origins.items[0], "same");
    config_free(config);
}

static void origins_are_read_as_they_are_written(void **state)
{
    (void)state;
    struct config *config =
        parse_good("gateway: {websocket: {origins: ['https://app.example', 'http://[::1]:8080', none]}}");
    assert_int_equal(config->origins.count, 3);
    assert_string_equal(config->origins.items[0], "https://app.example");
    assert_string_equal(config->origins.items[1], "http://[::1]:8080");
    assert_string_equal(config->origins.items[2], "none");
    config_free(config);
}

/* As JSON, which is YAML too. */
static void json_is_read(void **state)
{
    (void)state;
    struct config *config = parse_good("{\"service\": \"x\", \"gateway\": {\"data\": \"/var/lib/sluice\"}}");
    assert_string_equal(config->data, "/var/lib/sluice");
    config_free(config);
}

struct problem_row {
    const char *text, *says;
};

static void check_problems(const struct problem_row *rows, size_t count, bool is_good)
{
    for (size_t i = 0; i < count; i++) {
        char *problems;
        struct config *config = parse(rows[i].text, &problems);
        if ((config != NULL) != is_good || !strstr(problems, rows[i].says))
            fail_msg("%s\n  gives: %s", rows[i].text, problems);
        config_free(config);
        free(problems);
    }
}

#define EVENT(inside)    "functions: {f: {handler: f.so, runtime: native, events: [{iot: " inside "}]}}"
#define ORIGIN(origin)   "gateway: {websocket: {origins: [" origin "]}}"
#define FUNCTION(inside) "functions: {f: {" inside "}}"

static void an_error_says_where_what_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct problem_row rows[] = {
        {"", "dir/serverless.yml:1:1: the file is empty"},
        {"[1]", "dir/serverless.yml:1:1: the file is no mapping"},
        {"a: [", "dir/serverless.yml:2:1: this is no YAML: "},
        {"service: x\nservicé: \xff\n", ":2:10: this is no YAML: "},
        {"functions: {f: {lambda: a}, f: {}}", ":1:29: functions.f has no runtime"},
        {"service: x\n---\nservice: y\n", ":3:1: there is a second document; allowed: one in a file"},
        {"service: a\nservice: b\n", ":2:1: service is there twice; allowed: once"},
        {"functions: {f: {lambda: a}, f: {lambda: b}}", ":1:29: f is there twice; allowed: once"},
        {"provider: {environment: {A: x, A: y}}", ":1:32: A is there twice; allowed: once"},
        {"provider: {region: [a]}\n", ":1:20: provider.region is a list; allowed: text"},
        {"servce: a\n", ":1:1: there is no servce; did you mean service?"},
        {"nonsense: a\n", ":1:1: there is no nonsense; allowed: service, provider, gateway, package"},
        {"'*': a\n", ":1:1: there is no *; allowed"},
        {"? [a]\n: b\n", ":1:3: this key is no name"},
        {"gateway:\n  limits:\n    packetbytes: 5\n",
         ":3:5: there is no gateway.limits.packetbytes; did you mean packetBytes?"},
        {"gateway: {limits: {pakcetBytes: 5}}", "did you mean packetBytes?"},
        {"gateway: {limits: {packetByte: 5}}", "did you mean packetBytes?"},
        {"gateway: {dta: x}", "did you mean data?"},
        {"gateway: {nothing: x}", "there is no gateway.nothing; allowed: data, listen, anonymous"},
        {"gateway: 5", ":1:10: gateway is no mapping"},
        {"gateway: {limits: {packetBytes: 5}}",
         ":1:33: gateway.limits.packetBytes is '5'; allowed: a whole number from 128 to 268435460 bytes"},
        {"gateway: {limits: {packetBytes: 16MB}}", "is '16MB'; allowed: a whole number"},
        {"gateway: {limits: {packetBytes: 1000.5}}", "is '1000.5'; allowed: a whole number"},
        {"gateway: {limits: {packetBytes: -1}}", "is '-1'; allowed"},
        {"gateway: {limits: {packetBytes: }}", "is ''; allowed"},
        {"gateway: {limits: {packetBytes: [1]}}", "is a list; allowed: a whole number"},
        {"gateway: {limits: {connectTimeout: 1.2345}}", "is '1.2345'; allowed: a number from 0.1 to 600 s"},
        {"gateway: {limits: {connectTimeout: .5}}", "is '.5'; allowed"},
        {"gateway: {limits: {connectTimeout: 1.2.3}}", "is '1.2.3'; allowed"},
        {"gateway: {listen: {mqtt: 'a:b:1'}}", "is 'a:b:1'; allowed: HOST:PORT, [IPv6]:PORT or PORT"},
        {"gateway: {listen: {mqtt: '::1'}}", "allowed: HOST:PORT"},
        {"gateway: {listen: {mqtt: ':1883'}}", "allowed: HOST:PORT"},
        {"gateway: {listen: {mqtt: '[::1]'}}", "allowed: HOST:PORT"},
        {"gateway: {listen: {mqtt: 65536}}", "allowed: HOST:PORT"},
        {"gateway: {listen: {mqtt: -1}}", "allowed: HOST:PORT"},
        {"gateway: {listen: {mqtt: host}}", "allowed: HOST:PORT"},
        {"gateway: {anonymous: [tcp]}", ":1:23: gateway.anonymous is 'tcp'; allowed"},
        {"gateway: {anonymous: tcp}",
         "gateway.anonymous is 'tcp'; allowed: a list of mqtt, mqtts, https and http"},
        {"gateway: {listen: {http: '0.0.0.0:80'}, anonymous: [http]}",
         ":1:26: gateway.listen.http is at 0.0.0.0, where others could read it; allowed: 127.0.0.1 or [::1]"},
        {"gateway: {listen: {http: '[::]:80'}, anonymous: [http]}", "gateway.listen.http is at ::"},
        {"gateway: {listen: {http: 8080}}", ":1:26: nobody can use the listener http; allowed: "},
        {"gateway: {keys: [{id: a}]}", "gateway.keys[].secretFile is missing"},
        {"gateway: {access: [{who: 'user:*', invoke: ['']}]}", "is ''; allowed: a list of patterns"},
        {"gateway: {access: {who: a}}", "gateway.access is a mapping; allowed: a list of mappings"},
        {"gateway: {access: [{publish: a}]}", ":1:20: gateway.access[].who is missing; it is the Clients"},
        {"gateway: {access: [{who: everyone}]}",
         "is 'everyone'; allowed: device:PATTERN, user:PATTERN, token:PATTERN or anonymous"},
        {"gateway: {access: [{who: 'user:'}]}", "is 'user:'; allowed: device:PATTERN, user:PATTERN"},
        {"gateway: {access: [{who: 'user:*', clientIds: ['']}]}", "is ''; allowed: a list of patterns"},
        {"gateway: {tokens: [{issuer: i, audience: a, key: k}]}", "gateway.tokens[].algorithm is missing"},
        {"gateway: {tokens: [{issuer: i, audience: a, key: k, algorithm: none}]}",
         "is 'none'; allowed: ES256 | RS256 | HS256"},
        {"gateway: {tokens: [{issuer: i, audience: a, algorithm: HS256}]}",
         "gateway.tokens[].key is missing"},
        {"gateway: {access: [{who: 'device:'}]}", "is 'device:'; allowed"},
        {"gateway: {access: [{who: anonymous, publish: [a/#/b]}]}",
         "is 'a/#/b'; allowed: a list of Topic Filters"},
        {"gateway: {listen: {mqtts: 8883}}", ":1:27: mqtts needs gateway.tls.certificate"},
        {"gateway: {listen: {mqtts: 8883}, tls: {certificate: a, key: b}}",
         "nobody can use the listener mqtts"},
        {"gateway: {listen: {https: 8443}}", ":1:27: https needs gateway.tls.certificate"},
        {"gateway: {listen: {https: 8443}, tls: {certificate: a, key: b}}",
         "nobody can use the listener https; allowed: gateway.tls.clientCa with "
         "gateway.websocket.clientCertificates, gateway.passwords, gateway.tokens, or https in "
         "gateway.anonymous"},
        {"gateway: {listen: {https: 8443}, tls: {certificate: a, key: b, clientCa: c}}",
         "nobody can use the listener https"},
        {ORIGIN("'*'"), "gateway.websocket.origins is '*'; allowed: a list of SCHEME://HOST"},
        {ORIGIN("'null'"), "is 'null'; allowed"},
        {ORIGIN("app.example"), "is 'app.example'; allowed"},
        {ORIGIN("'https://app.example/'"), "is 'https://app.example/'; allowed"},
        {ORIGIN("'https://App.example'"), "is 'https://App.example'; allowed"},
        {ORIGIN("'https://'"), "is 'https://'; allowed"},
        {ORIGIN("'://app.example'"), "is '://app.example'; allowed"},
        {"gateway: {tls: {crl: a}}", "gateway.tls.crl needs gateway.tls.clientCa"},
        {"gateway: {data: '${env:DATA}'}",
         ":1:17: the variable ${env:DATA} has no value here; allowed: self"},
        {"gateway: {data: \"a\\0b\"}", "has a NUL character"},
        {"gateway: {workers: {restartBase: 5, restartCap: 1}}", "restartCap is under restartBase"},
        {"provider: {environment: {1A: x}}", ":1:26: provider.environment: 1A is no variable's name"},
        {"provider: {environment: [A]}",
         "provider.environment is a list; allowed: a mapping of names to text"},
        {"functions: {'a b': {lambda: x}}", "a b is no function's name; allowed"},
        {"functions: []", "functions is a list; allowed: a mapping of names to mappings"},
        {FUNCTION("handler: f.so"), ":1:13: functions.f has no runtime; allowed: native"},
        {FUNCTION("runtime: native"), "functions.f has no handler"},
        {FUNCTION("handler: app.handler, runtime: java21"),
         "the runtime java21 is not served by this version; allowed: native, provided.al2023, provided.al2, "
         "nodejs20.x, python3.11 and others of these, `lambda:` with"},
        {FUNCTION("runtime: nodejs20.x"), "functions.f has no handler; it is FILE.EXPORT, as in app.handler"},
        {FUNCTION("runtime: python3.11"),
         "functions.f has no handler; it is MODULE.FUNCTION, as in app.handler"},
        {FUNCTION("handler: f.so, runtime: native, endpoint: http://a"), "has an endpoint but no `lambda:`"},
        {FUNCTION("handler: f.so, runtime: native, invocationType: Event"),
         "invocationType Event needs `lambda:`"},
        {FUNCTION("lambda: 'a b'"), "lambda is 'a b'; allowed: a function's ARN or name"},
        {FUNCTION("lambda: a, endpoint: 'ftp://a'"), "endpoint is 'ftp://a'; allowed: http:// or https://"},
        {FUNCTION("lambda: a, invocationType: DryRun"), "is 'DryRun'; allowed: RequestResponse | Event"},
        {FUNCTION("lambda: a, memory: 5"), "there is no functions.NAME.memory; allowed: handler, runtime"},
        {FUNCTION("lambda: a, provisionedConcurrency: 2"),
         "provisionedConcurrency is over reservedConcurrency"},
        {"gateway: {limits: {packetBytes: 200000000}}",
         "gateway.journal.maxBytes is under 8 times gateway.limits.packetBytes; allowed: at least "
         "1600000000"},
        {FUNCTION("lambda: a, reply: 'a/#'"), "functions.NAME.reply is no topic template"},
        {FUNCTION("lambda: a, reply: a, replyTo: 'a/#'"), "functions.NAME.replyTo is no topic template"},
        {FUNCTION("lambda: a, replyTo: a"), "functions.f: replyTo is of its results, which reply publishes"},
        {FUNCTION("lambda: a, destinations: {onFailure: queue}"),
         "functions.f: destinations.onFailure is 'queue'; allowed: dlq, none, a function's name or ARN, or "
         "{topic: TOPIC}"},
        {FUNCTION("lambda: a, destinations: {onSuccess: dlq}"),
         "destinations.onSuccess is 'dlq'; allowed: none, a function's name"},
        {FUNCTION("lambda: a, destinations: {onSuccess: f}"), "onSuccess is the function itself"},
        {FUNCTION("lambda: a, destinations: {onSuccess: {topic: t, function: f}}"),
         "onSuccess has a function and a topic; allowed: one of them"},
        {FUNCTION("lambda: a, destinations: {onSuccess: {topic: 't/+'}}"),
         "functions.NAME.destinations.onSuccess.topic is no topic template"},
        {FUNCTION("lambda: a, events: [{iot: {batchSize: 1}}]"),
         "functions.NAME.events[].iot.sql is missing"},
        {FUNCTION("lambda: a, events: [iot]"), "functions.NAME.events[] is no mapping"},
        {FUNCTION(
             "lambda: a, invocationType: Event, events: [{iot: {sql: \"SELECT * FROM 'a'\", batchSize: 2, "
             "maximumBatchingBytes: 2000000}}]"),
         "maximumBatchingBytes is 2000000; allowed with invocationType Event: at most 1048576"},
        {FUNCTION("uplink: {clientId: a}"), "functions.NAME.uplink.url is missing"},
        {FUNCTION("uplink: {url: 'mqtt://a'}"), "functions.NAME.uplink.clientId is missing"},
        {FUNCTION("uplink: {url: 'http://a', clientId: a}"),
         "uplink.url is 'http://a'; allowed: mqtt://HOST:PORT or mqtts://HOST:PORT"},
        {FUNCTION("uplink: {url: 'mqtt://a:0', clientId: a}"), "uplink.url is 'mqtt://a:0'; allowed"},
        {FUNCTION("uplink: {url: 'mqtt://a:65536', clientId: a}"), "uplink.url is 'mqtt://a:65536'; allowed"},
        {FUNCTION("uplink: {url: 'mqtt://a b', clientId: a}"), "uplink.url is 'mqtt://a b'; allowed"},
        {FUNCTION("uplink: {url: 'mqtt://[::1', clientId: a}"), "uplink.url is 'mqtt://[::1'; allowed"},
        {FUNCTION("uplink: {url: 'mqtt://', clientId: a}"), "uplink.url is 'mqtt://'; allowed"},
        {FUNCTION("uplink: {url: 'mqtt://a', clientId: a, ca: c.pem}"),
         "uplink.ca, certificate and key need a url of mqtts://"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, key: k.pem}"),
         "uplink.certificate and uplink.key go together"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, password: p}"),
         "uplink.password needs uplink.user"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, version: 3.1}"), "is '3.1'; allowed: 3.1.1 | 5"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, keepAlive: 1.5}"),
         "uplink.keepAlive is no whole number of seconds"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, topic: 'a/#'}"),
         "functions.NAME.uplink.topic is no topic template"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, down: [{topic: b}]}"),
         "functions.NAME.uplink.down[].filter is missing"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, down: [{filter: 'a/#/b'}]}"),
         "uplink.down has the filter 'a/#/b'; allowed: a Topic Filter"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, down: [{filter: '$SYS/#'}]}"),
         "uplink.down has the filter '$SYS/#'; allowed: a Topic Filter"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, version: 3.1.1, down: [{filter: 'x/+/c'}], topic: "
                  "'x/${topic}'}, "
                  "events: [{iot: {sql: \"SELECT * FROM 'b/#'\"}}]"),
         "what goes up as x/${topic} would come down again by the filter x/+/c"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a, version: 3.1.1, down: [{filter: 'x/#'}], topic: "
                  "'x-${topic}'}, "
                  "events: [{iot: {sql: \"SELECT * FROM 'b/#'\"}}]"),
         "what goes up as x-${topic} would come down again by the filter x/#"},
        {FUNCTION("uplink: {url: 'mqtts://a', clientId: a}, reply: x"),
         "an uplink has no lambda, handler, endpoint or reply"},
        {FUNCTION("uplink: {url: 'mqtts://[::1]:8883', clientId: a}, "
                  "events: [{iot: {sql: \"SELECT * FROM 'a'\", batchSize: 2}}]"),
         "an uplink takes messages one by one; allowed: no batchSize"},
        {EVENT("{sql: SELECT}"), ":1:70: SQL 1:7: expected a value"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", enabled: yes}"), "is 'yes'; allowed: true or false"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", maximumBatchingWindow: 1}"), "need a batchSize"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", partitionKey: topic}"), "need mode: ordered"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", mode: ordered, partitionKey: '${'}"), "no closing `}`"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", mode: ordered, tumblingWindowInSeconds: 10}"),
         "needs mode: ordered and batchSize"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", batchSize: 10, tumblingWindowInSeconds: 10}"),
         "needs mode: ordered and batchSize"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", tumblingWindowInSeconds: 901}"),
         "tumblingWindowInSeconds is '901'; allowed: a whole number from 0 to 900 s"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", acknowledge: never}"),
         "is 'never'; allowed: received | stored | processed"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", mode: fifo}"), "is 'fifo'; allowed: queue | ordered"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", maximumRetryAttempts: -2}"),
         "maximumRetryAttempts is '-2'; allowed: a whole number from -1 to 10000 attempts"},
        {EVENT("{sql: \"SELECT * FROM 'a'\", functionResponseType: x}"), "allowed: ReportBatchItemFailures"},
    };
    check_problems(rows, sizeof rows / sizeof rows[0], false);
}

static void schedules_are_read_in_every_form(void **state)
{
    (void)state;
    struct config *config =
        parse_good("functions:\n"
                   "  f:\n"
                   "    lambda: a\n"
                   "    events:\n"
                   "      - schedule: rate(5 minutes)\n"
                   "      - schedule: [cron(0 12 * * ? *), rate(10 seconds)]\n"
                   "      - schedule: {rate: rate(1 day), enabled: false}\n"
                   "      - schedule:\n"
                   "          rate: rate(1 hour)\n"
                   "          input: {a: [1, x, ~, {b: yes, c: 'true'}], d: 1.50}\n"
                   "      - schedule: {rate: rate(1 hour), input: '[1, 2]', timezone: UTC}\n");
    const struct config_function *function = &config->functions[0];
    assert_int_equal(function->event_count, 4);
    assert_int_equal(function->events[0].schedules[0].period_ms, 300000);
    assert_null(function->events[0].input);
    assert_int_equal(function->events[1].rates.count, 2);
    assert_string_equal(function->events[1].rates.items[0], "cron(0 12 * * ? *)");
    assert_int_equal(function->events[1].schedules[1].period_ms, 10000);
    assert_int_equal(function->events[2].number, 4);
    assert_string_equal(function->events[2].input,
                        "{\"a\":[1,\"x\",null,{\"b\":\"yes\",\"c\":\"true\"}],\"d\":1.50}");
    assert_string_equal(function->events[3].input, "[1, 2]");
    config_free(config);
}

static const char uplinked[] =
    "functions:\n"
    "  up:\n"
    "    uplink: {url: 'mqtt://a', clientId: c, version: 3.1.1, topic: '%s${topic}',\n"
    "             down: [{filter: 'up/#'}]}\n"
    "    events: [{iot: {sql: \"SELECT * FROM 'a/#'\"}}]\n";

static void a_stage_is_before_an_uplinks_topics_and_hides_no_loop(void **state)
{
    (void)state;
    char text[512], *problems;
    snprintf(text, sizeof text, uplinked, "");
    struct config *config = parse_stage(text, "prod", &problems);
    if (!config)
        fail_msg("%s", problems);
    free(problems);
    assert_string_equal(config->functions[0].uplink.down[0].filter, "prod/up/#");
    config_free(config);
    snprintf(text, sizeof text, uplinked, "up/");
    assert_null(parse_stage(text, "prod", &problems));
    assert_non_null(strstr(problems, "what goes up as up/${topic} would come down again by the filter up/#"));
    free(problems);
}

static void a_template_of_a_schedule_is_bounded(void **state)
{
    (void)state;
    char text[10000], *problems;
    for (int len = 8192; len <= 8193; len++) {
        snprintf(text, sizeof text,
                 "functions: {f: {lambda: a, events: [schedule: {rate: rate(1 day), inputTransformer: "
                 "{inputTemplate: '%0*d'}}]}}\n",
                 len, 0);
        struct config *config = parse(text, &problems);
        assert_int_equal(config != NULL, len == 8192);
        assert_int_equal(strstr(problems, "the inputTemplate has 8193 bytes; allowed: at most 8192") != NULL,
                         len == 8193);
        config_free(config);
        free(problems);
    }
}

/* A serverless.yml whose functions are told what CloudFormation makes is taken as it is. */
static void intrinsics_of_the_environment_are_applied(void **state)
{
    (void)state;
    char *problems;
    struct config *config =
        parse("provider: {environment: {TABLE: !Ref Users, REGION: {Ref: 'AWS::Region'}}}\n"
              "custom: {name: box}\n"
              "functions:\n"
              "  f:\n"
              "    lambda: a\n"
              "    environment:\n"
              "      URL: !Sub 'https://${self:custom.name}/${Users}'\n"
              "      QUEUE: {'Fn::GetAtt': [Queue, QueueUrl]}\n"
              "      OTHER: !ImportValue other\n"
              "      JOINED: {'Fn::Join': ['-', ['${self:custom.name}', 'x']]}\n"
              "resources: {Resources: {Users: {Type: 'AWS::DynamoDB::Table'}, Queue: {}}}\n",
              &problems);
    if (!config)
        fail_msg("%s", problems);
    assert_non_null(strstr(problems, ":8:14: warning: Queue.QueueUrl has no value here; it is left out"));
    assert_non_null(strstr(problems, ":9:14: warning: ImportValue has no value here; it is left out"));
    free(problems);
    const struct config_strings *environment = &config->functions[0].environment;
    assert_int_equal(environment->count, 4);
    assert_string_equal(environment->items[0], "URL=https://box/Users");
    assert_string_equal(environment->items[1], "JOINED=box-x");
    assert_string_equal(environment->items[2], "TABLE=Users");
    assert_string_equal(environment->items[3], "REGION=us-east-1");
    config_free(config);
}

static void a_wrong_schedule_is_refused(void **state)
{
    (void)state;
    static const struct problem_row rows[] = {
        {FUNCTION("lambda: a, events: [schedule: rate(1 minutes)]"),
         "events[].schedule.rate: rate is '1 minutes'; allowed: a whole number above 0"},
        {FUNCTION("lambda: a, events: [schedule: {input: 1}]"), "schedule.rate is missing"},
        {FUNCTION("lambda: a, events: [schedule: {rate: [rate(1 day), rate(1 day)]}]"),
         "schedule.rate has rate(1 day) twice; allowed: once"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), input: word}]"),
         "schedule.input is no JSON, or too large"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), input: &a [*a]}]"),
         "schedule.input is no JSON, or too large"},
        {FUNCTION("lambda: a, events: [{schedule: rate(1 day), iot: {sql: \"SELECT * FROM 'a'\"}}]"),
         "functions.f: an event has both iot and schedule"},
        {FUNCTION("lambda: a, events: [iot: {sql: \"SELECT * FROM 'a'\", maximumRecordAgeInSeconds: 0}]"),
         "functions.f: maximumRecordAgeInSeconds is 0; allowed: -1, for the function's maximumEventAge, or 1 "
         "to"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), timezone: Europe/Nowhere}]"),
         "functions.f: the timezone 'Europe/Nowhere' is not in /usr/share/zoneinfo; allowed: UTC, or one"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), timezone: ../zoneinfo/UTC}]"),
         "functions.f: the timezone '../zoneinfo/UTC' is not in"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), inputPath: time}]"),
         "functions.f: 'time' is no path in an event: it does not begin with $; allowed: $.time"},
        {FUNCTION(
             "lambda: a, events: [schedule: {rate: rate(1 day), inputTransformer: {inputPathsMap: {a: $x}, "
             "inputTemplate: <a>}}]"),
         "functions.f: '$x' is no path in an event"},
        {FUNCTION(
             "lambda: a, events: [schedule: {rate: rate(1 day), inputTransformer: {inputPathsMap: {a: $}, "
             "inputTemplate: <a><b>}}]"),
         "functions.f: the inputTemplate has <b>; allowed: names of inputPathsMap, and <aws.events"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), name: a b}]"),
         "functions.f: 'a b' is no name of a schedule; allowed: 1 to 64 letters, digits, -, _ and ."},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), inputTransformer: {}}]"),
         "schedule.inputTransformer.inputTemplate is missing"},
        {FUNCTION("lambda: a, events: [schedule: {rate: rate(1 day), inputPath: $, input: 1}]"),
         "functions.f: a schedule has more than one of input, inputPath and inputTransformer"},
    };
    check_problems(rows, sizeof rows / sizeof rows[0], false);
}

static void destinations_are_found_by_name_and_arn(void **state)
{
    (void)state;
    struct config *config =
        parse_good("functions:\n"
                   "  a: {lambda: there, destinations: {onSuccess: b, onFailure: {topic: t}}}\n"
                   "  b: {lambda: here, destinations: {onFailure: "
                   "'arn:aws:lambda:eu-west-1:123456789012:function:a:live'}}\n"
                   "  c: {lambda: c, destinations: {onSuccess: {function: there}, "
                   "onFailure: none}}\n");
    const struct config_function *a = &config->functions[0], *b = &config->functions[1],
                                 *c = &config->functions[2];
    assert_int_equal(a->on_success.kind, CONFIG_TO_FUNCTION);
    assert_string_equal(a->on_success.function, "b");
    assert_int_equal(a->on_failure.kind, CONFIG_TO_TOPIC);
    assert_int_equal(b->on_failure.kind, CONFIG_TO_FUNCTION);
    assert_string_equal(b->on_failure.function, "a");
    assert_string_equal(c->on_success.function, "a");
    assert_int_equal(c->on_failure.kind, CONFIG_TO_NOBODY);
    config_free(config);
}

static void what_is_for_aws_is_named_in_a_warning(void **state)
{
    (void)state;
    static const struct problem_row rows[] = {
        {"resources: {a: b}", ":1:1: warning: resources does not apply at the edge; it is ignored"},
        {"provider: {iam: {role: x}}", ":1:12: warning: provider.iam does not apply at the edge"},
        {"gateway: {listen: {mqtt: 1883}}", ":1:26: warning: nobody can use the listener mqtt"},
        {FUNCTION("lambda: a, layers: [x]"), "warning: functions.NAME.layers does not apply"},
        {FUNCTION("lambda: a, destinations: {onFailure: 'arn:aws:sqs:eu-west-1:1:q'}"),
         "warning: functions.f: destinations.onFailure is 'arn:aws:sqs:eu-west-1:1:q', which is not here"},
        {FUNCTION("lambda: a, destinations: {onFailure: {type: sns, arn: {Ref: Alarm}}}"),
         "warning: functions.NAME.destinations.onFailure.arn does not apply"},
        {FUNCTION("uplink: {url: 'mqtt://a', clientId: a, user: u, password: p}"),
         "warning: functions.f: the password is readable on the way to mqtt://a"},
        {"gateway: {limits: {propertyBytes: 65536}}\n" FUNCTION("uplink: {url: 'mqtts://a', clientId: a}"),
         "warning: functions.f: gateway.limits.propertyBytes is 65536; of the properties of a message 65535 "
         "bytes are sure to go up"},
        {FUNCTION("lambda: a"), "warning: functions.f has no event that is served"},
        {FUNCTION("lambda: a, events: [sqs: queue]"), "events[].sqs is an event that this version"},
        {FUNCTION("lambda: a, events: [sns: topic]"), "events[].sns is an event that this version"},
        {FUNCTION("lambda: a, events: [s3: bucket]"), "events[].s3 is an event that this version"},
        {FUNCTION("lambda: a, events: [alexaSkill]"), "events[].alexaSkill is an event that this version"},
    };
    check_problems(rows, sizeof rows / sizeof rows[0], true);
}

static void every_error_is_reported_in_the_order_of_the_file(void **state)
{
    (void)state;
    char *problems;
    assert_null(parse("functions:\n"
                      "  f: {handler: x, runtime: java21}\n"
                      "  g: {timeout: never, lambda: g}\n"
                      "gateway:\n"
                      "  limits: {packetBytes: 1}\n"
                      "nonsense: \"a\\nb\"\n",
                      &problems));
    static const char *const wanted[] = {"yml:2:3: ", "yml:3:16: ", "yml:5:25: ", "yml:6:1: "};
    const char *at = problems;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(problems, wanted[i]))
            fail_msg("no %s in\n%s", wanted[i], problems);
    unsigned line = 0;
    for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        unsigned found;
        if (sscanf(at, "dir/serverless.yml:%u:", &found) != 1)
            continue;
        assert_true(found >= line);
        line = found;
    }
    free(problems);
}

static void aliases_are_followed_and_cycles_end(void **state)
{
    (void)state;
    struct config *config =
        parse_good("functions:\n  a: &f {lambda: x, timeout: 9, events: [{iot: &e {sql: \"SELECT * "
                   "FROM 'a'\"}}, iot: *e]}\n  b: *f\n");
    assert_int_equal(config->functions[1].timeout_ms, 9000);
    assert_int_equal(config->functions[1].event_count, 2);
    config_free(config);
    char *problems;
    assert_null(parse("gateway: &g {limits: *g}\n", &problems));
    assert_non_null(strstr(problems, "there is no gateway.limits.limits"));
    free(problems);
}

static void a_file_that_cannot_be_used_is_one_sentence(void **state)
{
    (void)state;
    char folder[] = "/tmp/sluice-config-XXXXXX", file[64], *problems;
    size_t bytes;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/serverless.yml", folder);
    struct config *config = NULL;
    for (int round = 0; round < 4; round++) {
        FILE *out = open_memstream(&problems, &bytes);
        enum sluice_error error = config_load(round == 1 ? folder : file, out, &config);
        fclose(out);
        static const char *const says[] = {"cannot be read: No such file", "cannot be read: Is a directory",
                                           "is larger than a configuration may be",
                                           "warning: nobody can use"};
        static const enum sluice_error errors[] = {SLUICE_IO, SLUICE_IO, SLUICE_INVALID, SLUICE_OK};
        assert_int_equal(error, errors[round]);
        if (!strstr(problems, says[round]))
            fail_msg("%s", problems);
        free(problems);
        FILE *in = fopen(file, "w");
        fprintf(in, round == 1 ? "#%*s\n" : "service: x%*s\n", round == 1 ? CONFIG_FILE_BYTES_MAX : 0, "");
        fclose(in);
    }
    assert_string_equal(config->file, file);
    config_free(config);
    unlink(file);
    rmdir(folder);
}

static void the_reference_has_every_parameter_with_its_default(void **state)
{
    (void)state;
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    config_print_reference(out);
    fclose(out);
    static const char *const rows[] = {
        "| `gateway.limits.topicLevels` | a whole number from 1 to 32 levels | `16` | ",
        "| `functions.NAME.invocationType` | RequestResponse \\| Event | `RequestResponse` | ",
        "| `functions.NAME.events[].iot.sql` | SQL |  | which messages, and what of them, in AWS IoT SQL; "
        "required |",
        "`resources`",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strstr(text, rows[i]))
            fail_msg("no %s in\n%s", rows[i], text);
    free(text);
}

/* Between two configurations, what a reload does not take up. */
static void expect_changes(const char *name, const char *old_text, const char *new_text, const char *expected)
{
    char *changes = NULL;
    size_t bytes;
    struct config *old = parse_good(old_text), *new = parse_good(new_text);
    FILE *out = open_memstream(&changes, &bytes);
    size_t count = config_print_changes(old, new, out);
    fclose(out);
    if (strcmp(changes, expected) != 0 || (count == 0) != (expected[0] == '\0'))
        fail_msg("%s: %zu changes, %s", name, count, changes);
    free(changes);
    config_free(old);
    config_free(new);
}

static void what_a_reload_does_not_take_up_is_named(void **state)
{
    (void)state;
#define ROUTE(name, more, sql)                                                                               \
    "functions: {" name ": {lambda: f, " more " events: [{iot: {sql: \"" sql "\"}}]}}"
    static const char function[] = ROUTE("f", "", "SELECT * FROM 'a'");
    static const struct {
        const char *name, *old, *new, *changes;
    } rows[] = {
        {"nothing", greenhouse, greenhouse, ""},
        {"a default that is written out", "gateway: {}", "gateway: {limits: {packetBytes: 262144}}", ""},
        {"rules", "gateway: {}", "gateway: {access: [{who: anonymous, publish: a}]}", ""},
        {"rules' filters", "gateway: {access: [{who: anonymous, publish: a}]}",
         "gateway: {access: [{who: anonymous, publish: [a, b]}]}", ""},
        {"anonymous", "gateway: {}", "gateway: {anonymous: [mqtt]}", ""},
        {"certificates", "gateway: {tls: {certificate: a, key: b}}",
         "gateway: {tls: {certificate: c, key: d}}", ""},
        {"the folder", "gateway: {data: a}", "gateway: {data: b}", "gateway.data"},
        {"a host", "gateway: {listen: {mqtt: '127.0.0.1:1'}}", "gateway: {listen: {mqtt: '127.0.0.2:1'}}",
         "gateway.listen.mqtt"},
        {"limits", "gateway: {}", "gateway: {limits: {packetBytes: 4096, queueSize: 7}}",
         "gateway.limits.packetBytes, gateway.limits.queueSize"},
        {"a limit of what is loaded again", "gateway: {}", "gateway: {limits: {tokenClockSkew: 1}}", ""},
        {"what is deployed", "package: {patterns: [a]}", "package: {patterns: [b]}", ""},
        {"text", "provider: {region: a}", "provider: {region: b}", "provider.region"},
        {"a variable", "provider: {environment: {A: '1'}}", "provider: {environment: {A: '2'}}",
         "provider.environment"},
        {"a new function", "gateway: {}", function, "functions"},
        {"a function's name", function, ROUTE("g", "", "SELECT * FROM 'a'"), "functions"},
        {"a function's number", function, ROUTE("f", "queueSize: 9,", "SELECT * FROM 'a'"), "functions"},
        {"a function's word", function, ROUTE("f", "invocationType: Event,", "SELECT * FROM 'a'"),
         "functions"},
        {"a function's flag", function, ROUTE("f", "destinations: {onFailure: none},", "SELECT * FROM 'a'"),
         "functions"},
        {"a function's SQL", function, ROUTE("f", "", "SELECT * FROM 'b'"), "functions"},
    };
#undef ROUTE
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_changes(rows[i].name, rows[i].old, rows[i].new, rows[i].changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateway_section_is_read),
        cmocka_unit_test(functions_are_read_with_the_providers_settings),
        cmocka_unit_test(events_are_read_and_compiled),
        cmocka_unit_test(a_small_journal_has_small_files),
        cmocka_unit_test(a_configuration_without_listeners_listens_on_loopback),
        cmocka_unit_test(https_may_be_the_only_listener),
        cmocka_unit_test(origins_are_read_as_they_are_written),
        cmocka_unit_test(json_is_read),
        cmocka_unit_test(an_error_says_where_what_and_what_is_allowed),
        cmocka_unit_test(schedules_are_read_in_every_form),
        cmocka_unit_test(a_stage_is_before_an_uplinks_topics_and_hides_no_loop),
        cmocka_unit_test(a_template_of_a_schedule_is_bounded),
        cmocka_unit_test(intrinsics_of_the_environment_are_applied),
        cmocka_unit_test(a_wrong_schedule_is_refused),
        cmocka_unit_test(destinations_are_found_by_name_and_arn),
        cmocka_unit_test(what_is_for_aws_is_named_in_a_warning),
        cmocka_unit_test(every_error_is_reported_in_the_order_of_the_file),
        cmocka_unit_test(aliases_are_followed_and_cycles_end),
        cmocka_unit_test(a_file_that_cannot_be_used_is_one_sentence),
        cmocka_unit_test(what_a_reload_does_not_take_up_is_named),
        cmocka_unit_test(the_reference_has_every_parameter_with_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

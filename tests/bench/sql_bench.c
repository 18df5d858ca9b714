/*
 * What rules cost a message, in ns of processor time of one thread, a JSON line
 * each: checking that a payload of 200 bytes is JSON, which happens once for all
 * rules; beyond it WHERE and SELECT of each of some rules; and finding the rules
 * of a topic.
 */
#include "route/json.h"
#include "route/rule.h"
#include "route/rule_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 300000 };

static const char payload[] =
    "{\"time\":1763632800123,\"temperature\":31.25,\"humidity\":48.5,\"pressure\":1013.2,"
    "\"battery\":{\"volt\":3.71,\"percent\":84},\"kind\":\"soil\",\"site\":\"greenhouse-17\","
    "\"firmware\":\"2.11.4-rc1\",\"ok\":true,\"id\":\"pi-0042\"}";

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct rule *parse(const char *sql)
{
    struct rule *rule;
    struct rule_error error;
    if (rule_parse(span_from_string(sql), &rule, &error) == SLUICE_OK)
        return rule;
    fprintf(stderr, "%s: %s\n", sql, error.text);
    exit(1);
}

static void measure_check(void)
{
    size_t good = 0, fault_at;
    double start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        good += json_check(span_from_string(payload), &fault_at);
    printf("{\"bench\":\"sql_parse\",\"payload_bytes\":%zu,\"good\":%zu,\"ns\":%.0f}\n", sizeof payload - 1,
           good, (now_ns() - start_ns) / ROUNDS);
}

/* Beyond the parse: the message says that its payload is JSON. */
static void measure_rule(const char *sql)
{
    struct rule *rule = parse(sql);
    struct message message = {.topic = SPAN_LITERAL("farm/7/telemetry"),
                              .payload = span_from_string(payload),
                              .payload_is_json = true};
    struct rule_input input = rule_input_of(&message, (struct rule_random){0});
    struct buffer out = {0};
    size_t matched = 0;
    double start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        matched += rule_matches(rule, &input) == RULE_MATCH;
    double where_ns = (now_ns() - start_ns) / ROUNDS;
    start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        rule_select(rule, &input, &out);
        buffer_consume(&out, buffer_len(&out));
    }
    printf("{\"bench\":\"sql\",\"sql\":\"%s\",\"matched\":%zu,\"where_ns\":%.0f,\"select_ns\":%.0f}\n", sql,
           matched, where_ns, (now_ns() - start_ns) / ROUNDS);
    buffer_fini(&out);
    rule_free(rule);
}

/* A topic that one rule of so many matches. */
static void measure_set(size_t count)
{
    struct rule **rules = calloc(count, sizeof *rules);
    struct rule_set set = {0};
    char sql[64], topic[64];
    for (size_t i = 0; rules && i < count; i++) {
        snprintf(sql, sizeof sql, "SELECT * FROM 'farm%zu/+/telemetry'", i);
        rules[i] = parse(sql);
        rule_set_add(&set, rules[i], NULL);
    }
    snprintf(topic, sizeof topic, "farm%zu/7/telemetry", count - 1);
    size_t found = 0;
    double start_ns = now_ns();
    const struct rule_entry *const *entries;
    for (int i = 0; i < ROUNDS; i++)
        found += rule_set_find(&set, span_from_string(topic), &entries);
    printf("{\"bench\":\"rule_set\",\"rules\":%zu,\"found\":%zu,\"ns\":%.0f}\n", count, found,
           (now_ns() - start_ns) / ROUNDS);
    rule_set_fini(&set);
    for (size_t i = 0; rules && i < count; i++)
        rule_free(rules[i]);
    free(rules);
}

int main(void)
{
    measure_check();
    measure_rule("SELECT * FROM 'farm/#' WHERE temperature > 30");
    measure_rule("SELECT *, topic(2) AS device FROM 'farm/+/telemetry' WHERE temperature > 30 AND ok");
    measure_rule(
        "SELECT temperature, battery.volt AS volt FROM 'farm/+/telemetry' WHERE battery.percent < 90");
    measure_rule("SELECT topic(2) AS device FROM 'farm/+/telemetry' WHERE topic(2) = '7'");
    measure_rule("SELECT id FROM 'farm/#' WHERE kind IN ['air', 'water', 'soil'] AND humidity * 2 > 90");
    measure_rule("SELECT id FROM 'farm/#' WHERE regexp_matches(id, '^pi-[0-9]{4}$')");
    measure_rule("SELECT {'at': time, 'values': [temperature, humidity]} AS event FROM 'farm/#'");
    measure_set(1);
    measure_set(RULE_SET_LIST_MAX);
    measure_set(RULE_SET_LIST_MAX + 1);
    measure_set(10000);
    return 0;
}

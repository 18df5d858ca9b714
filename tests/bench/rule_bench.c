/*
 * What a rule costs a message: rule_matches and rule_select of one thread, in
 * ns, a JSON line each. Also a search through a set of 50 rules.
 */
#include "route/rule.h"
#include "route/rule_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 1000000, RULES = 50 };

static const char payload[] =
    "{\"time\":1763632800123,\"temperature\":31.25,\"humidity\":48.5,\"pressure\":1013.2,"
    "\"battery\":{\"volt\":3.71,\"percent\":84}}";

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
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

static void measure_rule(const char *sql)
{
    struct rule *rule = parse(sql);
    struct message message = {.topic = SPAN_LITERAL("farm/7/telemetry"),
                              .payload = span_from_string(payload)};
    struct buffer out = {0};
    size_t matched = 0;
    double start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        struct rule_input input = rule_input_of(&message, (struct rule_random){0});
        if (rule_matches(rule, &input) == RULE_MATCH)
            matched += rule_select(rule, &input, &out) == RULE_MATCH;
        buffer_consume(&out, buffer_len(&out));
    }
    printf("{\"bench\":\"rule\",\"sql\":\"%s\",\"payload_bytes\":%zu,\"matched\":%zu,\"ns\":%.0f}\n", sql,
           sizeof payload - 1, matched, (now_ns() - start_ns) / ROUNDS);
    buffer_fini(&out);
    rule_free(rule);
}

static void measure_set(void)
{
    struct rule *rules[RULES];
    struct rule_set set = {0};
    for (int i = 0; i < RULES; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT * FROM 'farm%d/+/telemetry'", i);
        rules[i] = parse(sql);
        rule_set_add(&set, rules[i], NULL);
    }
    size_t found = 0;
    double start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        for (size_t cursor = 0; rule_set_next(&set, SPAN_LITERAL("farm49/7/telemetry"), &cursor);)
            found++;
    printf("{\"bench\":\"rule_set\",\"rules\":%d,\"found\":%zu,\"ns\":%.0f}\n", RULES, found,
           (now_ns() - start_ns) / ROUNDS);
    rule_set_fini(&set);
    for (int i = 0; i < RULES; i++)
        rule_free(rules[i]);
}

int main(void)
{
    measure_rule("SELECT * FROM 'farm/#'");
    measure_rule("SELECT *, topic(2) AS device FROM 'farm/+/telemetry' WHERE temperature > 30");
    measure_rule("SELECT temperature, battery.volt AS volt FROM 'farm/+/telemetry' WHERE humidity > 90");
    measure_rule("SELECT topic(2) AS device FROM 'farm/+/telemetry'");
    measure_set();
    return 0;
}

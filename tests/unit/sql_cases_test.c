/* What rules make of messages, AWS IoT SQL's semantics row by row: sql_cases.tsv, which says how it reads. */
#include "base/buffer.h"
#include "route/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_MIN = 600, TEXT_BYTES = 4096 };

enum column { COLUMN_NAME, COLUMN_SQL, COLUMN_TOPIC, COLUMN_PAYLOAD, COLUMN_EXPECTED, COLUMN_COUNT };

static uint32_t next_word(void *ctx)
{
    uint32_t *count = ctx;
    return 0x11111111 * ++*count;
}

/* Bytes of "hex:..." in place, else the text as it is. */
static struct span payload_of(char *text)
{
    if (strncmp(text, "hex:", 4) != 0)
        return span_from_string(text);
    size_t len = strlen(text + 4) / 2;
    for (size_t i = 0; i < len; i++) {
        char digits[] = {text[4 + 2 * i], text[5 + 2 * i], '\0'};
        text[i] = (char)strtoul(digits, NULL, 16);
    }
    return span_of((const uint8_t *)text, len);
}

static void run_rule(const struct rule *rule, const struct message *message, char text[static TEXT_BYTES])
{
    uint32_t words = 0;
    struct rule_input input = rule_input_of(message, (struct rule_random){next_word, &words});
    struct buffer out = {0};
    enum rule_outcome outcome =
        rule_topic_matches(rule, message->topic) ? rule_matches(rule, &input) : RULE_NO_MATCH;
    if (outcome == RULE_MATCH)
        outcome = rule_select(rule, &input, &out);
    if (outcome == RULE_MATCH)
        snprintf(text, TEXT_BYTES, "%.*s", (int)buffer_len(&out), (const char *)buffer_span(&out).data);
    else
        snprintf(text, TEXT_BYTES, outcome == RULE_NO_MATCH ? "no match" : "bad payload");
    buffer_fini(&out);
}

static void run_row(char *columns[static COLUMN_COUNT], char text[static TEXT_BYTES])
{
    struct rule *rule;
    struct rule_error error;
    if (rule_parse(span_from_string(columns[COLUMN_SQL]), &rule, &error) != SLUICE_OK) {
        snprintf(text, TEXT_BYTES, "error %u:%u: %s", error.line, error.column, error.text);
        return;
    }
    struct message message = {.received_ms = 1763632800123,
                              .topic = span_from_string(columns[COLUMN_TOPIC]),
                              .payload = payload_of(columns[COLUMN_PAYLOAD]),
                              .client_id = SPAN_LITERAL("pi-7"),
                              .principal = SPAN_LITERAL("9f86d081884c7d65")};
    run_rule(rule, &message, text);
    rule_free(rule);
}

/* Cuts a line at its tabs. */
static size_t cut(char *line, char *ret_columns[static COLUMN_COUNT])
{
    size_t count = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *at = line; at && count < COLUMN_COUNT; count++) {
        ret_columns[count] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
    return count;
}

static void every_case_gives_what_aws_documents(void **state)
{
    (void)state;
    FILE *file = fopen(SQL_CASES, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0, rows = 0, wrong = 0;
    while (getline(&line, &capacity, file) > 0) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *columns[COLUMN_COUNT], text[TEXT_BYTES];
        if (cut(line, columns) != COLUMN_COUNT)
            fail_msg("%s has too few columns", columns[COLUMN_NAME]);
        run_row(columns, text);
        rows++;
        if (strcmp(text, columns[COLUMN_EXPECTED]) != 0) {
            wrong++;
            print_error("%s: %s\n  gives %s\n  not   %s\n", columns[COLUMN_NAME], columns[COLUMN_SQL], text,
                        columns[COLUMN_EXPECTED]);
        }
    }
    free(line);
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(rows >= ROWS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_what_aws_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

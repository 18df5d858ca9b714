/* rule_parse: what is SQL, and that an error says where and what is allowed. */
#include "route/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_rule_is_accepted_in_every_form(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "SELECT * FROM 'farm/#'",
        "select temperature, a.b.c as deep from '+' where temperature > 30",
        "SELECT *, topic(2) AS device\nFROM 'farm/+/telemetry'\r\n\tWHERE NOT (a = 1 OR b <> 'x') AND c <= "
        "-2.5e3",
        "SELECT 'it''s' AS text, \"double\" AS other, true AS yes, null AS nothing, 1 + 2 * 3 AS sum FROM "
        "'a'",
        "SELECT encode(*, 'base64') AS image, get(*, 'a-b') AS 'a-b' FROM \"camera/+\"",
        "SELECT CASE kind WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END AS kind FROM 'a'",
        "SELECT timestamp FROM 'a' WHERE topic = 'x'", /* function names are names too */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rule *rule;
        struct rule_error error = {0};
        if (rule_parse(span_from_string(rows[i]), &rule, &error) != SLUICE_OK)
            fail_msg("%s: %u:%u: %s", rows[i], error.line, error.column, error.text);
        rule_free(rule);
    }
}

static void an_error_names_the_place_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        unsigned line, column;
        const char *says;
    } rows[] = {
        {"", 1, 1, "expected SELECT, found the end"},
        {"UPDATE a", 1, 1, "expected SELECT, found `UPDATE`"},
        {"SELECT FROM 'a'", 1, 8, "expected a value"},
        {"SELECT * 'a'", 1, 10, "expected `,` or FROM, found the text 'a'"},
        {"SELECT *, FROM 'a'", 1, 11, "expected a value"},
        {"SELECT *, * FROM 'a'", 1, 11, "selected twice"},
        {"SELECT a, b.a FROM 'a'", 1, 11, "the name a is selected twice"},
        {"SELECT 1 + 2 FROM 'a'", 1, 14, "expected AS and a name"},
        {"SELECT a AS FROM 'a'", 1, 13, "expected a name after AS"},
        {"SELECT a. FROM 'a'", 1, 16, "expected `,` or FROM"},
        {"SELECT a.* FROM 'a'", 1, 10, "expected a name after `.`"},
        {"SELECT * FROM farm", 1, 15, "expected a Topic Filter in quotes"},
        {"SELECT * FROM 'farm/+x'", 1, 15, "is no Topic Filter"},
        {"SELECT * FROM ''", 1, 15, "is no Topic Filter"},
        {"SELECT * FROM '$share/g/a'", 1, 15, "no Shared Subscription"},
        {"SELECT * FROM 'farm", 1, 15, "without its closing quote"},
        {"SELECT *\nFROM 'a'\nWHERE a >", 3, 10, "expected a value"},
        {"SELECT *\nFROM 'a'\n  WHERE (a > 1", 3, 15, "expected an operator or `)`"},
        {"SELECT * FROM 'a' WHERE a = 1 b", 1, 31, "expected an operator or the end, found `b`"},
        {"SELECT * FROM 'a' LIMIT 1", 1, 19, "expected WHERE or the end"},
        {"SELECT * FROM 'a' WHERE a == 1", 1, 28, "expected a value"},
        {"SELECT * FROM 'a' WHERE a ! 1", 1, 27, "the character `!`"},
        {"SELECT \xc3\xa9 FROM 'a'", 1, 8, "a character that is not part of SQL"},
        {"SELECT '\xc3\xa9' AS a, ! FROM 'a'", 1, 18, "the character `!`"},
        {"SELECT sha256(a) AS b FROM 'a'", 1, 8, "no function sha256(); allowed: abs, cast, ceil, clientid"},
        {"SELECT topic(1, 2) AS b FROM 'a'", 1, 8, "topic() has 2 arguments; it takes 0 to 1"},
        {"SELECT abs() AS b FROM 'a'", 1, 8, "abs() has 0 arguments; it takes 1"},
        {"SELECT abs(*) AS b FROM 'a'", 1, 12, "expected a value"},
        {"SELECT abs(1 2) AS b FROM 'a'", 1, 14, "expected `,` or `)`"},
        {"SELECT CASE WHEN a THEN 1 END AS b FROM 'a'", 1, 13, "the value that WHEN compares with"},
        {"SELECT CASE a END AS b FROM 'a'", 1, 15, "expected WHEN"},
        {"SELECT CASE a WHEN 1 END AS b FROM 'a'", 1, 22, "expected THEN"},
        {"SELECT CASE a WHEN 1 THEN 2 AS b FROM 'a'", 1, 29, "expected WHEN, ELSE or END"},
        {"SELECT \xff FROM 'a'", 1, 1, "not UTF-8"},
        {"SELECT 997.5e1994 AS b FROM 'a'", 1, 8, "too large; allowed: up to 1.79e308"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rule *rule = NULL;
        struct rule_error error = {0};
        assert_int_equal(rule_parse(span_from_string(rows[i].sql), &rule, &error), SLUICE_INVALID);
        assert_null(rule);
        if (error.line != rows[i].line || error.column != rows[i].column || !strstr(error.text, rows[i].says))
            fail_msg("%s\n  gives %u:%u: %s", rows[i].sql, error.line, error.column, error.text);
    }
}

static char *repeat(const char *before, const char *middle, const char *after, const char *end, size_t count)
{
    char *sql = calloc(strlen(before) + strlen(end) + count * (strlen(middle) + strlen(after)) + 2, 1);
    char *at = stpcpy(sql, before);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, middle);
    at = stpcpy(at, "a");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, after);
    stpcpy(at, end);
    return sql;
}

static void nesting_without_bound_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *middle, *after;
    } rows[] = {{"(", ")"},   {"abs(", ")"}, {"- ", ""},      {"NOT ", ""},          {"", " + a"}, {"", ".a"},
                {"a = ", ""}, {"[", "]"},    {"{'a': ", "}"}, {"cast(", " AS Int)"}, {"(", ").a"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t count = 40; count <= 10000; count += 9960) {
            char *sql = repeat("SELECT * FROM 'x' WHERE ", rows[i].middle, rows[i].after, "", count);
            struct rule *rule = NULL;
            struct rule_error error = {0};
            enum sluice_error result = rule_parse(span_from_string(sql), &rule, &error);
            if ((result == SLUICE_OK) != (count == 40))
                fail_msg("%zu of `%sa%s`: %s", count, rows[i].middle, rows[i].after, error.text);
            rule_free(rule);
            free(sql);
        }
    }
}

static void counts_without_bound_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *end, *says;
    } rows[] = {
        {"SELECT concat(", ", a", ") AS b FROM 'x'", "too many arguments; at most 256"},
        {"SELECT CASE ", " WHEN 1 THEN 2", " END AS b FROM 'x'", "too many WHEN"},
        {"SELECT [", ", a", "] AS b FROM 'x'", "too many arguments; at most 256"},
        {"SELECT b", ", 1 AS ", " FROM 'x'", "expected a name after AS"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *sql = repeat(rows[i].before, "", rows[i].after, rows[i].end, 1000);
        struct rule *rule = NULL;
        struct rule_error error = {0};
        assert_int_equal(rule_parse(span_from_string(sql), &rule, &error), SLUICE_INVALID);
        if (!strstr(error.text, rows[i].says))
            fail_msg("%s", error.text);
        free(sql);
    }
}

static void items_are_bounded(void **state)
{
    (void)state;
    char sql[RULE_ITEMS_MAX * 12 + 64];
    for (int extra = 0; extra <= 1; extra++) {
        char *at = stpcpy(sql, "SELECT ");
        for (int i = 0; i < RULE_ITEMS_MAX + extra; i++)
            at += sprintf(at, "%s1 AS n%d", i > 0 ? "," : "", i);
        stpcpy(at, " FROM 'x'");
        struct rule *rule = NULL;
        struct rule_error error = {0};
        assert_int_equal(rule_parse(span_from_string(sql), &rule, &error),
                         extra ? SLUICE_INVALID : SLUICE_OK);
        rule_free(rule);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_accepted_in_every_form),
        cmocka_unit_test(an_error_names_the_place_and_what_is_allowed),
        cmocka_unit_test(nesting_without_bound_is_refused),
        cmocka_unit_test(counts_without_bound_are_refused),
        cmocka_unit_test(items_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Parts of events, and templates that are filled from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "route/transform.h"

#include <cmocka.h>

#define EVENT                                                                                                \
    "{\"id\":\"a\\\"b\",\"detail-type\":\"T\",\"time\":\"2026\",\"list\":[1,{\"x\":[true]}],\"resources\":[" \
    "\"arn\"]}"

static void a_path_names_a_part_of_an_event(void **state)
{
    static const struct {
        const char *path, *value; /* NULL: there is none */
    } rows[] = {
        {"$", EVENT},        {"$.time", "\"2026\""},     {"$.detail-type", "\"T\""},
        {"$.list[0]", "1"},  {"$.list[1].x[0]", "true"}, {"$.list[2]", NULL},
        {"$.nothing", NULL}, {"$.time.x", NULL},         {"$.time[0]", NULL},
        {"$[0]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span value = SPAN_EMPTY;
        assert_null(transform_path_fault(span_from_string(rows[i].path)));
        bool found = transform_find(SPAN_LITERAL(EVENT), span_from_string(rows[i].path), &value);
        if (found != (rows[i].value != NULL) || !span_equal(value, span_from_string(rows[i].value)))
            fail_msg("%s: %.*s", rows[i].path, (int)value.len, (const char *)value.data);
    }
}

static void what_is_no_path_is_refused(void **state)
{
    static const char *const rows[] = {"",        "time",   "$time",   "$.",    "$..a",        "$.a.",
                                       "$.a[",    "$.a[]",  "$.a[x]",  "$.a[1", "$.a]",        "$['a']",
                                       "$.a[-1]", "$.a[*]", "$.a[1]b", " $.a",  "$.a[1234567]"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!transform_path_fault(span_from_string(rows[i])))
            fail_msg("%s", rows[i]);
    }
}

static void a_template_is_filled(void **state)
{
    static char variables[][20] = {"id=$.id", "list=$.list", "n=$.list[0]", "none=$.none", "time=$.time"};
    static char *const pointers[] = {variables[0], variables[1], variables[2], variables[3], variables[4]};
    static const struct {
        const char *template, *filled, *unknown;
    } rows[] = {
        {"{\"t\": <time>, \"n\": <n>}", "{\"t\": \"2026\", \"n\": 1}", ""},
        {"{\"t\": \"at <time>, <n>\"}", "{\"t\": \"at 2026, 1\"}", ""},
        {"\"<id>\"", "\"a\\\"b\"", ""},
        {"\"<list>\"", "\"[1,{\\\"x\\\":[true]}]\"", ""},
        {"<list>", "[1,{\"x\":[true]}]", ""},
        {"at <n>", "\"at 1\"", ""},
        {"{\"a\": \"<none>\"}", "{\"a\": \"\"}", ""},
        {"{\"a\": \"\\\"<time>\\\"\"}", "{\"a\": \"\\\"2026\\\"\"}", ""},
        {"{\"a\": \"1 < 2 <> <\"}", "{\"a\": \"1 < 2 <> <\"}", ""},
        {"{\"e\": <aws.events.event.json>, \"r\": <aws.events.rule-arn>}",
         "{\"e\": " EVENT ", \"r\": \"arn\"}", ""},
        {"\"a<other>\"", "\"a\"", "other"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transform transform = {rows[i].template, pointers, 5};
        struct buffer out = {0};
        assert_true(span_equal(transform_unknown_name(&transform), span_from_string(rows[i].unknown)));
        transform_apply(&transform, SPAN_LITERAL(EVENT), &out);
        struct span filled = buffer_span(&out);
        if (!span_equal(filled, span_from_string(rows[i].filled)))
            fail_msg("%s: %.*s", rows[i].template, (int)filled.len, (const char *)filled.data);
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_names_a_part_of_an_event),
        cmocka_unit_test(what_is_no_path_is_refused),
        cmocka_unit_test(a_template_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

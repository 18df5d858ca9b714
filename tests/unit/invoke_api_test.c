/* How functions are called by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "app/invoke_api_internal.h"

#include <cmocka.h>

static void a_name_may_be_an_arn_and_have_a_qualifier(void **state)
{
    static const struct {
        const char *text, *name, *qualifier; /* name NULL: refused */
    } rows[] = {
        {"alert", "alert", ""},
        {"alert:live", "alert", "live"},
        {"function:alert", "alert", ""},
        {"123456789012:function:alert", "alert", ""},
        {"123456789012:function:alert:7", "alert", "7"},
        {"arn:aws:lambda:eu-west-1:123456789012:function:alert", "alert", ""},
        {"arn:aws:lambda:eu-west-1:123456789012:function:alert:$LATEST", "alert", "$LATEST"},
        {"", NULL, NULL},
        {":", NULL, NULL},
        {"alert:", NULL, NULL},
        {"a:b:c", NULL, NULL},
        {"arn:aws:lambda:eu-west-1:123456789012:layer:alert:7", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct invoke_api_name name = {0};
        bool is_name = invoke_api_name_read(span_from_string(rows[i].text), &name);
        if (is_name != (rows[i].name != NULL) || !span_equal(name.name, span_from_string(rows[i].name)) ||
            !span_equal(name.qualifier, span_from_string(rows[i].qualifier)))
            fail_msg("%s: %.*s %.*s", rows[i].text, (int)name.name.len, (const char *)name.name.data,
                     (int)name.qualifier.len, (const char *)name.qualifier.data);
    }
}

static void only_whole_escapes_are_decoded(void **state)
{
    static const struct {
        const char *text, *decoded; /* NULL: refused */
    } rows[] = {{"a%3Ab%24", "a:b$"}, {"", ""},      {"%3a", ":"}, {"%", NULL},
                {"%3", NULL},         {"%3G", NULL}, {"%G3", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer out = {0};
        bool decoded = invoke_api_decode(span_from_string(rows[i].text), &out);
        if (decoded != (rows[i].decoded != NULL) ||
            (decoded && !span_equal(buffer_span(&out), span_from_string(rows[i].decoded))))
            fail_msg("%s", rows[i].text);
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_may_be_an_arn_and_have_a_qualifier),
        cmocka_unit_test(only_whole_escapes_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* route/json.h: what is JSON and what is not, and looking into it without a tree. */
#include "base/json_write.h"
#include "route/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void only_one_json_value_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool valid;
    } rows[] = {
        {"object", "{\"a\":1,\"b\":[true,false,null]}", true},
        {"white space everywhere", " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", true},
        {"string alone", "\"text\"", true},
        {"number alone", "-0.5e+10", true},
        {"empty array", "[]", true},
        {"all escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", true},
        {"UTF-8", "\"gr\xc3\xbc\xc3\x9f\"", true},
        {"number beyond double", "1e999", true},
        {"nothing", "", false},
        {"white space alone", "  ", false},
        {"two values", "1 2", false},
        {"text after the value", "{\"a\":1}x", false},
        {"comma before the end", "[1,]", false},
        {"comma at the beginning", "[,1]", false},
        {"comma before the brace", "{\"a\":1,}", false},
        {"key without quotes", "{a:1}", false},
        {"key without value", "{\"a\"}", false},
        {"key that is a number", "{1:2}", false},
        {"wrong bracket", "[1}", false},
        {"open object", "{\"a\":1", false},
        {"open array", "[1", false},
        {"open string", "\"a", false},
        {"single quotes", "'a'", false},
        {"leading zero", "01", false},
        {"plus sign", "+1", false},
        {"bare point", "1.", false},
        {"no whole part", ".5", false},
        {"empty exponent", "1e", false},
        {"minus alone", "-", false},
        {"word cut short", "tru", false},
        {"word of other case", "True", false},
        {"NaN", "NaN", false},
        {"control character in a string", "\"a\nb\"", false},
        {"unknown escape", "\"\\x\"", false},
        {"short unicode escape", "\"\\u12\"", false},
        {"backslash at the end", "\"\\", false},
        {"invalid UTF-8", "\"\xff\"", false},
        {"overlong UTF-8", "\"\xc0\xaf\"", false},
        {"byte order mark", "\xef\xbb\xbf{}", false},
        {"comment", "{} // no", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t fault_at = 0;
        if (json_check(span_from_string(rows[i].text), &fault_at) != rows[i].valid)
            fail_msg("%s: %s", rows[i].name, rows[i].text);
        assert_true(fault_at <= strlen(rows[i].text));
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    size_t fault_at = 0;
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char *text = malloc(2 * depth);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_check(span_of(text, 2 * depth), &fault_at), depth == JSON_DEPTH_MAX);
        free(text);
    }
    assert_int_equal(fault_at, JSON_DEPTH_MAX);
}

/* What is cut off anywhere is no JSON; the sanitizers see a read past the end of the exact copy. */
static void every_prefix_is_refused_without_reading_past_it(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\u00e9\":[1.5e3,{\"b\":\"\\\"x\"},true],\"c\":null}";
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy + 1, text, len);
        size_t fault_at;
        assert_false(json_check(span_of(copy + 1, len), &fault_at));
        free(copy);
    }
}

static void members_are_found_by_name(void **state)
{
    (void)state;
    struct span object =
        SPAN_LITERAL("{ \"a\" : {\"x\":\"}\"} , \"\\u0062\":[1, 2],\"\":3,\"a\":4,\"\\\"\":5}");
    static const struct {
        const char *name, *value;
    } rows[] = {{"a", "{\"x\":\"}\"}"}, {"b", "[1, 2]"}, {"", "3"}, {"\"", "5"}, {"c", NULL},
                {"\\u0062", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span value = SPAN_EMPTY;
        assert_int_equal(json_member(object, span_from_string(rows[i].name), &value), rows[i].value != NULL);
        assert_true(span_equal(value, span_from_string(rows[i].value)));
    }
    struct span value;
    assert_false(json_member(SPAN_LITERAL("[1]"), SPAN_LITERAL("a"), &value));
}

static void text_survives_escaping_and_unescaping(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text, *written;
    } rows[] = {
        {"\"plain\"", "plain", "\"plain\""},
        {"\"\\u00e9\\u20ac\"", "\xc3\xa9\xe2\x82\xac", "\"\xc3\xa9\xe2\x82\xac\""},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx", "\"\xef\xbf\xbdx\""},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd\x41", "\"\xef\xbf\xbd\x41\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena = {0};
        struct buffer out = {0};
        struct span text = json_unescape(span_from_string(rows[i].json), &arena);
        assert_true(span_equal(text, span_from_string(rows[i].text)));
        json_write_string(&out, text);
        assert_true(span_equal(buffer_span(&out), span_from_string(rows[i].written)));
        buffer_fini(&out);
        arena_fini(&arena);
    }
}

static void numbers_are_written_short_and_exact(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text;
    } rows[] = {{0, "0"},
                {21.5, "21.5"},
                {-0.1, "-0.1"},
                {1e15, "1e+15"},
                {0.1 + 0.2, "0.30000000000000004"},
                {1763632800123, "1763632800123"},
                {9007199254740991, "9007199254740991"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[JSON_NUMBER_BYTES + 1] = "";
        json_format_number(rows[i].number, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_json_value_is_accepted),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(every_prefix_is_refused_without_reading_past_it),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(text_survives_escaping_and_unescaping),
        cmocka_unit_test(numbers_are_written_short_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

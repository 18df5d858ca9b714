/* topic.h: section 4.7 of the standard, its examples included, and what else it says follows. */
#include "wire/topic.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void expect(bool actual, bool expected, const char *a, const char *b)
{
    if (actual != expected)
        fail_msg("`%s` `%s`: got %d", a, b, actual);
}

static const struct {
    const char *name;
    const char *text;
    size_t len;
    bool valid;
} utf8_rows[] = {
#define ROW(name, text, valid)                                                                               \
    {                                                                                                        \
        name, text, sizeof(text) - 1, valid                                                                  \
    }
    ROW("empty", "", true),
    ROW("ASCII", "sensors/roof", true),
    ROW("the standard's A and U+2A6D4", "A\xF0\xAA\x9B\x94", true),
    ROW("U+0000", "a\0b", false),
    ROW("U+0000 in the ninth byte", "12345678\0", false),
    ROW("U+0000 in the last of eight", "1234567\0", false),
    ROW("U+0001 and U+001F are allowed", "\x01\x1F", true),
    ROW("U+007F", "\x7F", true),
    ROW("first of two bytes, U+0080", "\xC2\x80", true),
    ROW("last of two bytes, U+07FF", "\xDF\xBF", true),
    ROW("first of three bytes, U+0800", "\xE0\xA0\x80", true),
    ROW("before the surrogates, U+D7FF", "\xED\x9F\xBF", true),
    ROW("first surrogate, U+D800", "\xED\xA0\x80", false),
    ROW("last surrogate, U+DFFF", "\xED\xBF\xBF", false),
    ROW("after the surrogates, U+E000", "\xEE\x80\x80", true),
    ROW("U+FEFF is no byte order mark here", "\xEF\xBB\xBF", true),
    ROW("U+FFFF", "\xEF\xBF\xBF", true),
    ROW("first of four bytes, U+10000", "\xF0\x90\x80\x80", true),
    ROW("last of all, U+10FFFF", "\xF4\x8F\xBF\xBF", true),
    ROW("above U+10FFFF", "\xF4\x90\x80\x80", false),
    ROW("F5", "\xF5\x80\x80\x80", false),
    ROW("overlong slash in two bytes", "\xC0\xAF", false),
    ROW("overlong C1", "\xC1\xBF", false),
    ROW("overlong in three bytes", "\xE0\x9F\xBF", false),
    ROW("overlong in four bytes", "\xF0\x8F\xBF\xBF", false),
    ROW("overlong U+0000", "\xC0\x80", false),
    ROW("lone continuation", "a\x80", false),
    ROW("cut after one of two", "\xC3", false),
    ROW("cut after two of three", "\xE2\x82", false),
    ROW("cut after three of four", "\xF0\xAA\x9B", false),
    ROW("second byte is ASCII", "\xC3(", false),
    ROW("third byte is ASCII", "\xE2\x82(", false),
    ROW("fourth byte is ASCII", "\xF0\xAA\x9B(", false),
    ROW("FE", "\xFE", false),
    ROW("FF after eight plain bytes", "12345678\xFF", false),
    ROW("two bytes across a word's end", "1234567\xC3\xA9", true),
#undef ROW
};

static void utf8_is_checked_to_the_letter(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(utf8_rows); i++)
        if (utf8_valid(span_of(utf8_rows[i].text, utf8_rows[i].len)) != utf8_rows[i].valid)
            fail_msg("%s", utf8_rows[i].name);
}

/* The wide steps must see a fault wherever in a word, and in whatever length, it stands. */
static void a_fault_is_found_at_every_place_of_every_length(void **state)
{
    (void)state;
    char text[40];
    for (size_t len = 1; len <= sizeof text; len++)
        for (size_t at = 0; at < len; at++) {
            const struct {
                char byte;
                bool utf8, name;
            } rows[] = {{'a', true, true},  {'\0', false, false}, {'\x80', false, false}, {'+', true, false},
                        {'#', true, false}, {'*', true, true},    {'\x01', true, true}};
            for (size_t i = 0; i < COUNT(rows); i++) {
                memset(text, 'a', sizeof text);
                text[at] = rows[i].byte;
                assert_int_equal(utf8_valid(span_of(text, len)), rows[i].utf8);
                assert_int_equal(topic_name_valid(span_of(text, len)), rows[i].name);
            }
        }
}

static const struct {
    const char *filter;
    bool valid;
} filter_rows[] = {
    {"#", true},
    {"+", true},
    {"/", true},
    {"/finance", true},
    {"sport/tennis/player1/#", true},
    {"sport/tennis/#", true},
    {"sport/tennis#", false},
    {"sport/tennis/#/ranking", false},
    {"+/tennis/#", true},
    {"sport+", false},
    {"sport/+/player1", true},
    {"+/+", true},
    {"/+", true},
    {"$SYS/#", true},
    {"+a", false},
    {"a/+b/c", false},
    {"a/b+/c", false},
    {"++", false},
    {"+#", false},
    {"#+", false},
    {"##", false},
    {"#/", false},
    {"a/#/#", false},
    {"+/+/+/#", true},
    {"Accounts payable", true},
    {"caf\xC3\xA9/+", true},
    {"caf\xC3/+", false},
    {"", false},
};

static void filters_have_wildcards_only_where_they_may_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(filter_rows); i++)
        expect(topic_filter_valid(span_from_string(filter_rows[i].filter)), filter_rows[i].valid,
               filter_rows[i].filter, "");
}

static void names_are_1_to_65535_bytes(void **state)
{
    (void)state;
    static char text[65536];
    memset(text, '/', sizeof text);
    assert_false(topic_name_valid(span_of(text, 0)));
    assert_true(topic_name_valid(span_of(text, 1)));
    assert_true(topic_name_valid(span_of(text, 65535)));
    assert_false(topic_name_valid(span_of(text, 65536)));
    assert_true(topic_filter_valid(span_of(text, 65535)));
    assert_false(topic_filter_valid(span_of(text, 65536)));
    assert_false(topic_name_valid(SPAN_LITERAL("a\0b")));
    text[65534] = '#';
    assert_true(topic_filter_valid(span_of(text, 65535)));
    assert_false(topic_name_valid(span_of(text, 65535)));
}

static const struct {
    const char *filter, *name;
    bool matches;
} match_rows[] = {
    {"sport/tennis/player1/#", "sport/tennis/player1", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
    {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
    {"sport/tennis/player1/#", "sport/tennis/player2", false},
    {"sport/tennis/player1/#", "sport/tennis/player10", false},
    {"sport/#", "sport", true},
    {"sport/#", "sport/", true},
    {"#", "a", true},
    {"#", "/", true},
    {"#", "a/b/c", true},
    {"sport/tennis/+", "sport/tennis/player1", true},
    {"sport/tennis/+", "sport/tennis/player2", true},
    {"sport/tennis/+", "sport/tennis/player1/ranking", false},
    {"sport/+", "sport", false},
    {"sport/+", "sport/", true},
    {"+/+", "/finance", true},
    {"/+", "/finance", true},
    {"+", "/finance", false},
    {"+", "finance", true},
    {"+/tennis/#", "sport/tennis/x", true},
    {"sport/+/player1", "sport/tennis/player1", true},
    {"#", "$SYS/broker", false},
    {"+/monitor/Clients", "$SYS/monitor/Clients", false},
    {"+", "$SYS", false},
    {"$SYS/#", "$SYS/", true},
    {"$SYS/#", "$SYS", true},
    {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
    {"a/+", "a/$b", true},
    {"a/#", "a/$b", true},
    {"ACCOUNTS", "Accounts", false},
    {"Accounts payable", "Accounts payable", true},
    {"/finance", "finance", false},
    {"a/", "a", false},
    {"a", "a/", false},
    {"a//b", "a//b", true},
    {"a/+/b", "a//b", true},
    {"a/b", "a//b", false},
    {"a/b/#", "a", false},
    {"a/b", "a", false},
    {"a", "a/b", false},
};

static void filters_match_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(match_rows); i++)
        expect(topic_matches(span_from_string(match_rows[i].filter), span_from_string(match_rows[i].name)),
               match_rows[i].matches, match_rows[i].filter, match_rows[i].name);
}

static const struct {
    const char *outer, *inner;
    bool covers;
} cover_rows[] = {
    {"home/+", "home/#", false},
    {"home/#", "home/+", true},
    {"#", "a/+", true},
    {"#", "#", true},
    {"#", "+", true},
    {"#", "+/#", true},
    {"+/#", "#", true},
    {"+/#", "+", true},
    {"+/+/#", "#", false},
    {"+", "#", false},
    {"+/b", "a/b", true},
    {"a/b", "+/b", false},
    {"+", "+", true},
    {"+", "a", true},
    {"+", "a/b", false},
    {"+/+", "+", false},
    {"a/#", "a", true},
    {"a/#", "a/#", true},
    {"a/#", "a/b/#", true},
    {"a/b/#", "a/#", false},
    {"a/+/#", "a/#", false},
    {"a/+/#", "a/+", true},
    {"a/+/#", "a/b/c/+", true},
    {"a", "a", true},
    {"a", "b", false},
    {"a", "a/b", false},
    {"a/b", "a", false},
    {"#", "$SYS/a", false},
    {"#", "$SYS/#", false},
    {"+/a", "$SYS/a", false},
    {"$SYS/#", "$SYS/a", true},
    {"$SYS/+", "#", false},
    {"$SYS/#", "#", false},
    {"a/+", "a/$b", true},
    {"a//#", "a//b", true},
    {"a/+/b", "a//b", true},
};

static void filters_cover_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cover_rows); i++)
        expect(
            topic_filter_covers(span_from_string(cover_rows[i].outer), span_from_string(cover_rows[i].inner)),
            cover_rows[i].covers, cover_rows[i].outer, cover_rows[i].inner);
}

/* The n-th text of `depth` levels out of `levels`. */
static void spell(char *text, size_t n, size_t depth, const char *const *levels, size_t level_count)
{
    text[0] = '\0';
    for (size_t i = 0; i < depth; i++, n /= level_count) {
        strcat(text, i > 0 ? "/" : "");
        strcat(text, levels[n % level_count]);
    }
}

/* All non-empty texts of 1 to `depth_max` levels; their count. */
static size_t spell_all(char (*texts)[16], size_t depth_max, const char *const *levels, size_t level_count)
{
    size_t count = 0;
    for (size_t depth = 1, all = level_count; depth <= depth_max; depth++, all *= level_count)
        for (size_t n = 0; n < all; n++) {
            spell(texts[count], n, depth, levels, level_count);
            count += texts[count][0] != '\0';
        }
    return count;
}

static bool covers_by_matching(struct span outer, struct span inner, char (*names)[16], size_t name_count)
{
    for (size_t n = 0; n < name_count; n++)
        if (topic_matches(inner, span_from_string(names[n])) &&
            !topic_matches(outer, span_from_string(names[n])))
            return false;
    return true;
}

/* Names have a level that stands in no filter and go one level deeper, so that no pair agrees by chance. */
static void covering_agrees_with_matching(void **state)
{
    (void)state;
    static const char *const levels[] = {"+", "a", "$d", "", "c"};
    static char filters[2 * (4 + 16 + 64) + 1][16], names[4 + 16 + 64 + 256][16];
    size_t filter_count = spell_all(filters, 3, levels, 4);
    for (size_t i = 0, plain_count = filter_count; i < plain_count; i++) {
        strcpy(filters[filter_count], filters[i]);
        strcat(filters[filter_count++], "/#");
    }
    strcpy(filters[filter_count++], "#");
    size_t name_count = spell_all(names, 4, levels + 1, 4);
    for (size_t o = 0; o < filter_count; o++)
        for (size_t i = 0; i < filter_count; i++) {
            struct span outer = span_from_string(filters[o]), inner = span_from_string(filters[i]);
            expect(topic_filter_covers(outer, inner), covers_by_matching(outer, inner, names, name_count),
                   filters[o], filters[i]);
        }
}

static const struct {
    const char *filter;
    bool shared;
    const char *name, *inner;
} share_rows[] = {
    {"$share/consumer1/sport/tennis/+", true, "consumer1", "sport/tennis/+"},
    {"$share/g/#", true, "g", "#"},
    {"$share/g//", true, "g", "/"},
    {"$share/g//finance", true, "g", "/finance"},
    {"$share/g/$SYS/a", true, "g", "$SYS/a"},
    {"$share/", true, "", ""},
    {"$share//t", true, "", ""},
    {"$share/g", true, "", ""},
    {"$share/g/", true, "", ""},
    {"$share/g+/t", true, "", ""},
    {"$share/+/t", true, "", ""},
    {"$share/#", true, "", ""},
    {"$share/g#/t", true, "", ""},
    {"$share/g/t#", true, "", ""},
    {"$share", false, NULL, NULL},
    {"$shared/g/t", false, NULL, NULL},
    {"/$share/g/t", false, NULL, NULL},
    {"sport/#", false, NULL, NULL},
};

static void shared_subscriptions_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(share_rows); i++) {
        struct span name = SPAN_LITERAL("untouched"), inner = name;
        bool shared = topic_filter_share(span_from_string(share_rows[i].filter), &name, &inner);
        expect(shared, share_rows[i].shared, share_rows[i].filter, "");
        const char *expected_name = share_rows[i].shared ? share_rows[i].name : "untouched";
        const char *expected_inner = share_rows[i].shared ? share_rows[i].inner : "untouched";
        expect(span_equal(name, span_from_string(expected_name)), true, share_rows[i].filter, expected_name);
        expect(span_equal(inner, span_from_string(expected_inner)), true, share_rows[i].filter,
               expected_inner);
    }
}

static void levels_come_in_order_and_end(void **state)
{
    (void)state;
    const struct {
        const char *topic;
        const char *levels[4];
        size_t count;
    } rows[] = {
        {"a", {"a"}, 1},
        {"a/bc/d", {"a", "bc", "d"}, 3},
        {"/", {"", ""}, 2},
        {"//a/", {"", "", "a", ""}, 4},
        {"/finance", {"", "finance"}, 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span rest = span_from_string(rows[i].topic), level;
        bool done = false;
        for (size_t l = 0; l < rows[i].count; l++) {
            assert_true(topic_next_level(&rest, &done, &level));
            assert_true(span_equal(level, span_from_string(rows[i].levels[l])));
        }
        assert_false(topic_next_level(&rest, &done, &level));
        assert_int_equal(topic_level_count(span_from_string(rows[i].topic)), rows[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_checked_to_the_letter),
        cmocka_unit_test(a_fault_is_found_at_every_place_of_every_length),
        cmocka_unit_test(filters_have_wildcards_only_where_they_may_stand),
        cmocka_unit_test(names_are_1_to_65535_bytes),
        cmocka_unit_test(filters_match_names),
        cmocka_unit_test(filters_cover_filters),
        cmocka_unit_test(covering_agrees_with_matching),
        cmocka_unit_test(shared_subscriptions_are_taken_apart),
        cmocka_unit_test(levels_come_in_order_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

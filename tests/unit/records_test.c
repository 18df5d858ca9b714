/* Records events, the answers to batches, and the JSON text that they are written with. */
#include "base/json_write.h"
#include "invoke/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct span text;
    const char *json;
} strings[] = {
    {"plain", SPAN_LITERAL("farm/a"), "\"farm/a\""},
    {"empty", SPAN_LITERAL(""), "\"\""},
    {"quote and backslash", SPAN_LITERAL("a\"b\\"), "\"a\\\"b\\\\\""},
    {"control characters", SPAN_LITERAL("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
    {"NUL", SPAN_LITERAL("a\0b"), "\"a\\u0000b\""},
    {"UTF-8 of every length", SPAN_LITERAL("\xC2\xB0\xE2\x82\xAC\xF0\x9F\x98\x80"),
     "\"\xC2\xB0\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {"a stray continuation", SPAN_LITERAL("a\x80z"), "\"a\xEF\xBF\xBDz\""},
    {"a cut character", SPAN_LITERAL("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    {"an overlong slash", SPAN_LITERAL("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    {"a surrogate", SPAN_LITERAL("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
};

static void json_strings_are_always_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct buffer out = {0};
        print_message("  %s\n", strings[i].name);
        json_write_string(&out, strings[i].text);
        assert_true(span_equal(buffer_span(&out), span_from_string(strings[i].json)));
        buffer_fini(&out);
    }
}

/* Each ASCII character at each place among plain ones, which are written eight at a time. */
static void json_strings_escape_at_every_place(void **state)
{
    (void)state;
    static const char plain[] = "0123456789abcdefghi";
    for (unsigned character = 0; character < 0x80; character++) {
        char escape[16];
        struct buffer alone = {0};
        json_write_string(&alone, span_of(&(char){(char)character}, 1));
        struct span quoted = buffer_span(&alone);
        snprintf(escape, sizeof escape, "%.*s", (int)quoted.len - 2, (const char *)quoted.data + 1);
        for (size_t place = 0; place < sizeof plain - 1; place++) {
            char text[sizeof plain], expected[64];
            struct buffer out = {0};
            memcpy(text, plain, sizeof text);
            text[place] = (char)character;
            snprintf(expected, sizeof expected, "\"%.*s%s%s\"", (int)place, plain, escape, plain + place + 1);
            json_write_string(&out, span_of(text, sizeof plain - 1));
            assert_true(span_equal(buffer_span(&out), span_from_string(expected)));
            buffer_fini(&out);
        }
        buffer_fini(&alone);
    }
}

static void json_numbers_keep_every_digit(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *json;
    } numbers[] = {{0, "0"},
                   {7, "7"},
                   {10, "10"},
                   {1700000000123, "1700000000123"},
                   {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct buffer out = {0};
        json_write_u64(&out, numbers[i].value);
        assert_true(span_equal(buffer_span(&out), span_from_string(numbers[i].json)));
        buffer_fini(&out);
    }
}

static void md5_of_length(struct span bytes, char ret_hex[RECORDS_MD5_HEX_BYTES])
{
    snprintf(ret_hex, RECORDS_MD5_HEX_BYTES, "%032zu", bytes.len);
}

static void a_batch_has_the_shape_of_sqs(void **state)
{
    (void)state;
    static const struct records_source source = {SPAN_LITERAL("aws:sqs"), SPAN_LITERAL("arn:x"),
                                                 SPAN_LITERAL("eu-west-1"), md5_of_length, 0};
    static const struct record_attribute attributes[] = {{SPAN_LITERAL("topic"), SPAN_LITERAL("farm/a")},
                                                         {SPAN_LITERAL("client"), SPAN_LITERAL("c")}};
    struct buffer out = {0};
    struct records_writer writer = records_begin(&out, &source);
    records_add(&writer, &(struct record){.message_id = SPAN_LITERAL("m-1"),
                                          .body = SPAN_LITERAL("{\"t\":1}"),
                                          .sender_id = SPAN_LITERAL("c"),
                                          .receive_count = 1,
                                          .sent_ms = 1700000000000,
                                          .first_receive_ms = 1700000000001,
                                          .attributes = attributes,
                                          .attribute_count = 2});
    records_add(&writer, &(struct record){.message_id = SPAN_LITERAL("m-2")});
    records_end(&writer, SPAN_EMPTY);
    static const char expected[] =
        "{\"Records\":[{\"messageId\":\"m-1\",\"receiptHandle\":\"m-1\",\"body\":\"{\\\"t\\\":1}\","
        "\"attributes\":{\"ApproximateReceiveCount\":\"1\",\"SentTimestamp\":\"1700000000000\","
        "\"SenderId\":\"c\",\"ApproximateFirstReceiveTimestamp\":\"1700000000001\"},\"messageAttributes\":{"
        "\"topic\":{\"stringValue\":\"farm/a\",\"stringListValues\":[],\"binaryListValues\":[],"
        "\"dataType\":\"String\"},\"client\":{\"stringValue\":\"c\",\"stringListValues\":[],"
        "\"binaryListValues\":[],\"dataType\":\"String\"}},\"md5OfBody\":"
        "\"00000000000000000000000000000007\","
        "\"eventSource\":\"aws:sqs\",\"eventSourceARN\":\"arn:x\",\"awsRegion\":\"eu-west-1\"},"
        "{\"messageId\":\"m-2\",\"receiptHandle\":\"m-2\",\"body\":\"\",\"attributes\":{"
        "\"ApproximateReceiveCount\":\"0\",\"SentTimestamp\":\"0\",\"SenderId\":\"\","
        "\"ApproximateFirstReceiveTimestamp\":\"0\"},\"messageAttributes\":{},"
        "\"md5OfBody\":\"00000000000000000000000000000000\",\"eventSource\":\"aws:sqs\","
        "\"eventSourceARN\":\"arn:x\",\"awsRegion\":\"eu-west-1\"}]}";
    buffer_append(&out, span_of("", 1));
    assert_string_equal((const char *)out.data, expected);
    buffer_fini(&out);
}

/* The bound is of the whole event: with what stands around the records, and with escapes. */
static void an_event_has_as_many_records_as_its_bytes_have_room_for(void **state)
{
    (void)state;
    static const struct record record = {.message_id = SPAN_LITERAL("m"), .body = SPAN_LITERAL("\"\"\"")};
    struct records_source source = {.arn = SPAN_LITERAL("arn:x"), .md5 = md5_of_length};
    struct buffer whole = {0}, out = {0};
    struct records_writer writer = records_begin(&whole, &source);
    for (int i = 0; i < 3; i++)
        assert_true(records_add(&writer, &record));
    records_end(&writer, SPAN_EMPTY);
    for (size_t short_of = 0; short_of < 2; short_of++) {
        source.event_bytes_max = buffer_len(&whole) - short_of;
        writer = records_begin(&out, &source);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(records_add(&writer, &record), i < 3 - short_of);
        records_end(&writer, SPAN_EMPTY);
        assert_int_equal(writer.count, 3 - short_of);
        assert_true(buffer_len(&out) <= source.event_bytes_max);
        buffer_consume(&out, buffer_len(&out));
    }
    source.event_bytes_max = 1; /* one record goes alone */
    writer = records_begin(&out, &source);
    assert_true(records_add(&writer, &record));
    assert_false(records_add(&writer, &record));
    records_end(&writer, SPAN_EMPTY);
    buffer_fini(&whole);
    buffer_fini(&out);
}

static const struct {
    const char *answer;
    const char *failed; /* one character a record */
} answers[] = {
    {"", "..."},
    {"null", "..."},
    {"{}", "..."},
    {"{\"alerts\":[1]}", "..."},
    {"{\"batchItemFailures\":null}", "..."},
    {"{\"batchItemFailures\":[]}", "..."},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"}]}", ".x."},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":\"c\"},{\"itemIdentifier\":\"a\"}]}", "x.x"},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},{\"itemIdentifier\":\"b\"}]}", ".x."},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},{\"itemIdentifier\":\"z\"}]}", "xxx"},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", "xxx"},
    {"{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", "xxx"},
    {"{\"batchItemFailures\":[{\"itemidentifier\":\"b\"}]}", "xxx"},
    {"{\"batchItemFailures\":[\"b\"]}", "xxx"},
    {"{\"batchItemFailures\":{}}", "xxx"},
    {"{\"batchItemFailures\":\"b\"}", "xxx"},
    {"not JSON", "xxx"},
    {"\"done\"", "xxx"},
    {"[]", "xxx"},
};

static void answers_to_a_batch_follow_lambdas_rules(void **state)
{
    (void)state;
    static const struct span ids[] = {SPAN_LITERAL("a"), SPAN_LITERAL("b"), SPAN_LITERAL("c")};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bool failed[3] = {true, false, true};
        char seen[4] = "";
        records_failed(span_from_string(answers[i].answer), ids, 3, failed);
        for (size_t record = 0; record < 3; record++)
            seen[record] = failed[record] ? 'x' : '.';
        print_message("  %s\n", answers[i].answer);
        assert_string_equal(seen, answers[i].failed);
    }
}

/* Also in an order that is not the batch's. */
static void each_of_a_large_batch_is_found(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static char ids[COUNT][8];
    static struct span spans[COUNT];
    static bool failed[COUNT];
    struct buffer answer = {0};
    for (size_t i = 0; i < COUNT; i++)
        spans[i] = span_of(ids[i], (size_t)snprintf(ids[i], sizeof ids[i], "%zu", i * 7 % COUNT));
    buffer_append(&answer, SPAN_LITERAL("{\"batchItemFailures\":["));
    for (size_t i = COUNT; i-- > 0;) {
        char item[48];
        int len = snprintf(item, sizeof item, "{\"itemIdentifier\":\"%zu\"}%s", i, i > 0 ? "," : "");
        if (i % 2 == 0)
            buffer_append(&answer, span_of(item, (size_t)len));
    }
    buffer_append(&answer, SPAN_LITERAL("]}"));
    records_failed(buffer_span(&answer), spans, COUNT, failed);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(failed[i], i * 7 % COUNT % 2 == 0);
    buffer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_are_always_valid),
        cmocka_unit_test(json_strings_escape_at_every_place),
        cmocka_unit_test(json_numbers_keep_every_digit),
        cmocka_unit_test(a_batch_has_the_shape_of_sqs),
        cmocka_unit_test(an_event_has_as_many_records_as_its_bytes_have_room_for),
        cmocka_unit_test(answers_to_a_batch_follow_lambdas_rules),
        cmocka_unit_test(each_of_a_large_batch_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

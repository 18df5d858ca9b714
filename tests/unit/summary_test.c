/* The example function `summary`, as built. */
#include "handler_fixture.h"

#include <cjson/cJSON.h>

static double number(const cJSON *entry, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(entry, name));
}

/* The entry of a device and channel; fails if it is missing. */
static const cJSON *entry_of(const cJSON *result, const char *device, const char *channel)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(result, "summary"))
    {
        if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "device")), device) &&
            !strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "channel")), channel))
            return entry;
    }
    fail_msg("no entry for %s %s", device, channel);
    return NULL;
}

static const struct {
    const char *device, *channel;
    double count, min, mean, max;
} expected[] = {
    {"a", "temperature", 3, -4, 3, 10},
    {"a", "humidity", 1, 55, 55, 55},
    {"b", "temperature", 1, 20, 20, 20},
    {"", "temperature", 1, 1, 1, 1},
};

static void each_device_and_channel_is_summed_up(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"device\":\"a\",\"time\":1,\"temperature\":10}",
        "{\"device\":\"a\",\"time\":2,\"temperature\":-4,\"humidity\":55}",
        "{\"device\":\"b\",\"time\":3,\"temperature\":20,\"note\":\"text\"}",
        "{\"device\":\"a\",\"time\":4,\"temperature\":3}",
        "{\"temperature\":1}",
        "[1,2]",
        "not JSON",
    };
    struct host *host = handler_open(SUMMARY);
    struct buffer batch = handler_batch(bodies, sizeof bodies / sizeof bodies[0]);
    struct host_answer answer = handler_invoke(host, buffer_span(&batch));
    assert_true(answer.succeeded);
    cJSON *result = cJSON_ParseWithLength((const char *)answer.result.data, answer.result.len);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(result, "summary")),
                     sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const cJSON *entry = entry_of(result, expected[i].device, expected[i].channel);
        assert_true(number(entry, "count") == expected[i].count);
        assert_true(number(entry, "min") == expected[i].min);
        assert_true(number(entry, "mean") == expected[i].mean);
        assert_true(number(entry, "max") == expected[i].max);
    }
    cJSON_Delete(result);
    buffer_fini(&batch);
    host_free(host);
}

static void a_batch_without_numbers_gives_no_result(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"device\":\"a\",\"time\":1}"};
    struct host *host = handler_open(SUMMARY);
    struct buffer batch = handler_batch(bodies, 1);
    handler_expect(host, buffer_span(&batch), "");
    handler_expect(host, SPAN_LITERAL("{\"Records\":[]}"), "");
    buffer_fini(&batch);
    host_free(host);
}

static void a_single_event_is_refused_with_a_hint(void **state)
{
    (void)state;
    struct host *host = handler_open(SUMMARY);
    struct host_answer answer = handler_invoke(host, SPAN_LITERAL("{\"temperature\":1}"));
    assert_false(answer.succeeded);
    assert_string_equal(answer.error_type, "BadEvent");
    host_free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device_and_channel_is_summed_up),
        cmocka_unit_test(a_batch_without_numbers_gives_no_result),
        cmocka_unit_test(a_single_event_is_refused_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

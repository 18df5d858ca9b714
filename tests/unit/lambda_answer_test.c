/* lambda/answer.h: what the worker test cannot make a server say. */
#include "lambda/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct response response;
    bool succeeded;
    enum worker_error_kind kind;
    const char *type;
    const char *message;
} rows[] = {
    {"a recursive loop is the event's fault",
     {400, false, "RecursiveInvocationException", 0, SPAN_LITERAL("{}")},
     false,
     WORKER_ERROR_FUNCTION,
     "RecursiveInvocationException",
     "HTTP status 400: {}"},
    {"the same name with another status is not",
     {500, false, "InvalidRequestContentException", 0, {0}},
     false,
     WORKER_ERROR_TRANSPORT,
     "InvalidRequestContentException",
     "HTTP status 500"},
    {"a longer name is another",
     {400, false, "InvalidRequestContentExceptionToo", 0, {0}},
     false,
     WORKER_ERROR_TRANSPORT,
     "InvalidRequestContentExceptionToo",
     "HTTP status 400"},
    {"accepted", {202, false, NULL, 0, {0}}, true, 0, "", ""},
    {"a message that is no text",
     {200, true, NULL, 0, SPAN_LITERAL("{\"errorType\":1,\"errorMessage\":null}")},
     false,
     WORKER_ERROR_FUNCTION,
     "Function.Failed",
     "{\"errorType\":1,\"errorMessage\":null}"},
    {"a document that is an array",
     {200, true, NULL, 0, SPAN_LITERAL("[\"errorType\"]")},
     false,
     WORKER_ERROR_FUNCTION,
     "Function.Failed",
     "[\"errorType\"]"},
    {"no status at all",
     {0, false, NULL, 0, {0}},
     false,
     WORKER_ERROR_TRANSPORT,
     "Lambda.Refused",
     "HTTP status 0"},
};

static void assert_buffer(const struct buffer *buffer, const char *expected)
{
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)buffer_len(buffer), (const char *)buffer_span(buffer).data);
    assert_string_equal(text, expected);
}

static void what_answers_decides_whose_error_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("  %s\n", rows[i].name);
        struct answer answer = answer_of_response(&rows[i].response);
        assert_int_equal(answer.succeeded, rows[i].succeeded);
        assert_int_equal(answer.kind, rows[i].kind);
        assert_buffer(&answer.error_type, rows[i].type);
        assert_buffer(&answer.error_message, rows[i].message);
        answer_fini(&answer);
    }
}

static void only_the_beginning_of_a_foreign_body_is_shown(void **state)
{
    (void)state;
    char page[4096];
    memset(page, '<', sizeof page);
    const struct response response = {.status = 502, .body = span_of(page, sizeof page)};
    struct answer answer = answer_of_response(&response);
    assert_in_range(buffer_len(&answer.error_message), 256, 300);
    assert_int_equal(answer.payload.len, 0);
    answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_answers_decides_whose_error_it_is),
        cmocka_unit_test(only_the_beginning_of_a_foreign_body_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

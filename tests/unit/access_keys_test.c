/* Requests that are signed, rightly and wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "app/access_keys.h"
#include "base/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW_S = 1700000000 };
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* What is signed, and what is changed in it afterwards; NULL: nothing is. */
struct row {
    const char *name;
    enum access_key_fault wanted;
    const char *id, *secret, *service;
    int64_t late_s;
    const char *path, *body, *amz_header, *date;
    const char *unsigned_header;
};

static struct access_keys *load(const char *secret, char *ret_text)
{
    char file[] = "/tmp/access_keys_test.XXXXXX";
    int fd = mkstemp(file);
    assert_int_equal(write(fd, secret, strlen(secret)), strlen(secret));
    close(fd);
    struct config_key key = {.id = "AKIDEXAMPLE", .secret = file, .user = "ci"};
    struct config config = {.keys = &key, .key_count = 1};
    struct access_keys *keys = NULL;
    enum sluice_error error = access_keys_new(&config, &keys, ret_text);
    unlink(file);
    assert_int_equal(error == SLUICE_OK, keys != NULL);
    return keys;
}

static const char * or (const char *text, const char *normal)
{
    return text ? text : normal;
}

static enum access_key_fault verify(const struct access_keys *keys, const struct row *row,
                                    struct identity *ret_identity)
{
    char time[SIGV4_TIME_BYTES];
    struct buffer authorization = {0};
    sigv4_time((uint64_t)(NOW_S - row->late_s), time);
    struct sigv4_header headers[] = {{SPAN_LITERAL("host"), SPAN_LITERAL("box")},
                                     {SPAN_LITERAL("x-amz-date"), span_from_string(time)},
                                     {SPAN_LITERAL("x-amz-log-type"), SPAN_LITERAL("None")}};
    struct sigv4_request given = {.method = SPAN_LITERAL("POST"),
                                  .path = SPAN_LITERAL("/2015-03-31/functions/a%3Ab/invocations"),
                                  .query = SPAN_LITERAL("Qualifier=%24LATEST"),
                                  .headers = headers,
                                  .header_count = 3,
                                  .body = SPAN_LITERAL("{}")};
    sigv4_authorization(
        &(struct sigv4_scope){time, SPAN_LITERAL("eu-west-1"), span_from_string(or (row->service, "lambda"))},
        &(struct sigv4_key){span_from_string(or (row->id, "AKIDEXAMPLE")),
                            span_from_string(or (row->secret, SECRET))},
        &given, &authorization);
    struct http_request request = {
        .method = given.method,
        .path = row->path ? span_from_string(row->path) : given.path,
        .query = given.query,
        .body = row->body ? span_from_string(row->body) : given.body,
        .headers = {{SPAN_LITERAL("Host"), SPAN_LITERAL("box")},
                    {SPAN_LITERAL("X-Amz-Date"), span_from_string(or (row->date, time))},
                    {SPAN_LITERAL("X-Amz-Log-Type"), span_from_string(or (row->amz_header, "None"))},
                    {SPAN_LITERAL("Authorization"), buffer_span(&authorization)},
                    {span_from_string(or (row->unsigned_header, "User-Agent")), SPAN_LITERAL("tool")}},
        .header_count = 5};
    assert_true(access_keys_signed(&request));
    enum access_key_fault fault = access_keys_verify(keys, &request, NOW_S, ret_identity);
    buffer_fini(&authorization);
    return fault;
}

static void only_what_was_signed_with_a_key_is_its_users(void **state)
{
    static const struct row rows[] = {
        {.name = "right", .wanted = ACCESS_KEY_GOOD},
        {.name = "15 minutes late", .wanted = ACCESS_KEY_GOOD, .late_s = ACCESS_KEYS_SKEW_S},
        {.name = "15 minutes early", .wanted = ACCESS_KEY_GOOD, .late_s = -ACCESS_KEYS_SKEW_S},
        {.name = "too late", .wanted = ACCESS_KEY_EXPIRED, .late_s = ACCESS_KEYS_SKEW_S + 1},
        {.name = "too early", .wanted = ACCESS_KEY_EXPIRED, .late_s = -ACCESS_KEYS_SKEW_S - 1},
        {.name = "another secret", .wanted = ACCESS_KEY_WRONG, .secret = "another secret"},
        {.name = "nobody's key", .wanted = ACCESS_KEY_UNKNOWN, .id = "AKIDNOBODY"},
        {.name = "another body", .wanted = ACCESS_KEY_WRONG, .body = "[]"},
        {.name = "another path", .wanted = ACCESS_KEY_WRONG, .path = "/2015-03-31/functions/b/invocations"},
        {.name = "another header", .wanted = ACCESS_KEY_WRONG, .amz_header = "Tail"},
        {.name = "a header that was not signed and has to be",
         .wanted = ACCESS_KEY_MALFORMED,
         .unsigned_header = "X-Amz-Invocation-Type"},
        {.name = "another service", .wanted = ACCESS_KEY_MALFORMED, .service = "iam"},
        {.name = "another day than the key's", .wanted = ACCESS_KEY_MALFORMED, .date = "20231115T221320Z"},
        {.name = "another second", .wanted = ACCESS_KEY_WRONG, .date = "20231114T221321Z"},
        {.name = "no time", .wanted = ACCESS_KEY_MALFORMED, .date = "20231114T22132Z"},
        {.name = "no second", .wanted = ACCESS_KEY_MALFORMED, .date = "20231114T221361Z"},
    };
    (void)state;
    char text[ACCESS_KEYS_TEXT_BYTES];
    struct access_keys *keys = load(SECRET "\n", text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity identity = {0};
        enum access_key_fault fault = verify(keys, &rows[i], &identity);
        if (fault != rows[i].wanted)
            fail_msg("%s: %d", rows[i].name, fault);
        assert_int_equal(identity.kind == IDENTITY_USER, fault == ACCESS_KEY_GOOD);
        assert_string_equal(identity.name, fault == ACCESS_KEY_GOOD ? "ci" : "");
    }
    access_keys_free(keys);
}

static void what_is_no_signature_is_none(void **state)
{
    static const char *const headers[] = {
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential",
        "AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20231114/eu-west-1/lambda/aws4_request,SignedHeaders=host;x-amz-date",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-west-1/lambda/aws4_request,"
        "SignedHeaders=x-amz-date,Signature=00",
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20231114/eu-west-1/lambda,SignedHeaders=host;x-amz-date,Signature=00",
    };
    (void)state;
    char text[ACCESS_KEYS_TEXT_BYTES];
    struct access_keys *keys = load(SECRET, text);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct identity identity = {0};
        struct http_request request = {
            .headers = {{SPAN_LITERAL("Host"), SPAN_LITERAL("box")},
                        {SPAN_LITERAL("X-Amz-Date"), SPAN_LITERAL("20231114T221320Z")},
                        {SPAN_LITERAL("Authorization"), span_from_string(headers[i])}},
            .header_count = 3};
        if (access_keys_verify(keys, &request, NOW_S, &identity) == ACCESS_KEY_GOOD)
            fail_msg("%s", headers[i]);
        request.header_count = 1;
        assert_int_equal(access_keys_verify(keys, &request, NOW_S, &identity), ACCESS_KEY_MALFORMED);
    }
    access_keys_free(keys);
}

static void secrets_are_one_line_of_some_length(void **state)
{
    (void)state;
    char text[ACCESS_KEYS_TEXT_BYTES], long_line[200];
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    assert_null(load("short", text));
    assert_non_null(strstr(text, "is no secret access key; allowed: one line of 16 to 128 characters"));
    assert_null(load(long_line, text));
    assert_null(load("", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_signed_with_a_key_is_its_users),
        cmocka_unit_test(what_is_no_signature_is_none),
        cmocka_unit_test(secrets_are_one_line_of_some_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

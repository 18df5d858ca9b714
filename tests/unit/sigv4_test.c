/*
 * base/sigv4.h against AWS's own vectors, step by step, where their folder is
 * there (SIGV4_VECTORS); and against an example of AWS's documentation and the
 * paths of this product, which need no folder.
 */
#include "base/sigv4.h"

#include <cjson/cJSON.h>
#include <mbedtls/sha256.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { HEADERS_MAX = 16, VECTORS_MIN = 38 };

static const struct sigv4_key example_key = {SPAN_LITERAL("AKIDEXAMPLE"),
                                             SPAN_LITERAL("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};

static void assert_text(const struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer_len(buffer), strlen(expected));
    assert_memory_equal(buffer_span(buffer).data, expected, strlen(expected));
}

/* ---- AWS's vectors ---- */

struct vector {
    char *request_text;
    cJSON *context;
    char time[SIGV4_TIME_BYTES];
    char body_hash[65];
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_request request;
};

static char *read_file(const char *name, const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%s", SIGV4_VECTORS, name, file);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *text = calloc(1, 64 * 1024);
    assert_non_null(text);
    assert_true(fread(text, 1, 64 * 1024 - 1, in) > 0);
    fclose(in);
    return text;
}

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static bool flag_of(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void add_header(struct vector *vector, const char *name, struct span value)
{
    assert_true(vector->request.header_count < HEADERS_MAX);
    vector->headers[vector->request.header_count++] = (struct sigv4_header){span_from_string(name), value};
}

/* Ends the line at `line`, its continuation lines included, and gives the one after it. */
static char *end_line(char *line)
{
    char *end = line;
    do
        end = strchr(end, '\n') ? strchr(end, '\n') + 1 : end + strlen(end);
    while (*end == ' ' || *end == '\t');
    if (end[-1] == '\n')
        end[-1] = '\0';
    return end;
}

static void parse_request_line(struct vector *vector, char *line)
{
    char *target = strchr(line, ' ') + 1, *version = strrchr(line, ' ');
    *version = '\0';
    target[-1] = '\0';
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    vector->request.method = span_from_string(line);
    vector->request.path = span_from_string(target);
    vector->request.query = span_from_string(query);
}

static void parse_request(struct vector *vector)
{
    char *line = vector->request_text, *next = end_line(line);
    parse_request_line(vector, line);
    for (line = next; *line && *line != '\n'; line = next) {
        next = end_line(line);
        char *value = strchr(line, ':');
        *value++ = '\0';
        add_header(vector, line, span_from_string(value));
    }
    vector->request.body = span_from_string(*line ? line + 1 : line);
}

/* 2015-08-30T12:36:00Z to 20150830T123600Z */
static void compact_time(const char *timestamp, char *time)
{
    for (; *timestamp; timestamp++) {
        if (*timestamp != '-' && *timestamp != ':')
            *time++ = *timestamp;
    }
    *time = '\0';
}

static void hash_body(struct vector *vector)
{
    uint8_t hash[32];
    mbedtls_sha256(vector->request.body.data, vector->request.body.len, hash, 0);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(vector->body_hash + 2 * i, 3, "%02x", hash[i]);
}

static void load(struct vector *vector, const char *name)
{
    *vector = (struct vector){.request_text = read_file(name, "request.txt")};
    char *context = read_file(name, "context.json");
    vector->context = cJSON_Parse(context);
    free(context);
    assert_non_null(vector->context);
    vector->request.headers = vector->headers;
    vector->request.keep_path = !flag_of(vector->context, "normalize");
    parse_request(vector);
    compact_time(string_of(vector->context, "timestamp"), vector->time);
    add_header(vector, "X-Amz-Date", span_from_string(vector->time));
    const char *token = string_of(cJSON_GetObjectItem(vector->context, "credentials"), "token");
    if (token && !flag_of(vector->context, "omit_session_token"))
        add_header(vector, "X-Amz-Security-Token", span_from_string(token));
    hash_body(vector);
    if (flag_of(vector->context, "sign_body"))
        add_header(vector, "x-amz-content-sha256", span_from_string(vector->body_hash));
}

static void unload(struct vector *vector)
{
    cJSON_Delete(vector->context);
    free(vector->request_text);
}

static void assert_file(const char *name, const char *file, const struct buffer *actual)
{
    char *expected = read_file(name, file);
    assert_text(actual, expected);
    free(expected);
}

static void assert_authorization(const char *name, struct buffer *actual)
{
    char *signed_request = read_file(name, "header-signed-request.txt");
    char *expected = strstr(signed_request, "Authorization:");
    assert_non_null(expected);
    expected += strlen("Authorization:");
    expected[strcspn(expected, "\r\n")] = '\0';
    assert_text(actual, expected);
    free(signed_request);
}

static void check_vector(const char *name)
{
    struct vector vector;
    struct buffer canonical = {0}, string_to_sign = {0}, signature_text = {0}, authorization = {0};
    char signature[SIGV4_SIGNATURE_BYTES];
    load(&vector, name);
    const cJSON *credentials = cJSON_GetObjectItem(vector.context, "credentials");
    const struct sigv4_scope scope = {vector.time, span_from_string(string_of(vector.context, "region")),
                                      span_from_string(string_of(vector.context, "service"))};
    const struct sigv4_key key = {span_from_string(string_of(credentials, "access_key_id")),
                                  span_from_string(string_of(credentials, "secret_access_key"))};
    sigv4_canonical_request(&vector.request, &canonical);
    assert_file(name, "header-canonical-request.txt", &canonical);
    sigv4_string_to_sign(&scope, buffer_span(&canonical), &string_to_sign);
    assert_file(name, "header-string-to-sign.txt", &string_to_sign);
    sigv4_signature(&scope, key.secret_access_key, buffer_span(&string_to_sign), signature);
    buffer_append(&signature_text, span_from_string(signature));
    assert_file(name, "header-signature.txt", &signature_text);
    sigv4_authorization(&scope, &key, &vector.request, &authorization);
    assert_authorization(name, &authorization);
    buffer_fini(&canonical);
    buffer_fini(&string_to_sign);
    buffer_fini(&signature_text);
    buffer_fini(&authorization);
    unload(&vector);
}

static void every_vector_of_aws_holds_step_by_step(void **state)
{
    (void)state;
    DIR *folder = opendir(SIGV4_VECTORS);
    if (!folder) {
        print_message("SKIP: AWS's vectors are not at " SIGV4_VECTORS "\n");
        skip();
    }
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        print_message("  %s\n", entry->d_name);
        check_vector(entry->d_name);
        count++;
    }
    closedir(folder);
    assert_true(count >= VECTORS_MIN);
}

/* ---- Without the folder ---- */

/* "Create a signed AWS API request", AWS Identity and Access Management, ListUsers. */
static void the_example_of_the_documentation_holds(void **state)
{
    (void)state;
    const struct sigv4_header headers[] = {
        {SPAN_LITERAL("Host"), SPAN_LITERAL("iam.amazonaws.com")},
        {SPAN_LITERAL("Content-Type"), SPAN_LITERAL("application/x-www-form-urlencoded; charset=utf-8")},
        {SPAN_LITERAL("X-Amz-Date"), SPAN_LITERAL("20150830T123600Z")},
    };
    const struct sigv4_request request = {
        .method = SPAN_LITERAL("GET"),
        .path = SPAN_LITERAL("/"),
        .query = SPAN_LITERAL("Version=2010-05-08&Action=ListUsers"),
        .headers = headers,
        .header_count = 3,
    };
    const struct sigv4_scope scope = {"20150830T123600Z", SPAN_LITERAL("us-east-1"), SPAN_LITERAL("iam")};
    struct buffer out = {0};
    sigv4_authorization(&scope, &example_key, &request, &out);
    assert_text(&out, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
                      "SignedHeaders=content-type;host;x-amz-date, "
                      "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    buffer_fini(&out);
}

static const struct {
    const char *path;
    const char *query;
    const char *canonical; /* path and query */
} targets[] = {
    /* encoded once as it is sent, so twice in the end */
    {"/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aarchive/invocations",
     "Qualifier=live",
     "/2015-03-31/functions/"
     "arn%253Aaws%253Alambda%253Aeu-west-1%253A123456789012%253Afunction%253Aarchive/invocations\n"
     "Qualifier=live"},
    {"/2015-03-31/functions/f/invocations", "Qualifier=%24LATEST",
     "/2015-03-31/functions/f/invocations\nQualifier=%24LATEST"},
    {"", "", "/\n"},
    {"/..", "", "/\n"},
    {"/a/../../b", "", "/b\n"},
    {"/a", "b=2&b=1&a", "/a\na=&b=1&b=2"},
    {"/a", "%7e=%c3%a9&x=%zz&y=%4", "/a\nx=%25zz&y=%254&~=%C3%A9"},
    {"/a", "k=v=w&&=", "/a\n=&=&k=v%3Dw"},
};

static void paths_and_queries_have_one_canonical_form(void **state)
{
    (void)state;
    const struct sigv4_header host = {SPAN_LITERAL("Host"), SPAN_LITERAL("h")};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        const struct sigv4_request request = {
            .method = SPAN_LITERAL("POST"),
            .path = span_from_string(targets[i].path),
            .query = span_from_string(targets[i].query),
            .headers = &host,
            .header_count = 1,
        };
        char expected[512];
        snprintf(expected, sizeof expected, "POST\n%s\nhost:h\n\nhost\n%s", targets[i].canonical,
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        struct buffer out = {0};
        print_message("  %s?%s\n", targets[i].path, targets[i].query);
        sigv4_canonical_request(&request, &out);
        assert_text(&out, expected);
        buffer_fini(&out);
    }
}

static void time_is_written_in_utc(void **state)
{
    (void)state;
    char time[SIGV4_TIME_BYTES];
    sigv4_time(1440938160, time);
    assert_string_equal(time, "20150830T123600Z");
    sigv4_time(0, time);
    assert_string_equal(time, "19700101T000000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_of_aws_holds_step_by_step),
        cmocka_unit_test(the_example_of_the_documentation_holds),
        cmocka_unit_test(paths_and_queries_have_one_canonical_form),
        cmocka_unit_test(time_is_written_in_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* lambda/credentials.h and provider.h: the texts of the shared file and of what endpoints answer, and
 * when an endpoint is asked again. */
#include "lambda/provider.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char *or_none(const char *text)
{
    return text ? text : "none";
}

#define TWO_PROFILES                                                                                         \
    "# ours\n[default]\naws_access_key_id = A\naws_secret_access_key=S\n\n"                                  \
    "[ edge ]\r\n  aws_access_key_id=B\t\r\n; old\r\naws_secret_access_key = T/+=\r\n"                       \
    "aws_session_token = U==\r\nregion = eu-west-1\r\n"

static const struct {
    const char *name;
    const char *text;
    const char *profile;
    enum sluice_error error;
    const char *id, *secret, *token;
} files[] = {
    {"default", TWO_PROFILES, "default", SLUICE_OK, "A", "S", "none"},
    {"a named one, spaces and CRLF", TWO_PROFILES, "edge", SLUICE_OK, "B", "T/+=", "U=="},
    {"no such profile", TWO_PROFILES, "other", SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"no secret", "[default]\naws_access_key_id = A\n", "default", SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"an empty secret", "[default]\naws_access_key_id = A\naws_secret_access_key =\n", "default",
     SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"keys before any profile", "aws_access_key_id = A\naws_secret_access_key = S\n", "default",
     SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"commented out", "[default]\naws_access_key_id = A\n#aws_secret_access_key = S\n", "default",
     SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"the last one counts, no newline at the end",
     "[default]\naws_access_key_id = A\naws_access_key_id = B\naws_secret_access_key = S", "default",
     SLUICE_OK, "B", "S", "none"},
    {"empty", "", "default", SLUICE_NOT_FOUND, NULL, NULL, NULL},
    {"junk", "[\n]\n=\n[]\n[default\n\n \t\r\n", "default", SLUICE_NOT_FOUND, NULL, NULL, NULL},
};

static void a_profile_is_read_from_the_text_of_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct credentials credentials = {0};
        print_message("  %s\n", files[i].name);
        assert_int_equal(credentials_parse(span_from_string(files[i].text), files[i].profile, &credentials),
                         files[i].error);
        if (files[i].error) {
            assert_null(credentials.access_key_id);
            continue;
        }
        assert_string_equal(or_none(credentials.access_key_id), files[i].id);
        assert_string_equal(or_none(credentials.secret_access_key), files[i].secret);
        assert_string_equal(or_none(credentials.session_token), files[i].token);
        credentials_fini(&credentials);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_environment_comes_before_the_file(void **state)
{
    (void)state;
    struct credentials_source source;
    char error[256] = "";
    setenv("AWS_ACCESS_KEY_ID", "E", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "F", 1);
    credentials_open(&source);
    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_OK);
    assert_string_equal(source.current.access_key_id, "E");
    assert_string_equal(source.current.secret_access_key, "F");
    assert_null(source.current.session_token);
    credentials_close(&source);
    setenv("AWS_SECRET_ACCESS_KEY", "", 1); /* half a pair is none */
    credentials_open(&source);
    assert_null(source.current.access_key_id);
    credentials_close(&source);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void the_file_is_followed_and_a_broken_one_changes_nothing(void **state)
{
    (void)state;
    struct credentials_source source;
    char folder[] = "/tmp/lambda_credentials_test.XXXXXX", path[64], error[256] = "", expected[256];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/credentials", folder);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_PROFILE", "edge", 1);
    credentials_open(&source);

    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_IO);
    snprintf(expected, sizeof expected, "%s cannot be read: No such file or directory", path);
    assert_string_equal(error, expected);
    write_file(path, TWO_PROFILES);
    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_OK);
    assert_string_equal(source.current.access_key_id, "B");

    write_file(path, "[edge]\n");
    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_NOT_FOUND);
    snprintf(expected, sizeof expected, "%s has no keys for the profile 'edge'", path);
    assert_string_equal(error, expected);
    assert_string_equal(source.current.access_key_id, "B");
    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_OK); /* said once */

    write_file(path, "[edge]\naws_access_key_id=C\naws_secret_access_key=D\n");
    assert_int_equal(credentials_refresh(&source, error, sizeof error), SLUICE_OK);
    assert_string_equal(source.current.access_key_id, "C");
    assert_null(source.current.session_token);
    credentials_close(&source);
    unlink(path);
    rmdir(folder);
}

static void the_file_of_the_home_folder_is_the_default(void **state)
{
    (void)state;
    struct credentials_source source;
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    unsetenv("AWS_PROFILE");
    setenv("HOME", "/home/edge", 1);
    credentials_open(&source);
    assert_string_equal(source.path, "/home/edge/.aws/credentials");
    assert_string_equal(source.profile, "default");
    credentials_close(&source);
    unsetenv("HOME");
    credentials_open(&source); /* the user's own, from the system */
    assert_non_null(strstr(source.path, "/.aws/credentials"));
    credentials_close(&source);
}

static const struct {
    const char *name;
    const char *text;
    enum sluice_error error;
    const char *id, *secret, *token;
    uint64_t expires_ms;
} documents[] = {
    {"a container's",
     "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"2026-11-21T20:00:"
     "01Z\"}",
     SLUICE_OK, "A", "S", "T", UINT64_C(1795291201000)},
    {"AWS IoT's",
     "{\"credentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"S\",\"sessionToken\":\"T\","
     "\"expiration\":\"2026-11-21T20:00:01.5Z\"}}",
     SLUICE_OK, "A", "S", "T", UINT64_C(1795291201000)},
    {"without an end", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}", SLUICE_OK, "A", "S", "none", 0},
    {"with an end that is no date",
     "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"tomorrow\"}", SLUICE_INVALID, NULL,
     NULL, NULL, 0},
    {"with another time zone",
     "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"2026-11-21T20:00:01+01:00\"}",
     SLUICE_INVALID, NULL, NULL, NULL, 0},
    {"without a secret", "{\"AccessKeyId\":\"A\"}", SLUICE_INVALID, NULL, NULL, NULL, 0},
    {"of other types", "{\"AccessKeyId\":1,\"SecretAccessKey\":{}}", SLUICE_INVALID, NULL, NULL, NULL, 0},
    {"a list", "[]", SLUICE_INVALID, NULL, NULL, NULL, 0},
    {"no JSON", "<html>", SLUICE_INVALID, NULL, NULL, NULL, 0},
    {"empty", "", SLUICE_INVALID, NULL, NULL, NULL, 0},
};

static void an_endpoints_document_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct credentials credentials = {0};
        uint64_t expires_ms = 0;
        print_message("  %s\n", documents[i].name);
        assert_int_equal(provider_parse(span_from_string(documents[i].text), &credentials, &expires_ms),
                         documents[i].error);
        assert_int_equal(expires_ms, documents[i].expires_ms);
        if (!documents[i].error) {
            assert_string_equal(credentials.access_key_id, documents[i].id);
            assert_string_equal(credentials.secret_access_key, documents[i].secret);
            assert_string_equal(or_none(credentials.session_token), documents[i].token);
        }
        credentials_fini(&credentials);
    }
}

/* Listens on a port of this machine, which the URL has. */
static int listen_at(char *ret_url, size_t url_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(ret_url, url_bytes, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}

/* Gives credentials to the one who connects. */
static int answer_one(int listener)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 46\r\n\r\n"
                                 "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"secret\"}";
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(write(fd, answer, sizeof answer - 1), sizeof answer - 1);
    return fd;
}

static void refused_ones_are_fetched_with_the_back_off_of_failures(void **state)
{
    (void)state;
    enum { TURN_MS = 10 };
    char url[64], error[1024];
    struct transfers_now now = {.monotonic_ms = 1000, .wall_ms = 1000};
    int connection = -1, listener = listen_at(url, sizeof url);
    struct transfers *transfers = transfers_new(1);
    struct provider *provider = provider_new(&(struct provider_settings){.url = url}, transfers);
    provider_run(provider, &now, error, sizeof error);
    while (!provider_credentials(provider)->access_key_id) {
        transfers_run(transfers, &now);
        if (transfers_wait(transfers, connection < 0 ? listener : -1, 0, TURN_MS))
            connection = answer_one(listener);
    }
    close(listener);
    close(connection);
    now.monotonic_ms += 10000; /* old enough that others may be there */
    provider_refused(provider, now.monotonic_ms);
    assert_int_equal(provider_next_deadline_ms(provider), now.monotonic_ms);
    for (int failure = 0; failure < 8; failure++) { /* the delay is random, and may be none */
        uint64_t due_ms;
        now.monotonic_ms = provider_next_deadline_ms(provider);
        provider_run(provider, &now, error, sizeof error);
        while ((due_ms = provider_next_deadline_ms(provider)) == UINT64_MAX) {
            transfers_run(transfers, &now);
            transfers_wait(transfers, -1, 0, TURN_MS);
        }
        provider_refused(provider, now.monotonic_ms);
        assert_int_equal(provider_next_deadline_ms(provider), due_ms);
    }
    provider_free(provider);
    transfers_free(transfers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_is_read_from_the_text_of_the_file),
        cmocka_unit_test(the_environment_comes_before_the_file),
        cmocka_unit_test(the_file_is_followed_and_a_broken_one_changes_nothing),
        cmocka_unit_test(the_file_of_the_home_folder_is_the_default),
        cmocka_unit_test(an_endpoints_document_is_read),
        cmocka_unit_test(refused_ones_are_fetched_with_the_back_off_of_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

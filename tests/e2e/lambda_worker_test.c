/* The lambda worker as it is installed, over the worker protocol, against mock_lambda. */
#include "lambda_session.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { GATHERED = 32, MUCH_TIME_MS = 60 * 1000, LITTLE_TIME_MS = 100, ENOUGH_TO_SEND_MS = 1000 };

static void assert_span(struct span actual, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)actual.len, (const char *)actual.data);
    assert_string_equal(text, expected);
}

/* ---- Outcomes ---- */

static const struct {
    const char *event;
    const char *result; /* NULL: it is an error */
    enum worker_error_kind kind;
    const char *type;
    const char *message; /* NULL: libcurl's words */
    uint32_t retry_after_ms;
    const char *payload;
} outcomes[] = {
    {"{\"a\":1}", "{\"a\":1}", 0, NULL, NULL, 0, NULL},
    {"", "", 0, NULL, NULL, 0, NULL},
    {"\"nothing\"", "", 0, NULL, NULL, 0, NULL},
    {"\"fail\"", NULL, WORKER_ERROR_FUNCTION, "TypeError", "always fails", 0,
     "{\"errorType\":\"TypeError\",\"errorMessage\":\"always fails\",\"trace\":[]}"},
    {"\"fail without a document\"", NULL, WORKER_ERROR_FUNCTION, "Function.Failed", "just text", 0,
     "just text"},
    {"\"large error\"", NULL, WORKER_ERROR_FUNCTION, "Function.Failed", NULL, 0, ""},
    {"\"large\"", NULL, WORKER_ERROR_FUNCTION, "Function.ResponseSizeTooLarge",
     "Response payload size exceeded maximum allowed payload size (6291556 bytes).", 0, ""},
    {"\"400 content\"", NULL, WORKER_ERROR_FUNCTION, "InvalidRequestContentException",
     "HTTP status 400: Could not parse request body into json", 0, ""},
    {"\"413\"", NULL, WORKER_ERROR_FUNCTION, "RequestEntityTooLargeException", "HTTP status 413: too large",
     0, ""},
    {"\"429\"", NULL, WORKER_ERROR_THROTTLED, "TooManyRequestsException", "HTTP status 429: Rate Exceeded.",
     7000, ""},
    {"\"429 without a time\"", NULL, WORKER_ERROR_THROTTLED, "TooManyRequestsException",
     "HTTP status 429: {}", 0, ""},
    {"\"400 parameter\"", NULL, WORKER_ERROR_TRANSPORT, "InvalidParameterValueException",
     "HTTP status 400: no such qualifier", 0, ""},
    {"\"403\"", NULL, WORKER_ERROR_TRANSPORT, "ExpiredTokenException",
     "HTTP status 403: The security token included in the request is expired", 0, ""},
    {"\"404\"", NULL, WORKER_ERROR_TRANSPORT, "ResourceNotFoundException",
     "HTTP status 404: Function not found", 0, ""},
    {"\"302\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Refused", "HTTP status 302", 0, ""},
    {"\"500\"", NULL, WORKER_ERROR_TRANSPORT, "ServiceException", "HTTP status 500: An error occurred", 0,
     ""},
    {"\"503\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Refused", "HTTP status 503", 0, ""},
    {"\"503 with a time\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Refused", "HTTP status 503", 9000, ""},
    {"\"drop\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", NULL, 0, ""},
    {"\"drop half\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", NULL, 0, ""},
    {"\"reset\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", NULL, 0, ""},
    {"\"garbage\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", NULL, 0, ""},
    {"\"endless head\"", NULL, WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", NULL, 0, ""},
    {"{\"still\":\"there\"}", "{\"still\":\"there\"}", 0, NULL, NULL, 0, NULL},
};

static void every_response_becomes_the_outcome_that_the_queue_needs(void **state)
{
    struct session session;
    session_start_ready(&session, *state, "");
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        print_message("  %s\n", outcomes[i].event);
        struct worker_frame answer = session_ask(&session, outcomes[i].event);
        assert_int_equal(answer.type, outcomes[i].result ? WORKER_RESULT : WORKER_ERROR);
        if (outcomes[i].result) {
            assert_span(answer.result, outcomes[i].result);
            continue;
        }
        assert_int_equal(answer.error.kind, outcomes[i].kind);
        assert_span(answer.error.type, outcomes[i].type);
        assert_true(answer.error.message.len > 0);
        if (outcomes[i].message)
            assert_span(answer.error.message, outcomes[i].message);
        assert_int_equal(answer.error.retry_after_ms, outcomes[i].retry_after_ms);
        assert_span(answer.error.payload, outcomes[i].payload);
    }
    assert_int_equal(session_end(&session), 0);
}

static void an_event_invocation_is_accepted_and_has_no_result(void **state)
{
    struct session session;
    session_start_ready(&session, *state, ",\"invocationType\":\"Event\"");
    struct worker_frame answer = session_ask(&session, "{\"a\":1}");
    assert_int_equal(answer.type, WORKER_RESULT);
    assert_span(answer.result, "");
    assert_span(session_ask(&session, "\"describe\"").result,
                "POST /2015-03-31/functions/archive/invocations? Event signed");
    assert_int_equal(session_end(&session), 0);
}

static void events_and_results_of_6_mib_pass_and_events_for_later_of_1(void **state)
{
    static const struct {
        const char *settings;
        size_t bytes;
        const char *error_type; /* NULL: it passes */
    } rows[] = {
        {"", WORKER_PAYLOAD_BYTES_MAX, NULL},
        {",\"invocationType\":\"Event\"", 1024 * 1024, NULL},
        {",\"invocationType\":\"Event\"", 1024 * 1024 + 1, "RequestEntityTooLargeException"},
    };
    uint8_t *event = malloc(WORKER_PAYLOAD_BYTES_MAX);
    assert_non_null(event);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct session session;
        struct worker_frame answer;
        session_start_ready(&session, *state, rows[i].settings);
        memset(event, ' ', rows[i].bytes);
        session_invoke(&session, 1, span_of(event, rows[i].bytes), MUCH_TIME_MS);
        assert_true(session_receive(&session, &answer));
        if (rows[i].error_type) {
            assert_int_equal(answer.type, WORKER_ERROR);
            assert_int_equal(answer.error.kind, WORKER_ERROR_FUNCTION);
            assert_span(answer.error.type, rows[i].error_type);
        } else {
            assert_int_equal(answer.type, WORKER_RESULT);
            assert_int_equal(answer.result.len, i == 0 ? rows[i].bytes : 0);
        }
        assert_int_equal(session_end(&session), 0);
    }
    free(event);
}

/* ---- Signatures and credentials ---- */

static const char *const own_keys[] = {"AWS_ACCESS_KEY_ID=" TEST_KEY_ID, "AWS_SECRET_ACCESS_KEY=" TEST_SECRET,
                                       NULL};

static const struct {
    const char *function;
    const char *described;
} functions[] = {
    {"archive:live", "POST /2015-03-31/functions/archive/invocations?Qualifier=live RequestResponse signed"},
    {"archive:$LATEST",
     "POST /2015-03-31/functions/archive/invocations?Qualifier=%24LATEST RequestResponse signed"},
    {"arn:aws:lambda:eu-west-1:123456789012:function:archive:live",
     "POST "
     "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aarchive/invocations"
     "?Qualifier=live RequestResponse signed"},
};

static void names_arns_and_qualifiers_are_signed_as_they_are_sent(void **state)
{
    const struct mock *mock = *state;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        struct session session;
        struct worker_frame ready;
        session_start(&session, own_keys, session_settings(mock->port, functions[i].function, ""));
        assert_true(session_receive(&session, &ready));
        assert_span(session_ask(&session, "\"describe\"").result, functions[i].described);
        assert_int_equal(session_end(&session), 0);
    }
}

static void a_wrong_secret_is_refused_and_said_once(void **state)
{
    const struct mock *mock = *state;
    const char *const environment[] = {"AWS_ACCESS_KEY_ID=" TEST_KEY_ID, "AWS_SECRET_ACCESS_KEY=wrong", NULL};
    struct session session;
    struct worker_frame answer;
    session_start(&session, environment, session_settings(mock->port, "archive", ""));
    assert_true(session_receive(&session, &answer));
    for (int i = 0; i < 5; i++) {
        answer = session_ask(&session, "{}");
        assert_int_equal(answer.type, WORKER_ERROR);
        assert_int_equal(answer.error.kind, WORKER_ERROR_TRANSPORT);
        assert_span(answer.error.type, "InvalidSignatureException");
    }
    session_shut_down(&session);
    assert_false(session_receive(&session, &answer));
    assert_int_equal(session.log_count, 1);
    assert_non_null(strstr(session.log, "is not reached: InvalidSignatureException: HTTP status 403"));
    assert_int_equal(session_end(&session), 0);
}

static void temporary_credentials_send_their_token(void **state)
{
    (void)state;
    const char *const environment[] = {"AWS_ACCESS_KEY_ID=" TEST_KEY_ID, "AWS_SECRET_ACCESS_KEY=" TEST_SECRET,
                                       "AWS_SESSION_TOKEN=a+token/==", NULL};
    struct mock mock;
    struct session session;
    struct worker_frame ready;
    mock_start(&mock, "a+token/==");
    session_start(&session, environment, session_settings(mock.port, "archive", ""));
    assert_true(session_receive(&session, &ready));
    assert_span(session_ask(&session, "{}").result, "{}");
    assert_int_equal(session_end(&session), 0);
    mock_stop(&mock);
}

static void write_credentials(const char *path, const char *secret)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", TEST_KEY_ID, secret);
    fclose(file);
}

static void a_credentials_file_is_read_again_when_it_changes(void **state)
{
    const struct mock *mock = *state;
    char folder[] = "/tmp/lambda_worker_test.XXXXXX", path[64], variable[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/credentials", folder);
    snprintf(variable, sizeof variable, "AWS_SHARED_CREDENTIALS_FILE=%s", path);
    const char *const environment[] = {variable, NULL};
    struct session session;
    struct worker_frame ready;
    write_credentials(path, "an outdated secret");
    session_start(&session, environment, session_settings(mock->port, "archive", ""));
    assert_true(session_receive(&session, &ready));
    assert_int_equal(session_ask(&session, "{}").type, WORKER_ERROR);
    write_credentials(path, TEST_SECRET);
    assert_span(session_ask(&session, "{}").result, "{}");
    unlink(path);
    assert_span(session_ask(&session, "{}").result, "{}");
    assert_int_equal(session_end(&session), 0);
    rmdir(folder);
}

static void without_credentials_only_a_local_endpoint_is_asked(void **state)
{
    const struct mock *mock = *state;
    const char *const environment[] = {"AWS_SHARED_CREDENTIALS_FILE=/nowhere/credentials", NULL};
    struct session session;
    struct worker_frame answer;
    session_start(&session, environment, session_settings(mock->port, "archive", ""));
    assert_true(session_receive(&session, &answer));
    assert_int_equal(answer.type, WORKER_READY);
    assert_span(session_ask(&session, "{}").error.type, "InvalidSignatureException");
    assert_int_equal(session_end(&session), 0);
}

/* ---- What keeps the worker from starting ---- */

static const struct {
    const char *settings;
    const char *type;
    const char *message;
} refused[] = {
    {"{\"function\":\"archive\",\"region\":\"eu-west-1\"}", "Lambda.NoCredentials",
     "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and /nowhere/credentials "
     "cannot be read: No such file or directory"},
    {"{\"function\":\"archive\",\"region\":\"\"}", "Lambda.InvalidSettings",
     "'archive' needs an AWS Region: set provider.region, or give the function's ARN"},
    {"{}", "Lambda.InvalidSettings",
     "'' is no function of AWS Lambda; allowed are NAME, NAME:QUALIFIER, "
     "arn:aws:lambda:REGION:ACCOUNT:function:NAME and the same with :QUALIFIER"},
};

static void what_keeps_it_from_starting_is_one_sentence(void **state)
{
    (void)state;
    const char *const environment[] = {"AWS_SHARED_CREDENTIALS_FILE=/nowhere/credentials", NULL};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct session session;
        struct worker_frame answer;
        session_start(&session, environment, refused[i].settings);
        assert_true(session_receive(&session, &answer));
        assert_int_equal(answer.type, WORKER_ERROR);
        assert_int_equal(answer.invocation, 0);
        assert_int_equal(answer.error.kind, WORKER_ERROR_TRANSPORT);
        assert_span(answer.error.type, refused[i].type);
        assert_span(answer.error.message, refused[i].message);
        assert_false(session_receive(&session, &answer));
        assert_int_equal(session_end(&session), 1);
    }
}

/* ---- Many at once ---- */

static void as_many_invocations_as_ready_says_run_at_once(void **state)
{
    struct session session;
    struct worker_frame answer;
    bool answered[GATHERED + 1] = {false};
    session_start_ready(&session, *state, ",\"concurrency\":32");
    for (uint64_t i = 1; i <= GATHERED; i++)
        session_invoke(&session, i, SPAN_LITERAL("\"gather 32\""), MUCH_TIME_MS);
    for (int i = 0; i < GATHERED; i++) {
        assert_true(session_receive(&session, &answer));
        assert_int_equal(answer.type, WORKER_RESULT);
        assert_span(answer.result, "\"gathered\"");
        assert_in_range(answer.invocation, 1, GATHERED);
        assert_false(answered[answer.invocation]);
        answered[answer.invocation] = true;
    }
    assert_int_equal(session_end(&session), 0);
}

static void one_more_than_ready_says_is_turned_away(void **state)
{
    struct session session;
    struct worker_frame answer;
    session_start_ready(&session, *state, ",\"concurrency\":1");
    session_invoke(&session, 1, SPAN_LITERAL("\"silence\""), MUCH_TIME_MS);
    session_invoke(&session, 2, SPAN_LITERAL("{}"), MUCH_TIME_MS);
    assert_true(session_receive(&session, &answer));
    assert_int_equal(answer.invocation, 2);
    assert_span(answer.error.type, "Lambda.TooManyInvocations");
    assert_int_equal(session_end(&session), 0);
}

static void connections_are_kept_and_used_again(void **state)
{
    (void)state;
    struct mock mock;
    struct session session;
    mock_start(&mock, NULL);
    session_start_ready(&session, &mock, ",\"concurrency\":4");
    for (int i = 0; i < 20; i++)
        assert_span(session_ask(&session, "\"connections\"").result, "1");
    assert_int_equal(session_end(&session), 0);
    mock_stop(&mock);
}

/* ---- Deadlines ---- */

static void silence_ends_as_a_timeout_at_the_deadline(void **state)
{
    struct session session;
    struct worker_frame answer;
    session_start_ready(&session, *state, ",\"concurrency\":2");
    session_invoke(&session, 1, SPAN_LITERAL("\"silence\""), ENOUGH_TO_SEND_MS);
    assert_true(session_receive(&session, &answer));
    assert_int_equal(answer.error.kind, WORKER_ERROR_TIMEOUT);
    assert_span(answer.error.type, "Sandbox.Timedout");
    assert_memory_equal(answer.error.message.data, "Task timed out after ", 21);
    assert_span(session_ask(&session, "{}").result, "{}");
    assert_int_equal(session_end(&session), 0);
}

/* A server that takes connections and never reads from them, with little room for what it does not read. */
static int deaf_server(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int small = 4096, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return listener;
}

static void answer_one_request(int server, int *ret_connection)
{
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    char request[4096];
    *ret_connection = accept(server, NULL, NULL);
    assert_true(recv(*ret_connection, request, sizeof request, 0) > 0);
    assert_int_equal(send(*ret_connection, response, sizeof response - 1, MSG_NOSIGNAL), sizeof response - 1);
}

static const struct {
    const char *name;
    size_t event_bytes;
    bool over_a_used_connection;
} unsent[] = {
    {"the kernel holds it", 256 * 1024, false},
    {"the kernel holds it, on a connection that has worked", 256 * 1024, true},
    {"the kernel has no room for all of it", WORKER_PAYLOAD_BYTES_MAX, false},
};

static void what_could_not_be_sent_by_the_deadline_is_no_attempt(void **state)
{
    (void)state;
    static uint8_t event[WORKER_PAYLOAD_BYTES_MAX];
    memset(event, ' ', sizeof event);
    for (size_t i = 0; i < sizeof unsent / sizeof unsent[0]; i++) {
        struct session session;
        struct worker_frame answer;
        struct mock there = {0};
        int server = deaf_server(&there.port), connection = -1;
        print_message("  %s\n", unsent[i].name);
        session_start_ready(&session, &there, "");
        if (unsent[i].over_a_used_connection) {
            session_invoke(&session, 1, SPAN_LITERAL("{}"), MUCH_TIME_MS);
            answer_one_request(server, &connection);
            assert_true(session_receive(&session, &answer));
            assert_int_equal(answer.type, WORKER_RESULT);
        }
        session_invoke(&session, 1, span_of(event, unsent[i].event_bytes), LITTLE_TIME_MS);
        assert_true(session_receive(&session, &answer));
        assert_int_equal(answer.error.kind, WORKER_ERROR_TRANSPORT);
        assert_span(answer.error.type, "Lambda.Unreachable");
        assert_memory_equal(answer.error.message.data, "the request could not be sent within ", 37);
        assert_int_equal(session_end(&session), 0);
        if (connection >= 0)
            close(connection);
        close(server);
    }
}

static void an_endpoint_that_is_not_there_is_transport(void **state)
{
    const struct mock *mock = *state;
    char at_no_port[128], not_tls[128];
    snprintf(at_no_port, sizeof at_no_port,
             "{\"function\":\"f\",\"region\":\"r\",\"endpoint\":\"http://127.0.0.1:1\"}");
    snprintf(not_tls, sizeof not_tls,
             "{\"function\":\"f\",\"region\":\"r\",\"endpoint\":\"https://127.0.0.1:%u\"}", mock->port);
    const char *const settings[] = {at_no_port, not_tls};
    for (size_t i = 0; i < 2; i++) {
        struct session session;
        struct worker_frame answer;
        session_start(&session, own_keys, settings[i]);
        assert_true(session_receive(&session, &answer));
        answer = session_ask(&session, "{}");
        assert_int_equal(answer.error.kind, WORKER_ERROR_TRANSPORT);
        assert_span(answer.error.type, "Lambda.Unreachable");
        assert_int_equal(session_end(&session), 0);
    }
}

/* ---- The end ---- */

static void shutdown_waits_for_what_is_open(void **state)
{
    struct session session;
    struct worker_frame answer;
    session_start_ready(&session, *state, ",\"concurrency\":2");
    session_invoke(&session, 1, SPAN_LITERAL("\"gather 2\""), MUCH_TIME_MS);
    session_invoke(&session, 2, SPAN_LITERAL("\"gather 2\""), MUCH_TIME_MS);
    session_shut_down(&session);
    for (int i = 0; i < 2; i++) {
        assert_true(session_receive(&session, &answer));
        assert_int_equal(answer.type, WORKER_RESULT);
    }
    assert_false(session_receive(&session, &answer));
    assert_int_equal(session_end(&session), 0);
}

static void a_gateway_that_is_gone_ends_it_at_once(void **state)
{
    struct session session;
    session_start_ready(&session, *state, "");
    session_invoke(&session, 1, SPAN_LITERAL("\"silence\""), MUCH_TIME_MS);
    assert_int_equal(session_end(&session), 0);
}

static int start_mock(void **state)
{
    static struct mock mock;
    mock_start(&mock, NULL);
    *state = &mock;
    return 0;
}

static int stop_mock(void **state)
{
    mock_stop(*state);
    return 0;
}

int main(void)
{
    alarm(300); /* a hang is a failure too */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_response_becomes_the_outcome_that_the_queue_needs),
        cmocka_unit_test(an_event_invocation_is_accepted_and_has_no_result),
        cmocka_unit_test(events_and_results_of_6_mib_pass_and_events_for_later_of_1),
        cmocka_unit_test(names_arns_and_qualifiers_are_signed_as_they_are_sent),
        cmocka_unit_test(a_wrong_secret_is_refused_and_said_once),
        cmocka_unit_test(temporary_credentials_send_their_token),
        cmocka_unit_test(a_credentials_file_is_read_again_when_it_changes),
        cmocka_unit_test(without_credentials_only_a_local_endpoint_is_asked),
        cmocka_unit_test(what_keeps_it_from_starting_is_one_sentence),
        cmocka_unit_test(as_many_invocations_as_ready_says_run_at_once),
        cmocka_unit_test(one_more_than_ready_says_is_turned_away),
        cmocka_unit_test(connections_are_kept_and_used_again),
        cmocka_unit_test(silence_ends_as_a_timeout_at_the_deadline),
        cmocka_unit_test(what_could_not_be_sent_by_the_deadline_is_no_attempt),
        cmocka_unit_test(an_endpoint_that_is_not_there_is_transport),
        cmocka_unit_test(shutdown_waits_for_what_is_open),
        cmocka_unit_test(a_gateway_that_is_gone_ends_it_at_once),
    };
    return cmocka_run_group_tests(tests, start_mock, stop_mock);
}

/*
 * AWS Lambda's Invoke API as far as a test needs it: checks the signature, then
 * answers, fails or breaks off as the event tells it to (the table below); any
 * other event is its own result. One thread, plain HTTP on 127.0.0.1, kept-alive
 * connections; its port is the first line of its standard output. It ends when
 * its standard input does, so that none is left behind.
 *
 *   mock_lambda [ACCESS_KEY_ID SECRET_ACCESS_KEY REGION [SESSION_TOKEN]]
 *
 * Without arguments it checks no signature.
 */
#include "base/buffer.h"
#include "base/log.h"
#include "base/sigv4.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 128,
    HEADERS_MAX = 32,
    LARGE_BYTES = 7 * 1024 * 1024,
    ENDLESS_LINES = 4096,
    CLOCK_SKEW_S = 300,
};

struct connection {
    int fd; /* -1: free */
    struct buffer input;
    struct buffer output;
    bool close_after;
    unsigned gathering; /* answered once so many are gathering; 0: not */
};

struct request {
    struct span method, path, query, body;
    struct sigv4_header headers[HEADERS_MAX];
    size_t header_count;
};

struct mock {
    const char *access_key_id; /* NULL: signatures are not checked */
    const char *secret_access_key;
    const char *region;
    const char *session_token;
    struct connection connections[CONNECTIONS_MAX];
    unsigned accepted_count;
};

static const struct canned {
    const char *event;
    int status;
    const char *headers;
    const char *body;
} canned[] = {
    {"\"fail\"", 200, "X-Amz-Function-Error: Unhandled\r\n",
     "{\"errorType\":\"TypeError\",\"errorMessage\":\"always fails\",\"trace\":[]}"},
    {"\"fail without a document\"", 200, "X-Amz-Function-Error: Unhandled\r\n", "just text"},
    {"\"nothing\"", 200, "", ""},
    {"\"400 content\"", 400, "X-Amzn-ErrorType: InvalidRequestContentException\r\n",
     "{\"Type\":\"User\",\"message\":\"Could not parse request body into json\"}"},
    {"\"400 parameter\"", 400, "X-Amzn-ErrorType: InvalidParameterValueException\r\n",
     "{\"Type\":\"User\",\"message\":\"no such qualifier\"}"},
    {"\"403\"", 403, "X-Amzn-ErrorType: ExpiredTokenException:http://internal.amazon.com/coral/\r\n",
     "{\"message\":\"The security token included in the request is expired\"}"},
    {"\"404\"", 404, "X-Amzn-ErrorType: ResourceNotFoundException\r\n",
     "{\"Type\":\"User\",\"Message\":\"Function not found\"}"},
    {"\"413\"", 413, "X-Amzn-ErrorType: RequestEntityTooLargeException\r\n",
     "{\"Type\":\"User\",\"message\":\"too large\"}"},
    {"\"429\"", 429, "X-Amzn-ErrorType: TooManyRequestsException\r\nRetry-After: 7\r\n",
     "{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\",\"message\":\"Rate Exceeded.\"}"},
    {"\"429 without a time\"", 429, "X-Amzn-ErrorType: TooManyRequestsException\r\n", "{}"},
    {"\"500\"", 500, "X-Amzn-ErrorType: ServiceException\r\n", "{\"message\":\"An error occurred\"}"},
    {"\"503\"", 503, "", ""},
    {"\"503 with a time\"", 503, "Retry-After: 9\r\n", ""},
    {"\"302\"", 302, "Location: http://127.0.0.1:1/\r\n", ""},
};

/* ---- Requests ---- */

static struct span until(struct span *rest, const char *separator)
{
    size_t len = strlen(separator);
    const uint8_t *at = rest->len ? memmem(rest->data, rest->len, separator, len) : NULL;
    struct span first = at ? span_of(rest->data, (size_t)(at - rest->data)) : *rest;
    *rest = at ? span_skip(*rest, first.len + len) : SPAN_EMPTY;
    return first;
}

static bool is_named(struct span name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp((const char *)name.data, wanted, name.len) == 0;
}

static struct span header_of(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (is_named(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return SPAN_EMPTY;
}

static void parse_head(struct span head, struct request *request)
{
    struct span line = until(&head, "\r\n");
    request->method = until(&line, " ");
    struct span target = until(&line, " ");
    request->path = until(&target, "?");
    request->query = target;
    while (head.len > 0 && request->header_count < HEADERS_MAX) {
        struct sigv4_header *header = &request->headers[request->header_count++];
        line = until(&head, "\r\n");
        header->name = until(&line, ":");
        while (line.len > 0 && line.data[0] == ' ')
            line = span_skip(line, 1);
        header->value = line;
    }
}

/* The bytes of a whole request at the front of `input`, or 0. */
static size_t parse_request(struct span input, struct request *ret_request)
{
    struct span rest = input;
    struct span head = until(&rest, "\r\n\r\n");
    if (head.len == input.len)
        return 0;
    *ret_request = (struct request){0};
    parse_head(head, ret_request);
    struct span length = header_of(ret_request, "Content-Length");
    size_t body_len = length.len ? strtoul((const char *)length.data, NULL, 10) : 0;
    if (rest.len < body_len)
        return 0;
    ret_request->body = span_of(rest.data, body_len);
    return head.len + strlen("\r\n\r\n") + body_len;
}

/* ---- The signature ---- */

/* Keeps those headers that `names`, a list with semicolons, has. */
static size_t take_signed(const struct request *request, struct span names,
                          struct sigv4_header *signed_headers)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct span rest = names;
        while (rest.len > 0) {
            struct span name = until(&rest, ";");
            if (name.len == request->headers[i].name.len &&
                strncasecmp((const char *)name.data, (const char *)request->headers[i].name.data, name.len) ==
                    0)
                signed_headers[count++] = request->headers[i];
        }
    }
    return count;
}

static bool is_recent(const char *time_text)
{
    struct tm utc = {0};
    if (!strptime(time_text, "%Y%m%dT%H%M%SZ", &utc))
        return false;
    return llabs((long long)(timegm(&utc) - time(NULL))) <= CLOCK_SKEW_S;
}

static bool is_signed(const struct mock *mock, const struct request *request)
{
    struct span authorization = header_of(request, "Authorization"), date = header_of(request, "X-Amz-Date");
    struct span rest = authorization;
    until(&rest, "SignedHeaders=");
    struct span names = until(&rest, ",");
    char time_text[SIGV4_TIME_BYTES] = "";
    if (date.len != SIGV4_TIME_BYTES - 1)
        return false;
    memcpy(time_text, date.data, date.len);
    struct sigv4_header signed_headers[HEADERS_MAX];
    struct sigv4_request again = {request->method, request->path, request->query, signed_headers, 0,
                                  request->body,   false};
    again.header_count = take_signed(request, names, signed_headers);
    const struct sigv4_scope scope = {time_text, span_from_string(mock->region), SPAN_LITERAL("lambda")};
    const struct sigv4_key key = {span_from_string(mock->access_key_id),
                                  span_from_string(mock->secret_access_key)};
    struct buffer expected = {0};
    sigv4_authorization(&scope, &key, &again, &expected);
    bool equal = span_equal(buffer_span(&expected), authorization);
    buffer_fini(&expected);
    bool covers = memmem(names.data, names.len, "host", 4) && memmem(names.data, names.len, "x-amz-date", 10);
    return equal && covers && is_recent(time_text) &&
           span_equal(header_of(request, "X-Amz-Security-Token"), span_from_string(mock->session_token));
}

/* ---- Answers ---- */

static void respond(struct connection *connection, int status, const char *headers, struct span body)
{
    char head[512];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n", status,
                       body.len, headers);
    buffer_append(&connection->output, span_of(head, (size_t)len));
    buffer_append(&connection->output, body);
}

static void respond_large(struct connection *connection, const char *headers)
{
    char *text = calloc(1, LARGE_BYTES);
    if (text)
        respond(connection, 200, headers, span_of(memset(text, ' ', LARGE_BYTES), LARGE_BYTES));
    free(text);
}

/* What the request looked like: for tests of paths, qualifiers and invocation types. */
static void describe(struct connection *connection, const struct request *request)
{
    struct span type = header_of(request, "X-Amz-Invocation-Type");
    char text[1024];
    int len =
        snprintf(text, sizeof text, "%.*s %.*s?%.*s %.*s%s", (int)request->method.len,
                 (const char *)request->method.data, (int)request->path.len, (const char *)request->path.data,
                 (int)request->query.len, (const char *)request->query.data, (int)type.len,
                 (const char *)type.data, header_of(request, "Authorization").len ? " signed" : "");
    respond(connection, 200, "", span_of(text, (size_t)len));
}

/* Nobody is answered before so many ask at the same time. */
static void gather(struct mock *mock, struct connection *connection, unsigned wanted)
{
    unsigned gathered = 0;
    connection->gathering = wanted;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        gathered += mock->connections[i].gathering > 0;
    for (size_t i = 0; gathered >= wanted && i < CONNECTIONS_MAX; i++) {
        if (mock->connections[i].gathering > 0)
            respond(&mock->connections[i], 200, "", SPAN_LITERAL("\"gathered\""));
        mock->connections[i].gathering = 0;
    }
}

static void count_connections(const struct mock *mock, struct connection *connection)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%u", mock->accepted_count);
    respond(connection, 200, "", span_of(text, (size_t)len));
}

static void break_off(struct connection *connection, const char *bytes)
{
    buffer_append(&connection->output, span_from_string(bytes));
    connection->close_after = true;
}

static void reset(struct connection *connection)
{
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    connection->close_after = true;
}

static void endless_head(struct connection *connection)
{
    buffer_append(&connection->output, SPAN_LITERAL("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < ENDLESS_LINES; i++)
        buffer_append(&connection->output, SPAN_LITERAL("X-Filler: 0123456789abcdef0123456789abcdef\r\n"));
}

/* Events that need more than a canned answer; false: this is none. */
static bool misbehave(struct mock *mock, struct connection *connection, const struct request *request)
{
    char event[64] = "";
    memcpy(event, request->body.data,
           request->body.len < sizeof event ? request->body.len : sizeof event - 1);
    if (strcmp(event, "\"drop\"") == 0)
        break_off(connection, "");
    else if (strcmp(event, "\"reset\"") == 0)
        reset(connection);
    else if (strcmp(event, "\"drop half\"") == 0)
        break_off(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    else if (strcmp(event, "\"garbage\"") == 0)
        break_off(connection, "this is no HTTP\r\n\r\n");
    else if (strcmp(event, "\"endless head\"") == 0)
        endless_head(connection);
    else if (strcmp(event, "\"large\"") == 0)
        respond_large(connection, "");
    else if (strcmp(event, "\"large error\"") == 0)
        respond_large(connection, "X-Amz-Function-Error: Unhandled\r\n");
    else if (strcmp(event, "\"describe\"") == 0)
        describe(connection, request);
    else if (strcmp(event, "\"connections\"") == 0)
        count_connections(mock, connection);
    else if (strncmp(event, "\"gather ", 8) == 0)
        gather(mock, connection, (unsigned)strtoul(event + 8, NULL, 10));
    else
        return strcmp(event, "\"silence\"") == 0; /* to which there is no answer */
    return true;
}

static void serve(struct mock *mock, struct connection *connection, const struct request *request)
{
    if (mock->access_key_id && !is_signed(mock, request)) {
        respond(connection, 403, "X-Amzn-ErrorType: InvalidSignatureException\r\n",
                SPAN_LITERAL("{\"message\":\"The request signature we calculated does not match\"}"));
        return;
    }
    for (size_t i = 0; i < sizeof canned / sizeof canned[0]; i++) {
        if (span_equal(request->body, span_from_string(canned[i].event))) {
            respond(connection, canned[i].status, canned[i].headers, span_from_string(canned[i].body));
            return;
        }
    }
    if (misbehave(mock, connection, request))
        return;
    bool queued = span_equal(header_of(request, "X-Amz-Invocation-Type"), SPAN_LITERAL("Event"));
    respond(connection, queued ? 202 : 200, "", queued ? SPAN_EMPTY : request->body);
}

/* ---- Connections ---- */

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    buffer_fini(&connection->input);
    buffer_fini(&connection->output);
    *connection = (struct connection){.fd = -1};
}

static void accept_connection(struct mock *mock, int listener)
{
    int fd = accept(listener, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
        if (mock->connections[i].fd < 0) {
            mock->connections[i].fd = fd;
            mock->accepted_count++;
            return;
        }
    }
    log_fatal("no room for another connection");
}

static void read_requests(struct mock *mock, struct connection *connection)
{
    struct request request;
    size_t len;
    ssize_t got = recv(connection->fd, buffer_reserve(&connection->input, 65536), 65536, 0);
    if (got <= 0) {
        close_connection(connection);
        return;
    }
    buffer_grown(&connection->input, (size_t)got);
    if (buffer_span(&connection->input).data[0] < 'A') { /* a TLS handshake begins with 0x16 */
        break_off(connection, "HTTP/1.1 400 Bad Request\r\n\r\n");
        return;
    }
    while ((len = parse_request(buffer_span(&connection->input), &request)) > 0) {
        serve(mock, connection, &request);
        buffer_consume(&connection->input, len);
    }
}

static void write_answers(struct connection *connection)
{
    struct span output = buffer_span(&connection->output);
    ssize_t sent =
        output.len ? send(connection->fd, output.data, output.len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent > 0)
        buffer_consume(&connection->output, (size_t)sent);
    if (connection->close_after && buffer_len(&connection->output) == 0)
        close_connection(connection);
}

static void run(struct mock *mock, int listener)
{
    for (;;) {
        struct pollfd fds[CONNECTIONS_MAX + 2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                                  {.fd = listener, .events = POLLIN}};
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            const struct connection *connection = &mock->connections[i];
            bool writing =
                connection->fd >= 0 && (buffer_len(&connection->output) || connection->close_after);
            fds[i + 2] =
                (struct pollfd){.fd = connection->fd, .events = (short)(writing ? POLLIN | POLLOUT : POLLIN)};
        }
        poll(fds, CONNECTIONS_MAX + 2, -1);
        if (fds[0].revents)
            return;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            struct connection *connection = &mock->connections[i];
            if (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR))
                read_requests(mock, connection);
            if (connection->fd >= 0)
                write_answers(connection);
        }
        if (fds[1].revents)
            accept_connection(mock, listener);
    }
}

static int listen_on_any_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, CONNECTIONS_MAX) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        log_fatal("the mock cannot listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    static struct mock mock;
    if (argc != 1 && argc != 4 && argc != 5)
        log_fatal("mock_lambda [ACCESS_KEY_ID SECRET_ACCESS_KEY REGION [SESSION_TOKEN]]");
    if (argc > 1) {
        mock.access_key_id = argv[1];
        mock.secret_access_key = argv[2];
        mock.region = argv[3];
        mock.session_token = argc > 4 ? argv[4] : "";
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        mock.connections[i].fd = -1;
    int listener = listen_on_any_port();
    run(&mock, listener);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (mock.connections[i].fd >= 0)
            close_connection(&mock.connections[i]);
    }
    close(listener);
    return 0;
}

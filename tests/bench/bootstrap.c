/*
 * The least that a client of the Lambda Runtime API can be: answers each event with
 * itself, over one connection that is kept. It takes no time of its own, so that
 * what is measured is the gateway's.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES_MAX = 65536 };

struct exchange {
    char bytes[BYTES_MAX + 1]; /* of a response */
    size_t head_bytes, body_bytes;
};

static int open_connection(const char *api)
{
    char host[64];
    unsigned port;
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!api || sscanf(api, "%63[^:]:%u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -1;
    address.sin_port = htons((uint16_t)port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* The text behind a header's name, or NULL. */
static const char *header(const struct exchange *exchange, const char *name)
{
    const char *end = exchange->bytes + exchange->head_bytes;
    for (const char *line = exchange->bytes; line < end; line = strchr(line, '\n') + 1) {
        if (strncasecmp(line, name, strlen(name)) == 0)
            return line + strlen(name);
    }
    return NULL;
}

/* Reads until a whole response is there. */
static bool receive(int fd, struct exchange *exchange)
{
    size_t have = 0;
    *exchange = (struct exchange){.head_bytes = 0};
    for (;;) {
        ssize_t count = recv(fd, exchange->bytes + have, BYTES_MAX - have, 0);
        if (count <= 0)
            return false;
        have += (size_t)count;
        exchange->bytes[have] = '\0';
        const char *blank = exchange->head_bytes ? NULL : strstr(exchange->bytes, "\r\n\r\n");
        if (blank) {
            exchange->head_bytes = (size_t)(blank - exchange->bytes) + 4;
            const char *length = header(exchange, "Content-Length:");
            exchange->body_bytes = length ? strtoul(length, NULL, 10) : 0;
        }
        if (exchange->head_bytes && have >= exchange->head_bytes + exchange->body_bytes)
            return true;
    }
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

int main(void)
{
    static const char next[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n";
    static struct exchange event, answer;
    static char request[BYTES_MAX + 256];
    int fd = open_connection(getenv("AWS_LAMBDA_RUNTIME_API"));
    while (fd >= 0 && send_all(fd, next, sizeof next - 1) && receive(fd, &event)) {
        const char *id = header(&event, "Lambda-Runtime-Aws-Request-Id: ");
        if (!id)
            return 1;
        int len = snprintf(request, sizeof request,
                           "POST /2018-06-01/runtime/invocation/%.*s/response HTTP/1.1\r\n"
                           "Host: runtime\r\nContent-Length: %zu\r\n\r\n%.*s",
                           (int)strcspn(id, "\r"), id, event.body_bytes, (int)event.body_bytes,
                           event.bytes + event.head_bytes);
        if (!send_all(fd, request, (size_t)len) || !receive(fd, &answer))
            return 1;
    }
    return 1; /* the environment ends by a signal */
}

#include "lambda/transfers.h"

#include "base/log.h"
#include "base/memory.h"

#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>

enum { WAIT_MAX_MS = 60 * 1000 };

struct transfers {
    CURLM *multi;
};

struct transfers *transfers_new(uint32_t connection_count)
{
    struct transfers *transfers = memory_new(sizeof *transfers);
    transfers->multi = curl_multi_init();
    curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS,
                      (long)connection_count); /* the default is few */
    curl_multi_setopt(transfers->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return transfers;
}

void transfers_free(struct transfers *transfers)
{
    curl_multi_cleanup(transfers->multi);
    memory_free(transfers);
}

CURL *transfers_easy(void)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        log_fatal("out of memory");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a deadline does not wait for a name server */
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L); /* routers forget a connection that waits long */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    return easy;
}

void transfers_start(struct transfers *transfers, struct transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_multi_add_handle(transfers->multi, transfer->easy);
}

void transfers_drop(struct transfers *transfers, struct transfer *transfer)
{
    curl_multi_remove_handle(transfers->multi, transfer->easy);
}

static bool has_local_port(int fd, long port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) != 0)
        return false;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port) == port;
}

/* libcurl says it only of transfers that have ended (CURLINFO_ACTIVESOCKET), but the local port at any time.
 */
int transfers_socket(struct transfers *transfers, const struct transfer *transfer)
{
    fd_set reading, writing, failing;
    int last = -1;
    long port = 0;
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_ZERO(&failing);
    curl_multi_fdset(transfers->multi, &reading, &writing, &failing, &last);
    curl_easy_getinfo(transfer->easy, CURLINFO_LOCAL_PORT, &port);
    for (int fd = 0; fd <= last; fd++) {
        if ((FD_ISSET(fd, &reading) || FD_ISSET(fd, &writing)) && has_local_port(fd, port))
            return fd;
    }
    return -1;
}

bool transfers_wait(struct transfers *transfers, int fd, uint64_t now_ms, uint64_t until_ms)
{
    struct curl_waitfd waiting = {.fd = fd, .events = CURL_WAIT_POLLIN};
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    curl_multi_poll(transfers->multi, &waiting, 1, (int)(left_ms < WAIT_MAX_MS ? left_ms : WAIT_MAX_MS),
                    NULL);
    return waiting.revents != 0;
}

void transfers_run(struct transfers *transfers, const struct transfers_now *now)
{
    CURLMsg *message;
    int count;
    curl_multi_perform(transfers->multi, &count);
    while ((message = curl_multi_info_read(transfers->multi, &count))) {
        struct transfer *transfer;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer->on_done(transfer, message->data.result, now); /* `message` may be gone with the handle */
    }
}

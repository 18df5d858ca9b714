/*
 * HTTP transfers that are under way at once: libcurl's multi interface in the
 * worker's one loop, which also watches the gateway's socket. Connections are
 * kept alive and shared by all transfers.
 *
 * One thread: call transfers_wait and then transfers_run in a loop. A transfer and
 * its easy handle are the caller's, and stay until they are done or dropped;
 * the handle's CURLOPT_PRIVATE is taken.
 */
#ifndef SLUICE_LAMBDA_TRANSFERS_H
#define SLUICE_LAMBDA_TRANSFERS_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

/* What both clocks say: the monotonic one for deadlines, the wall's for signatures and dates. */
struct transfers_now {
    uint64_t monotonic_ms;
    uint64_t wall_ms; /* Unix epoch */
};

struct transfer {
    CURL *easy;
    /* It ended, as `code` says. It may start or drop any transfer. */
    void (*on_done)(struct transfer *transfer, CURLcode code, const struct transfers_now *now);
};

struct transfers;

/* As many connections stay open as `connection_count`. */
struct transfers *transfers_new(uint32_t connection_count);
/* None may be under way. */
void transfers_free(struct transfers *transfers);

/* A handle as all of them are: HTTPS or HTTP, chain and host name always checked. */
CURL *transfers_easy(void);

void transfers_start(struct transfers *transfers, struct transfer *transfer);
/* Ends it without on_done, or forgets one that is done; nothing if it is not there. */
void transfers_drop(struct transfers *transfers, struct transfer *transfer);
/* The socket of one that is under way, or -1. */
int transfers_socket(struct transfers *transfers, const struct transfer *transfer);

/* Waits until `fd` is readable (true), transfers_run has something to do, or the time comes. */
bool transfers_wait(struct transfers *transfers, int fd, uint64_t now_ms, uint64_t until_ms);
/* Moves bytes, and calls on_done of what has ended. */
void transfers_run(struct transfers *transfers, const struct transfers_now *now);

#endif

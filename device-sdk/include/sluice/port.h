/*
 * What the SDK needs from a platform: one secure byte stream to the gateway,
 * never blocking, and random numbers. sluice/posix.h gives a port on sockets and
 * mbedTLS; another platform (an RTOS, a modem with TLS inside) fills this
 * structure itself.
 *
 * A port belongs to one sluice_device, which calls it from the thread that polls
 * the device, one function at a time. A port must prove the gateway's identity
 * (chain and host name) in each connect: nothing above it does. When a function
 * fails, `error` says why in one sentence; the device then calls close.
 */
#ifndef SLUICE_PORT_H
#define SLUICE_PORT_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to wait for before the next call can do something. */
struct sluice_wait {
    int descriptor; /* for poll(2); -1: nothing to wait for but time */
    bool readable;
    bool writable;
};

struct sluice_port {
    /*
     * One step towards an open, verified connection; called again after
     * SLUICE_AGAIN until it gives SLUICE_OK or fails. The name is resolved anew
     * for each connection. `host` lives as long as the device.
     */
    enum sluice_error (*connect)(struct sluice_port *port, const char *host, uint16_t tcp_port);
    /* Takes 1 to `len` bytes, or SLUICE_AGAIN, SLUICE_CLOSED, SLUICE_IO. After SLUICE_AGAIN the next call
     * begins with the same bytes, and may bring more. */
    enum sluice_error (*send)(struct sluice_port *port, const void *data, size_t len, size_t *ret_sent);
    /* What connect and send have taken goes out now, where the port gathers small pieces to one packet; NULL:
     * it does not. Called after them, before the device waits; close sends what is left, too. */
    void (*flush)(struct sluice_port *port);
    /* Gives 1 to `capacity` bytes, or SLUICE_AGAIN, SLUICE_CLOSED, SLUICE_IO. */
    enum sluice_error (*receive)(struct sluice_port *port, void *memory, size_t capacity,
                                 size_t *ret_received);
    /* Ends a connection or an attempt; harmless when there is none. */
    void (*close)(struct sluice_port *port);
    /* What connect, or else receive, waits for; `writable` where it is send that has to wait. */
    struct sluice_wait (*wait)(struct sluice_port *port);
    /* 32 random bits: they spread the reconnects of a fleet, and need not be secret. */
    uint32_t (*random)(struct sluice_port *port);

    const char *error;        /* of the last failure, or what connect waits for while it gives SLUICE_AGAIN */
    uint32_t connected_count; /* kept by the port: connections that were made, */
    uint32_t resumed_count;   /* and how many of them continued a TLS session */
};

#ifdef __cplusplus
}
#endif

#endif

/*
 * mbedTLS keeps two record buffers of 16 KB with each connection, and its peer's
 * parsed certificate, although an idle connection needs of all that two counters
 * and at most the beginning of a record. Parking takes the rest away and gives it
 * back before the next use: 37 KB become 4. Clients that negotiate a small maximum
 * fragment length would get there by themselves; most do not.
 *
 * mbedTLS has no interface for it, so this is the one place that reaches into its
 * structures, those of 3.6 LTS; with a configuration that has them in another
 * shape, nothing is parked.
 */
#ifndef SLUICE_NET_TLS_PARK_H
#define SLUICE_NET_TLS_PARK_H

#include "base/buffer.h"

#include <mbedtls/ssl.h>

enum {
    TLS_PARK_POINTERS = 5, /* into each of the two buffers */
    TLS_PARK_COUNTER_BYTES = 8,
};

struct tls_parked {
    bool is_parked;
    uint16_t in_offsets[TLS_PARK_POINTERS], out_offsets[TLS_PARK_POINTERS];
    uint8_t in_counter[TLS_PARK_COUNTER_BYTES], out_counter[TLS_PARK_COUNTER_BYTES];
    struct buffer record; /* what has arrived of an incomplete one */
};

/* Does nothing while there is something to be read or written yet. */
void tls_park(mbedtls_ssl_context *ssl, struct tls_parked *parked);
/* Before any other use of `ssl`; no harm if it is not parked. */
void tls_unpark(mbedtls_ssl_context *ssl, struct tls_parked *parked);
/* What only the handshake has needed is given back: its keys, the peer's certificate, the configuration that
 * it was set up with, in whose place comes another. */
void tls_handshake_done(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config);
/* Once it is done: the configuration that it has need not stay. */
void tls_replace_config(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config);

#endif

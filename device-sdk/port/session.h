/*
 * The TLS session that the next connection continues: it spares both ends the
 * certificates and the public-key work. Only the holder of the verified
 * certificate's key can continue it; it is forgotten after a failure, before a
 * connection to another host or port (TLS 1.2 ties it to neither), and a day after
 * that certificate was verified.
 *
 * Part of a posix port: owned by it, on its thread. A session that is kept in a
 * file too (sluice_posix_keep_session) is so through two functions, and what they
 * need is only linked where they are set.
 */
#ifndef SLUICE_PORT_SESSION_H
#define SLUICE_PORT_SESSION_H

#include "sluice/posix.h"

#include <mbedtls/ssl.h>

enum { SESSION_IDENTITY_BYTES = 32 };

struct session {
    bool is_known;
    uint64_t since_ms; /* when the gateway's certificate was verified, on the clock of sluice_posix_now_ms */
    mbedtls_ssl_session tls;

    char host[MBEDTLS_SSL_MAX_HOST_NAME_LEN + 1]; /* of the connection under way, and of the session */
    uint16_t tcp_port;

    /* NULL: no file. `restore` before a connection, until it gives true: the file has told all that it can.
     * `changed` after the session became another, or none. */
    bool (*restore)(struct session *session);
    void (*changed)(struct session *session);
    const char *file;
    unsigned char identity[SESSION_IDENTITY_BYTES]; /* digest of the CA and of this device's certificates */
    void (*on_notice)(void *context, const char *sentence);
    void *notice_context;
};

/* How long after the verification a session may be continued. */
#define SESSION_MAX_MS (UINT64_C(24) * 3600 * 1000)

void session_init(struct session *session);
void session_fini(struct session *session);
/* Before a handshake with this gateway, whose name `tls` has taken: what there is to continue goes to `tls`.
 */
void session_offer(struct session *session, mbedtls_ssl_context *tls, const char *host, uint16_t tcp_port);
/* After the handshake: true if it continued the session. */
bool session_keep(struct session *session, const mbedtls_ssl_context *tls);
void session_forget(struct session *session);

#endif

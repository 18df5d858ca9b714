/*
 * Who gets in, for the time of one handshake: what mbedTLS asks while it runs (is
 * this certificate good, is there such a session, here is a new one) is answered
 * here, and what is learnt of the client stays here until the handshake is done.
 *
 * mbedTLS tells its session callbacks only what the configuration names, and not
 * for which connection they are: so a handshake runs with a copy of the
 * configuration whose callbacks have this as their context.
 *
 * TLS 1.2 resumes by session identifier or by ticket, TLS 1.3 by ticket; a ticket is
 * 32 random bytes that name a session in our own cache, so that the client need not
 * carry its certificate around. A session may be resumed until it is too old; its
 * client gets no new ticket then. Each time tls_trust decides about its certificate
 * anew; who is no longer accepted has to handshake in full, and is refused there.
 *
 * One thread at a time, as the handshake.
 */
#ifndef SLUICE_NET_TLS_ADMISSION_H
#define SLUICE_NET_TLS_ADMISSION_H

#include "net/tls_identity.h"
#include "net/tls_internal.h"

struct tls_admission {
    struct net_tls *tls;
    mbedtls_ssl_context *ssl;
    mbedtls_ssl_config config; /* shares what the one of tls points to */
    struct tls_peer peer;
    bool has_ca;  /* a certificate is being verified, and its chain ends at one */
    int ca_depth; /* in mbedTLS's count of the chain */
};

/* `ssl` is to be set up with `config`; both stay valid as long as the admission. */
void tls_admission_init(struct tls_admission *admission, struct net_tls *tls, mbedtls_ssl_context *ssl);
/* The handshake is done: SLUICE_OK with who it is with, or SLUICE_DENIED. */
enum sluice_error tls_admission_decide(const struct tls_admission *admission, struct tls_peer *ret_peer);

#endif

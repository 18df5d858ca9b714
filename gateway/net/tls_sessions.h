/*
 * The sessions that TLS 1.2 clients may resume, found in constant time:
 * mbedTLS's own cache is a list that is searched from its start under a lock,
 * which with thousands of devices costs more than the resumption saves. A table
 * of small sets; the oldest of a set makes room. Session identifiers are our own
 * random bytes, so they spread by themselves.
 *
 * Any thread (one mutex). Memory: a slot each, and about 700 bytes for each
 * session that is there.
 */
#ifndef SLUICE_NET_TLS_SESSIONS_H
#define SLUICE_NET_TLS_SESSIONS_H

#include <mbedtls/ssl.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct tls_session;

struct tls_sessions {
    uv_mutex_t mutex;
    struct tls_session *slots;
    size_t sets_count;
    uint64_t timeout_ms;
};

/* `count` is rounded up to whole sets; 0 keeps none. */
void tls_sessions_init(struct tls_sessions *sessions, size_t count, uint64_t timeout_ms);
void tls_sessions_fini(struct tls_sessions *sessions);

/* For mbedtls_ssl_conf_session_cache, with the struct tls_sessions as its context. */
mbedtls_ssl_cache_get_t tls_sessions_get;
mbedtls_ssl_cache_set_t tls_sessions_set;

#endif

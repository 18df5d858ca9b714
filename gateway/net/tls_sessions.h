/*
 * The sessions that clients may resume, found in constant time: mbedTLS's own
 * cache is a list that is searched from its start under a lock, which with
 * thousands of devices costs more than the resumption saves. A table of small
 * sets; the oldest of a set makes room. Identifiers are our own random bytes, so
 * they spread by themselves. A session is bytes to this module.
 *
 * Any thread (one mutex) but for the references, which are counted on the loop's.
 * Memory: a slot each, and about 350 bytes for each session that is there.
 */
#ifndef SLUICE_NET_TLS_SESSIONS_H
#define SLUICE_NET_TLS_SESSIONS_H

#include "net/tls_session_file.h"

struct tls_sessions;

/* `count` is rounded up to whole sets; if it or the time is 0, none is kept. The maker has a reference. */
struct tls_sessions *tls_sessions_new(size_t count, uint64_t timeout_ms);
struct tls_sessions *tls_sessions_ref(struct tls_sessions *sessions);
void tls_sessions_unref(struct tls_sessions *sessions); /* NULL is allowed */
/* From now on they are kept in the file `path` too, sealed with `key`, after those that are in it were taken
 * from it. With another key than before, the file is written anew. */
void tls_sessions_use_file(struct tls_sessions *sessions, const char *path, const uint8_t *key);

/* How long a session may be resumed; 0: none is kept. */
uint64_t tls_sessions_timeout_ms(const struct tls_sessions *sessions);
/* Copies it to `saved`; returns its length, 0 if there is none or it is too old or does not fit. */
size_t tls_sessions_find(struct tls_sessions *sessions, struct span id, uint8_t *saved, size_t capacity_bytes,
                         uint64_t *ret_age_ms);
/* In the place of one with the same identifier, else of the oldest if there is no room. */
void tls_sessions_keep(struct tls_sessions *sessions, struct span id, struct span saved);

#endif

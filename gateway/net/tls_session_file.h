/*
 * The sessions on disk, so that after a restart of the gateway its clients resume
 * and need not all handshake in full at once. A log: each new session is appended as
 * it comes, which a killed process keeps; the reader takes the last of an
 * identifier; rewriting leaves out what is old. Nothing is synced: what a power
 * failure takes costs full handshakes.
 *
 * Who knows a session's secret can go on in its client's name, and read what is
 * recorded of it. So the file is 0600, and each record is sealed (AES-256-GCM) with
 * a key that comes from the listener's private key: a copy of the data folder alone
 * shows nothing, and nothing can be put into it.
 *
 * One thread at a time. Errors are logged once, and then nothing more is written:
 * it is a cache.
 */
#ifndef SLUICE_NET_TLS_SESSION_FILE_H
#define SLUICE_NET_TLS_SESSION_FILE_H

#include "wire/span.h"

enum {
    TLS_SESSION_ID_BYTES = 32,
    TLS_SESSION_KEY_BYTES = 32,
    TLS_SESSION_SAVED_BYTES = 1024, /* at most */
};

struct tls_session {
    uint8_t id[TLS_SESSION_ID_BYTES];
    uint8_t *saved; /* NULL: none */
    size_t saved_bytes;
    uint64_t saved_ms; /* by the wall clock: a session outlives this process */
};

struct tls_session_file;

/* Touches no file yet. */
struct tls_session_file *tls_session_file_new(const char *path, const uint8_t *key);
void tls_session_file_free(struct tls_session_file *file); /* NULL is allowed */
bool tls_session_file_has_key(const struct tls_session_file *file, const uint8_t *key);
void tls_session_file_set_key(struct tls_session_file *file, const uint8_t *key);

/* Calls back for each record, as far as they are whole and sealed with the key; none if there is no file. */
void tls_session_file_read(struct tls_session_file *file,
                           void (*on_session)(void *ctx, const struct tls_session *session), void *ctx);
/* From the one to the other, what is appended makes a new file, which takes the place of the old at the end.
 */
void tls_session_file_begin(struct tls_session_file *file);
void tls_session_file_append(struct tls_session_file *file, const struct tls_session *session);
void tls_session_file_end(struct tls_session_file *file);
/* Records since tls_session_file_begin. */
size_t tls_session_file_count(const struct tls_session_file *file);

#endif

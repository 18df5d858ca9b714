/*
 * The TLS of one connection. It reads the socket itself only during the
 * handshake, which may run on any one thread at a time; afterwards the caller
 * brings ciphertext and takes it away, on the loop's thread.
 */
#ifndef SLUICE_NET_TLS_STREAM_H
#define SLUICE_NET_TLS_STREAM_H

#include "base/buffer.h"
#include "net/net.h"

enum { TLS_RECORD_BYTES = 20 * 1024 }; /* what an earlier, incomplete record can add to a stroke's text */

struct tls_stream;

/* `fd` stays the caller's; NULL if mbedTLS has no memory for it. */
struct tls_stream *tls_stream_new(struct net_tls *tls, int fd);
void tls_stream_free(struct tls_stream *stream); /* NULL is allowed */

/*
 * Takes the handshake as far as the socket lets it. SLUICE_OK: it is done, and the peer's certificate is in
 * ret_peer; SLUICE_AGAIN: call again when the socket is readable, or writable if tls_stream_output has
 * something; SLUICE_DENIED: the certificate is not good enough; SLUICE_CLOSED, SLUICE_INVALID: it failed.
 */
enum sluice_error tls_stream_handshake(struct tls_stream *stream, struct net_peer *ret_peer);

/* After the handshake: it is one of `tls` from now on. False if that does not accept its certificate. */
bool tls_stream_move(struct tls_stream *stream, struct net_tls *tls);

/* Decrypts all of `cipher` to `text`, which has room for as much and TLS_RECORD_BYTES; *ret_len bytes are
 * good even on failure. SLUICE_CLOSED: the peer has said that it is done. */
enum sluice_error tls_stream_decrypt(struct tls_stream *stream, struct span cipher, uint8_t *text,
                                     size_t capacity_bytes, size_t *ret_len);
/* Moves what is in `text` to tls_stream_output, as far as that is not too full. */
enum sluice_error tls_stream_encrypt(struct tls_stream *stream, struct buffer *text);
/* Tells the peer, once, that nothing follows. */
void tls_stream_goodbye(struct tls_stream *stream);
/* Nothing more in this turn: gives back the memory that it needs at work only. */
void tls_stream_rest(struct tls_stream *stream);
/* Ciphertext to be sent. */
struct buffer *tls_stream_output(struct tls_stream *stream);

#endif

#include "net/tls_stream.h"

#include "base/memory.h"
#include "net/tls_admission.h"
#include "net/tls_park.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

enum { OUTPUT_STROKE_BYTES = 128 * 1024 }; /* of ciphertext, before the socket must take some */

struct tls_stream {
    mbedtls_ssl_context ssl;
    struct net_tls *tls;
    struct tls_admission *admission; /* NULL: the handshake is done */
    struct tls_credential credential;
    struct tls_parked parked;
    struct span arrived; /* ciphertext that mbedTLS has yet to take */
    struct buffer output;
    int fd;
    bool said_goodbye;
};

static int on_receive_socket(struct tls_stream *stream, unsigned char *bytes, size_t len)
{
    ssize_t got = recv(stream->fd, bytes, len, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
    return (int)got;
}

static int on_receive(void *ctx, unsigned char *bytes, size_t len)
{
    struct tls_stream *stream = ctx;
    /* mbedTLS asks for a record's header, then for its text, and so leaves what follows in the socket. */
    if (stream->admission)
        return on_receive_socket(stream, bytes, len);
    if (stream->arrived.len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (len > stream->arrived.len)
        len = stream->arrived.len;
    memcpy(bytes, stream->arrived.data, len);
    stream->arrived = span_skip(stream->arrived, len);
    return (int)len;
}

static int on_send(void *ctx, const unsigned char *bytes, size_t len)
{
    struct tls_stream *stream = ctx;
    buffer_append(&stream->output, span_of(bytes, len));
    return (int)len;
}

struct tls_stream *tls_stream_new(struct net_tls *tls, int fd)
{
    struct tls_stream *stream = memory_new(sizeof *stream);
    stream->tls = net_tls_ref(tls);
    stream->fd = fd;
    stream->admission = memory_new(sizeof *stream->admission);
    tls_admission_init(stream->admission, tls, &stream->ssl);
    mbedtls_ssl_init(&stream->ssl);
    if (mbedtls_ssl_setup(&stream->ssl, &stream->admission->config)) {
        tls_stream_free(stream);
        return NULL;
    }
    mbedtls_ssl_set_bio(&stream->ssl, stream, on_send, on_receive, NULL);
    return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (!stream)
        return;
    tls_unpark(&stream->ssl, &stream->parked);
    mbedtls_ssl_free(&stream->ssl);
    memory_free(stream->admission);
    net_tls_unref(stream->tls);
    buffer_fini(&stream->output);
    memory_free(stream);
}

/* ---- The handshake ---- */

/* A whole flight in one segment. False if the peer is gone. */
static bool send_flight(struct tls_stream *stream)
{
    struct span flight = buffer_span(&stream->output);
    if (flight.len == 0)
        return true;
    ssize_t sent = send(stream->fd, flight.data, flight.len, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_consume(&stream->output, (size_t)sent);
    buffer_trim(&stream->output);
    return true;
}

static enum sluice_error error_of(int result)
{
    switch (result) {
    case MBEDTLS_ERR_SSL_WANT_READ:
    case MBEDTLS_ERR_SSL_WANT_WRITE: return SLUICE_AGAIN;
    case 0:
    case MBEDTLS_ERR_SSL_CONN_EOF:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: return SLUICE_CLOSED;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE: return SLUICE_DENIED;
    default: return SLUICE_INVALID;
    }
}

static void tell_peer(const struct tls_peer *peer, struct net_peer *ret_peer)
{
    ret_peer->certificate = peer->credential.given;
    if (!peer->credential.given)
        return;
    snprintf(ret_peer->name, sizeof ret_peer->name, "%s", peer->name);
    for (size_t i = 0; i < sizeof peer->fingerprint; i++)
        snprintf(ret_peer->fingerprint + 2 * i, 3, "%02x", peer->fingerprint[i]);
}

enum sluice_error tls_stream_handshake(struct tls_stream *stream, struct net_peer *ret_peer)
{
    int result = mbedtls_ssl_handshake(&stream->ssl);
    bool alive = send_flight(stream); /* an alert too: it tells the peer what is wrong */
    if (result != 0 || !alive)
        return alive ? error_of(result) : SLUICE_CLOSED;
    struct tls_peer peer;
    enum sluice_error error = tls_admission_decide(stream->admission, &peer);
    if (error)
        return error;
    stream->credential = peer.credential;
    tell_peer(&peer, ret_peer);
    tls_handshake_done(&stream->ssl, &stream->tls->ssl);
    memory_free(stream->admission);
    stream->admission = NULL;
    return SLUICE_OK;
}

bool tls_stream_move(struct tls_stream *stream, struct net_tls *tls)
{
    net_tls_ref(tls);
    tls_replace_config(&stream->ssl, &tls->ssl);
    net_tls_unref(stream->tls);
    stream->tls = tls;
    return tls_trust_objections(&tls->trust, &stream->credential, tls_date_now()) == 0;
}

/* ---- After it ---- */

enum sluice_error tls_stream_decrypt(struct tls_stream *stream, struct span cipher, uint8_t *text,
                                     size_t capacity_bytes, size_t *ret_len)
{
    size_t len = 0;
    int result;
    stream->arrived = cipher;
    tls_unpark(&stream->ssl, &stream->parked);
    do {
        assert(len < capacity_bytes);
        result = mbedtls_ssl_read(&stream->ssl, text + len, capacity_bytes - len);
        len += result > 0 ? (size_t)result : 0;
        /* It also wants more after a record that is not text; then there may be some. */
    } while (result > 0 || (result == MBEDTLS_ERR_SSL_WANT_READ && stream->arrived.len > 0));
    *ret_len = len;
    stream->arrived = SPAN_EMPTY;
    return result == MBEDTLS_ERR_SSL_WANT_READ ? SLUICE_OK : error_of(result);
}

enum sluice_error tls_stream_encrypt(struct tls_stream *stream, struct buffer *text)
{
    if (buffer_len(text) > 0)
        tls_unpark(&stream->ssl, &stream->parked);
    while (buffer_len(text) > 0 && buffer_len(&stream->output) < OUTPUT_STROKE_BYTES) {
        struct span rest = buffer_span(text);
        int written = mbedtls_ssl_write(&stream->ssl, rest.data, rest.len);
        if (written <= 0)
            return SLUICE_INVALID;
        buffer_consume(text, (size_t)written);
    }
    buffer_trim(text);
    return SLUICE_OK;
}

void tls_stream_goodbye(struct tls_stream *stream)
{
    if (stream->said_goodbye)
        return;
    tls_unpark(&stream->ssl, &stream->parked);
    mbedtls_ssl_close_notify(&stream->ssl);
    stream->said_goodbye = true;
}

void tls_stream_rest(struct tls_stream *stream)
{
    tls_park(&stream->ssl, &stream->parked);
}

struct buffer *tls_stream_output(struct tls_stream *stream)
{
    return &stream->output;
}

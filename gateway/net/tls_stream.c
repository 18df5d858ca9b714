#include "net/tls_stream.h"

#include "base/memory.h"
#include "net/tls_identity.h"
#include "net/tls_internal.h"
#include "net/tls_park.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

enum { OUTPUT_STROKE_BYTES = 128 * 1024 }; /* of ciphertext, before the socket must take some */

struct tls_stream {
    mbedtls_ssl_context ssl;
    struct net_tls *tls;
    struct tls_parked parked;
    struct span arrived; /* ciphertext that mbedTLS has yet to take */
    struct buffer output;
    int fd;
    bool handshaking;
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
    if (stream->handshaking)
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
    stream->handshaking = true;
    mbedtls_ssl_init(&stream->ssl);
    if (mbedtls_ssl_setup(&stream->ssl, &tls->ssl)) {
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

static bool is_out_of_date(const struct net_tls *tls, const mbedtls_x509_crt *certificate)
{
    if (mbedtls_x509_time_is_past(&certificate->valid_to) ||
        mbedtls_x509_time_is_future(&certificate->valid_from))
        return true;
    for (const mbedtls_x509_crl *crl = tls->has_crl ? &tls->crl : NULL; crl; crl = crl->next) {
        if (mbedtls_x509_time_is_past(&crl->next_update))
            return true;
    }
    return false;
}

/* A full handshake has checked the certificate, a resumed one has not: it has the result of then, which
 * the CA and the CRL, being the same, would give again. What may have changed since is the date. */
static enum sluice_error check_peer(struct tls_stream *stream, struct net_peer *ret_peer)
{
    const mbedtls_x509_crt *certificate = mbedtls_ssl_get_peer_cert(&stream->ssl);
    if (!certificate)
        return SLUICE_OK; /* where one is required, mbedTLS has refused already */
    if (mbedtls_ssl_get_verify_result(&stream->ssl) != 0 || is_out_of_date(stream->tls, certificate))
        return SLUICE_DENIED;
    return tls_identity_read(certificate, ret_peer);
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

enum sluice_error tls_stream_handshake(struct tls_stream *stream, struct net_peer *ret_peer)
{
    int result = mbedtls_ssl_handshake(&stream->ssl);
    bool alive = send_flight(stream); /* an alert too: it tells the peer what is wrong */
    if (result != 0)
        return alive ? error_of(result) : SLUICE_CLOSED;
    stream->handshaking = false;
    enum sluice_error error = alive ? check_peer(stream, ret_peer) : SLUICE_CLOSED;
    tls_forget_peer_certificate(&stream->ssl);
    return error;
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

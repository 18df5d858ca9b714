#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_park.h"

#include "base/memory.h"

#include <mbedtls/platform.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

/* Of library/ssl_misc.h, which is not installed. */
void mbedtls_ssl_handshake_free(mbedtls_ssl_context *ssl);
void mbedtls_ssl_transform_free(mbedtls_ssl_transform *transform);

#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH) && !defined(MBEDTLS_SSL_DTLS_CONNECTION_ID) &&               \
    MBEDTLS_VERSION_NUMBER < 0x04000000

static void list_in(mbedtls_ssl_context *ssl, unsigned char **ret_pointers[TLS_PARK_POINTERS])
{
    ret_pointers[0] = &ssl->in_ctr;
    ret_pointers[1] = &ssl->in_hdr;
    ret_pointers[2] = &ssl->in_len;
    ret_pointers[3] = &ssl->in_iv;
    ret_pointers[4] = &ssl->in_msg;
}

static void list_out(mbedtls_ssl_context *ssl, unsigned char **ret_pointers[TLS_PARK_POINTERS])
{
    ret_pointers[0] = &ssl->out_ctr;
    ret_pointers[1] = &ssl->out_hdr;
    ret_pointers[2] = &ssl->out_len;
    ret_pointers[3] = &ssl->out_iv;
    ret_pointers[4] = &ssl->out_msg;
}

/* Neither text that is decrypted nor a handshake message, which mbedTLS keeps where it is. */
static bool is_idle(const mbedtls_ssl_context *ssl)
{
    return ssl->in_buf && ssl->out_buf && ssl->out_left == 0 && !ssl->in_offt && ssl->in_hslen == 0 &&
           mbedtls_ssl_is_handshake_over((mbedtls_ssl_context *)ssl);
}

/* Takes `base` away, and leaves where in it the pointers were. */
static void detach(unsigned char **base, unsigned char **pointers[TLS_PARK_POINTERS], uint16_t *ret_offsets)
{
    for (int i = 0; i < TLS_PARK_POINTERS; i++) {
        ret_offsets[i] = (uint16_t)(*pointers[i] - *base);
        *pointers[i] = NULL;
    }
    mbedtls_free(*base);
    *base = NULL;
}

static void attach(unsigned char **base, size_t len, unsigned char **pointers[TLS_PARK_POINTERS],
                   const uint16_t *offsets)
{
    *base = memory_resize(NULL, len); /* mbedtls_calloc would clear 32 KB each time */
    for (int i = 0; i < TLS_PARK_POINTERS; i++)
        *pointers[i] = *base + offsets[i];
}

void tls_park(mbedtls_ssl_context *ssl, struct tls_parked *parked)
{
    unsigned char **in[TLS_PARK_POINTERS], **out[TLS_PARK_POINTERS];
    if (parked->is_parked || !is_idle(ssl))
        return;
    memcpy(parked->in_counter, ssl->in_ctr, TLS_PARK_COUNTER_BYTES);
    memcpy(parked->out_counter, ssl->out_ctr, TLS_PARK_COUNTER_BYTES);
    buffer_append(&parked->record, span_of(ssl->in_hdr, ssl->in_left));
    list_in(ssl, in);
    list_out(ssl, out);
    detach(&ssl->in_buf, in, parked->in_offsets);
    detach(&ssl->out_buf, out, parked->out_offsets);
    parked->is_parked = true;
}

void tls_unpark(mbedtls_ssl_context *ssl, struct tls_parked *parked)
{
    unsigned char **in[TLS_PARK_POINTERS], **out[TLS_PARK_POINTERS];
    if (!parked->is_parked)
        return;
    list_in(ssl, in);
    list_out(ssl, out);
    attach(&ssl->in_buf, ssl->in_buf_len, in, parked->in_offsets);
    attach(&ssl->out_buf, ssl->out_buf_len, out, parked->out_offsets);
    memcpy(ssl->in_ctr, parked->in_counter, TLS_PARK_COUNTER_BYTES);
    memcpy(ssl->out_ctr, parked->out_counter, TLS_PARK_COUNTER_BYTES);
    struct span record = buffer_span(&parked->record);
    if (record.data)
        memcpy(ssl->in_hdr, record.data, record.len);
    buffer_fini(&parked->record);
    parked->is_parked = false;
}

#else

void tls_park(mbedtls_ssl_context *ssl, struct tls_parked *parked)
{
    (void)ssl;
    (void)parked;
}

void tls_unpark(mbedtls_ssl_context *ssl, struct tls_parked *parked)
{
    (void)ssl;
    (void)parked;
}

#endif

static void forget_peer_certificate(mbedtls_ssl_context *ssl)
{
    if (!ssl->session || !ssl->session->peer_cert)
        return;
    mbedtls_x509_crt_free(ssl->session->peer_cert);
    mbedtls_free(ssl->session->peer_cert);
    ssl->session->peer_cert = NULL;
}

/* After TLS 1.2 mbedTLS has done so itself; of TLS 1.3 it keeps 4 KB, keys of the handshake included. */
static void forget_handshake(mbedtls_ssl_context *ssl)
{
    if (!ssl->handshake)
        return;
    mbedtls_ssl_handshake_free(ssl);
    mbedtls_free(ssl->handshake);
    ssl->handshake = NULL;
    mbedtls_ssl_transform_free(ssl->transform_negotiate);
    mbedtls_free(ssl->transform_negotiate);
    ssl->transform_negotiate = NULL;
}

void tls_handshake_done(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config)
{
    forget_peer_certificate(ssl);
    forget_handshake(ssl);
    tls_replace_config(ssl, config);
}

void tls_replace_config(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config)
{
    ssl->conf = config;
}

#include "port/posix_internal.h"
#include "port/sentence.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t sluice_posix_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t sluice_posix_time_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static enum sluice_error fail(struct posix *posix,
                                                                    enum sluice_error error,
                                                                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence_write_arguments(posix->error, sizeof posix->error, format, arguments);
    va_end(arguments);
    return error;
}

/* ---- connecting ---- */

static enum sluice_error start_lookup(struct posix *posix, const char *host, uint16_t tcp_port)
{
    posix->sent_bytes = posix->received_bytes = 0;
    if (resolve_start(host, tcp_port, &posix->descriptor))
        return fail(posix, SLUICE_IO, "cannot start to look up %s: %s", host, strerror(errno));
    return SLUICE_OK;
}

static void set_option(struct posix *posix, int option, int value)
{
    setsockopt(posix->descriptor, IPPROTO_TCP, option, &value, sizeof value);
}

/*
 * Begins to connect to the next address of the answer. Each packet costs 52 bytes
 * and more beside its content: so small pieces are gathered until posix_flush (the
 * end of the handshake goes with CONNECT, DISCONNECT with the end of the
 * connection), and TCP's acknowledgements wait a moment for something to go with.
 */
static enum sluice_error start_tcp(struct posix *posix)
{
    size_t index = (posix->first_address + posix->tried_count++) % posix->answer.count;
    const union resolve_address *address = &posix->answer.addresses[index];
    posix->descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (posix->descriptor < 0)
        return SLUICE_IO;
    set_option(posix, TCP_NODELAY, 1);
    set_option(posix, TCP_CORK, 1);
    set_option(posix, TCP_QUICKACK, 0);
    if (connect(posix->descriptor, &address->any, resolve_address_bytes(address)) && errno != EINPROGRESS)
        return SLUICE_IO;
    return SLUICE_OK;
}

static void close_descriptor(struct posix *posix)
{
    if (posix->descriptor >= 0)
        close(posix->descriptor);
    posix->descriptor = -1;
}

/* As start_tcp, over all addresses that are left. */
static enum sluice_error start_any_tcp(struct posix *posix, const char *host, uint16_t tcp_port)
{
    while (posix->tried_count < posix->answer.count) {
        if (start_tcp(posix) == SLUICE_OK)
            return SLUICE_OK;
        int error = errno;
        close_descriptor(posix);
        errno = error;
    }
    return fail(posix, SLUICE_IO, "cannot connect to %s port %u: %s", host, tcp_port, strerror(errno));
}

static enum sluice_error finish_lookup(struct posix *posix, const char *host, uint16_t tcp_port)
{
    enum sluice_error error = resolve_finish(posix->descriptor, &posix->answer);
    if (error == SLUICE_AGAIN)
        return error;
    close_descriptor(posix);
    if (error || posix->answer.error)
        return fail(posix, SLUICE_NOT_FOUND, "cannot find the address of %s: %s", host,
                    error ? "the lookup broke off" : gai_strerror(posix->answer.error));
    posix->first_address++;
    posix->tried_count = 0;
    return start_any_tcp(posix, host, tcp_port);
}

static int tls_send(void *context, const unsigned char *data, size_t len)
{
    struct posix *posix = context;
    ssize_t sent = send(posix->descriptor, data, len, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                                 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    posix->is_held = true;
    posix->sent_bytes += (uint64_t)sent;
    return (int)sent;
}

static int tls_receive(void *context, unsigned char *memory, size_t capacity)
{
    struct posix *posix = context;
    ssize_t received = recv(posix->descriptor, memory, capacity, 0);
    if (received < 0)
        return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    posix->received_bytes += (uint64_t)received;
    return (int)received; /* 0 is MBEDTLS_ERR_SSL_CONN_EOF to mbedTLS */
}

static enum sluice_error start_tls(struct posix *posix, const char *host, uint16_t tcp_port)
{
    mbedtls_ssl_init(&posix->tls);
    posix->phase = PHASE_TLS;
    if (mbedtls_ssl_setup(&posix->tls, &posix->tls_config) || mbedtls_ssl_set_hostname(&posix->tls, host))
        return fail(posix, SLUICE_NO_MEMORY, "no memory for a TLS connection");
    mbedtls_ssl_set_bio(&posix->tls, posix, tls_send, tls_receive, NULL);
    session_offer(&posix->session, &posix->tls, host, tcp_port);
    return SLUICE_OK;
}

static enum sluice_error finish_tcp(struct posix *posix, const char *host, uint16_t tcp_port)
{
    struct pollfd poll_entry = {posix->descriptor, POLLOUT, 0};
    if (poll(&poll_entry, 1, 0) <= 0)
        return SLUICE_AGAIN;
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(posix->descriptor, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0)
        return start_tls(posix, host, tcp_port);
    close_descriptor(posix);
    errno = error;
    error = (int)start_any_tcp(posix, host, tcp_port);
    return error ? (enum sluice_error)error : SLUICE_AGAIN;
}

/* Two digits in the place of those at `text`. */
static void put_digits(char *text, int number)
{
    text[0] = (char)('0' + number / 10 % 10);
    text[1] = (char)('0' + number % 10);
}

static void format_clock(char text[static sizeof "2000-00-00 00:00 UTC"])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    memcpy(text, "2000-00-00 00:00 UTC", sizeof "2000-00-00 00:00 UTC");
    put_digits(text, (utc.tm_year + 1900) / 100);
    put_digits(text + 2, utc.tm_year);
    put_digits(text + 5, utc.tm_mon + 1);
    put_digits(text + 8, utc.tm_mday);
    put_digits(text + 11, utc.tm_hour);
    put_digits(text + 14, utc.tm_min);
}

/* The sentence for what is wrong with the gateway's certificate: the first that applies. */
static enum sluice_error fail_certificate(struct posix *posix, const char *host)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&posix->tls);
    char clock[24];
    format_clock(clock);
    if (flags & MBEDTLS_X509_BADCERT_FUTURE)
        return fail(posix, SLUICE_DENIED,
                    "the gateway's certificate is not yet valid; this device's clock says %s: is it set?",
                    clock);
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return fail(posix, SLUICE_DENIED,
                    "the gateway's certificate has expired; this device's clock says %s", clock);
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return fail(posix, SLUICE_DENIED, "the gateway's certificate is not signed by the given CA");
    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        return fail(posix, SLUICE_DENIED, "the gateway's certificate is not for the host name %s", host);
    return fail(posix, SLUICE_DENIED, "the gateway's certificate is not acceptable (mbedTLS flags 0x%x)",
                (unsigned)flags);
}

static enum sluice_error fail_handshake(struct posix *posix, const char *host, int code)
{
    session_forget(&posix->session);
    switch (code) {
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED: return fail_certificate(posix, host);
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        return fail(posix, SLUICE_DENIED,
                    "the gateway refused the TLS handshake: does it accept this device's certificate?");
    case MBEDTLS_ERR_SSL_CONN_EOF:
        return fail(posix, SLUICE_CLOSED, "the gateway closed the connection in the TLS handshake");
    case MBEDTLS_ERR_PLATFORM_HW_ACCEL_FAILED:
        return fail(posix, SLUICE_IO, "the signer gave no signature for the TLS handshake");
    case MBEDTLS_ERR_SSL_ALLOC_FAILED: return fail(posix, SLUICE_NO_MEMORY, "no memory for a TLS handshake");
    default:
        return fail(posix, SLUICE_INVALID, "the TLS handshake with %s failed (mbedTLS -0x%x)", host,
                    (unsigned)-code);
    }
}

static enum sluice_error finish_tls(struct posix *posix, const char *host, uint16_t tcp_port)
{
    (void)tcp_port;
    int code = mbedtls_ssl_handshake(&posix->tls);
    posix->wants_write = code == MBEDTLS_ERR_SSL_WANT_WRITE;
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
        return SLUICE_AGAIN;
    if (code)
        return fail_handshake(posix, host, code);
    posix->port.resumed_count += session_keep(&posix->session, &posix->tls);
    posix->port.connected_count++;
    return SLUICE_OK;
}

static enum sluice_error posix_connect(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    static enum sluice_error (*const steps[])(struct posix *, const char *, uint16_t) = {
        [PHASE_CLOSED] = start_lookup,
        [PHASE_LOOKUP] = finish_lookup,
        [PHASE_TCP] = finish_tcp,
        [PHASE_TLS] = finish_tls,
    };
    static const char *const awaited[] = {
        [PHASE_CLOSED] = "lookup", [PHASE_LOOKUP] = "lookup", [PHASE_TCP] = "TCP", [PHASE_TLS] = "TLS"};
    struct posix *posix = posix_of(port);
    while (posix->phase != PHASE_OPEN) {
        enum posix_phase phase = posix->phase;
        enum sluice_error error = steps[phase](posix, host, tcp_port);
        if (error == SLUICE_AGAIN)
            return fail(posix, error, "no %s answer for %s", awaited[phase], host);
        if (error)
            return error;
        posix->phase = phase + 1;
    }
    return SLUICE_OK;
}

/* ---- the open connection ---- */

static enum sluice_error fail_stream(struct posix *posix, int code)
{
    if (code == 0 || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || code == MBEDTLS_ERR_SSL_CONN_EOF)
        return fail(posix, SLUICE_CLOSED, "the gateway closed the connection");
    if (code == MBEDTLS_ERR_SSL_INTERNAL_ERROR)
        return fail(posix, SLUICE_IO, "the connection broke: %s", strerror(errno));
    return fail(posix, SLUICE_IO, "the TLS connection broke (mbedTLS -0x%x)", (unsigned)-code);
}

/* mbedTLS wants a write that it could not finish repeated as it was. */
static enum sluice_error posix_send(struct sluice_port *port, const void *data, size_t len, size_t *ret_sent)
{
    struct posix *posix = posix_of(port);
    size_t offered_bytes = posix->pending_bytes ? posix->pending_bytes : len;
    int code = mbedtls_ssl_write(&posix->tls, data, offered_bytes);
    posix->wants_write = code == MBEDTLS_ERR_SSL_WANT_WRITE;
    posix->pending_bytes = posix->wants_write ? offered_bytes : 0;
    if (code == MBEDTLS_ERR_SSL_WANT_WRITE || code == MBEDTLS_ERR_SSL_WANT_READ)
        return SLUICE_AGAIN;
    if (code <= 0)
        return fail_stream(posix, code);
    *ret_sent = (size_t)code;
    return SLUICE_OK;
}

static void posix_flush(struct sluice_port *port)
{
    struct posix *posix = posix_of(port);
    if (!posix->is_held)
        return;
    set_option(posix, TCP_CORK, 0);
    set_option(posix, TCP_CORK, 1);
    posix->is_held = false;
}

static enum sluice_error posix_receive(struct sluice_port *port, void *memory, size_t capacity,
                                       size_t *ret_received)
{
    struct posix *posix = posix_of(port);
    int code = mbedtls_ssl_read(&posix->tls, memory, capacity);
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
        return SLUICE_AGAIN;
    if (code <= 0)
        return fail_stream(posix, code);
    *ret_received = (size_t)code;
    return SLUICE_OK;
}

static void posix_disconnect(struct sluice_port *port)
{
    struct posix *posix = posix_of(port);
    if (posix->phase == PHASE_OPEN)
        mbedtls_ssl_close_notify(&posix->tls);
    if (posix->phase >= PHASE_TLS) {
        mbedtls_ssl_free(&posix->tls);
        shutdown(posix->descriptor, SHUT_WR); /* close alone drops what is held, where bytes are unread */
    }
    close_descriptor(posix);
    posix->phase = PHASE_CLOSED;
    posix->wants_write = posix->is_held = false;
    posix->pending_bytes = 0;
}

static struct sluice_wait posix_wait(struct sluice_port *port)
{
    struct posix *posix = posix_of(port);
    bool writable = posix->phase == PHASE_TCP || posix->wants_write;
    return (struct sluice_wait){
        .descriptor = posix->descriptor, .readable = posix->phase != PHASE_TCP, .writable = writable};
}

static uint32_t posix_random(struct sluice_port *port)
{
    uint32_t random = 0;
    mbedtls_ctr_drbg_random(&posix_of(port)->random, (unsigned char *)&random, sizeof random);
    return random;
}

/* ---- opening ---- */

static enum sluice_error load_certificates(struct posix *posix, mbedtls_x509_crt *chain, const char *file)
{
    if (access(file, R_OK))
        return fail(posix, SLUICE_IO, "cannot read %s: %s", file, strerror(errno));
    if (mbedtls_x509_crt_parse_file(chain, file))
        return fail(posix, SLUICE_INVALID, "%s is no certificate in PEM format with an ECDSA P-256 key",
                    file);
    return SLUICE_OK;
}

static enum sluice_error load_key(struct posix *posix, const struct sluice_posix_config *config)
{
    const char *file = config->key_file;
    if (!file)
        return SLUICE_OK;
    if (access(file, R_OK))
        return fail(posix, SLUICE_IO, "cannot read %s: %s", file, strerror(errno));
    if (mbedtls_pk_parse_keyfile(&posix->key, file, NULL, mbedtls_ctr_drbg_random, &posix->random))
        return fail(posix, SLUICE_INVALID, "%s is no private key in PEM format for ECDSA P-256", file);
    if (mbedtls_pk_check_pair(&posix->certificate.pk, &posix->key, mbedtls_ctr_drbg_random, &posix->random))
        return fail(posix, SLUICE_INVALID, "the key %s does not belong to the certificate %s", file,
                    config->certificate_file);
    return SLUICE_OK;
}

static enum sluice_error configure_tls(struct posix *posix)
{
    mbedtls_ssl_config *tls = &posix->tls_config;
    if (mbedtls_ssl_config_defaults(tls, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) ||
        mbedtls_ssl_conf_own_cert(tls, &posix->certificate, &posix->key) ||
        mbedtls_ssl_conf_max_frag_len(tls, MBEDTLS_SSL_MAX_FRAG_LEN_2048)) /* what both our buffers hold */
        return fail(posix, SLUICE_NO_MEMORY, "no memory for the TLS configuration");
    mbedtls_ssl_conf_authmode(tls, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(tls, &posix->ca, NULL);
    mbedtls_ssl_conf_rng(tls, mbedtls_ctr_drbg_random, &posix->random);
    return SLUICE_OK;
}

static enum sluice_error load(struct posix *posix, const struct sluice_posix_config *config)
{
    if (mbedtls_ctr_drbg_seed(&posix->random, mbedtls_entropy_func, &posix->entropy, NULL, 0))
        return fail(posix, SLUICE_IO, "the system gives no random numbers");
    enum sluice_error error = load_certificates(posix, &posix->ca, config->ca_file);
    if (!error)
        error = load_certificates(posix, &posix->certificate, config->certificate_file);
    if (!error)
        error = load_key(posix, config);
    return error ? error : configure_tls(posix);
}

enum sluice_error sluice_posix_new(const struct sluice_posix_config *config,
                                   char ret_error[SLUICE_POSIX_ERROR_BYTES], struct sluice_port **ret_port)
{
    struct posix *posix = calloc(1, sizeof *posix);
    if (!posix) {
        sentence_write(ret_error, SLUICE_POSIX_ERROR_BYTES, "no memory for a port");
        return SLUICE_NO_MEMORY;
    }
    posix->port = (struct sluice_port){
        .connect = posix_connect,
        .send = posix_send,
        .flush = posix_flush,
        .receive = posix_receive,
        .close = posix_disconnect,
        .wait = posix_wait,
        .random = posix_random,
        .error = posix->error,
    };
    posix->descriptor = -1;
    mbedtls_entropy_init(&posix->entropy);
    mbedtls_ctr_drbg_init(&posix->random);
    mbedtls_x509_crt_init(&posix->ca);
    mbedtls_x509_crt_init(&posix->certificate);
    mbedtls_pk_init(&posix->key);
    mbedtls_ssl_config_init(&posix->tls_config);
    session_init(&posix->session);
    enum sluice_error error = load(posix, config);
    if (error) {
        memcpy(ret_error, posix->error, sizeof posix->error);
        sluice_posix_free(&posix->port);
        return error;
    }
    *ret_port = &posix->port;
    return SLUICE_OK;
}

void sluice_posix_free(struct sluice_port *port)
{
    if (!port)
        return;
    struct posix *posix = posix_of(port);
    posix_disconnect(port);
    session_fini(&posix->session);
    mbedtls_ssl_config_free(&posix->tls_config);
    mbedtls_pk_free(&posix->key);
    mbedtls_x509_crt_free(&posix->certificate);
    mbedtls_x509_crt_free(&posix->ca);
    mbedtls_ctr_drbg_free(&posix->random);
    mbedtls_entropy_free(&posix->entropy);
    free(posix);
}

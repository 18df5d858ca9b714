#include "tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

int tcp_client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int on_send(void *ctx, const unsigned char *bytes, size_t len)
{
    ssize_t sent = send(*(int *)ctx, bytes, len, MSG_NOSIGNAL);
    return sent < 0 ? MBEDTLS_ERR_SSL_CONN_EOF : (int)sent;
}

static int on_receive(void *ctx, unsigned char *bytes, size_t len)
{
    ssize_t got = recv(*(int *)ctx, bytes, len, 0);
    return got < 0 ? MBEDTLS_ERR_SSL_CONN_EOF : (int)got;
}

/* A resumed session's certificates are not verified again. */
static int on_verify(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    struct tls_client *client = ctx;
    (void)certificate;
    (void)depth;
    (void)flags;
    client->verified = true;
    return 0;
}

static int configure(struct tls_client *client)
{
    int failed = mbedtls_ctr_drbg_seed(&client->random, mbedtls_entropy_func, &client->entropy, NULL, 0);
    if (!failed)
        failed = mbedtls_ssl_config_defaults(&client->config, MBEDTLS_SSL_IS_CLIENT,
                                             MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (!failed)
        failed = mbedtls_x509_crt_parse_file(&client->ca, client->ca_path);
    if (!failed && client->certificate_path)
        failed = mbedtls_x509_crt_parse_file(&client->certificate, client->certificate_path);
    if (!failed && client->certificate_path)
        failed = mbedtls_pk_parse_keyfile(&client->key, client->key_path, NULL, mbedtls_ctr_drbg_random,
                                          &client->random);
    if (!failed && client->certificate_path)
        failed = mbedtls_ssl_conf_own_cert(&client->config, &client->certificate, &client->key);
    if (failed)
        return failed;
    mbedtls_ssl_conf_ca_chain(&client->config, &client->ca, NULL);
    mbedtls_ssl_conf_rng(&client->config, mbedtls_ctr_drbg_random, &client->random);
    mbedtls_ssl_conf_verify(&client->config, on_verify, client);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        &client->config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (client->without_tickets)
        mbedtls_ssl_conf_session_tickets(&client->config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
    if (client->version) {
        mbedtls_ssl_conf_min_tls_version(&client->config, client->version);
        mbedtls_ssl_conf_max_tls_version(&client->config, client->version);
    }
    failed = mbedtls_ssl_setup(&client->ssl, &client->config);
    if (!failed)
        failed = mbedtls_ssl_set_hostname(&client->ssl, "gw.local");
    if (!failed && client->resume)
        failed = mbedtls_ssl_set_session(&client->ssl, client->resume);
    return failed;
}

int tls_client_connect(struct tls_client *client)
{
    mbedtls_ssl_init(&client->ssl);
    mbedtls_ssl_config_init(&client->config);
    mbedtls_entropy_init(&client->entropy);
    mbedtls_ctr_drbg_init(&client->random);
    mbedtls_x509_crt_init(&client->ca);
    mbedtls_x509_crt_init(&client->certificate);
    mbedtls_pk_init(&client->key);
    int failed = configure(client);
    client->fd = failed ? -1 : tcp_client_connect(client->port);
    if (client->fd < 0)
        return failed ? failed : MBEDTLS_ERR_SSL_CONN_EOF;
    mbedtls_ssl_set_bio(&client->ssl, &client->fd, on_send, on_receive, NULL);
    return mbedtls_ssl_handshake(&client->ssl);
}

int tls_client_read(struct tls_client *client, void *memory, size_t capacity_bytes)
{
    int len;
    do {
        len = mbedtls_ssl_read(&client->ssl, memory, capacity_bytes);
    } while (len == MBEDTLS_ERR_SSL_WANT_READ || /* a ticket comes */
             len == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
    return len == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : len;
}

bool tls_client_echo(struct tls_client *client, struct span bytes)
{
    unsigned char piece[16384];
    for (struct span rest = bytes; rest.len > 0;) {
        int written = mbedtls_ssl_write(&client->ssl, rest.data, rest.len);
        if (written <= 0)
            return false;
        rest = span_skip(rest, (size_t)written);
    }
    while (bytes.len > 0) {
        int len = tls_client_read(client, piece, sizeof piece);
        if (len <= 0 || !span_starts_with(bytes, span_of(piece, (size_t)len)))
            return false;
        bytes = span_skip(bytes, (size_t)len);
    }
    return true;
}

void tls_client_close(struct tls_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    mbedtls_ssl_free(&client->ssl);
    mbedtls_ssl_config_free(&client->config);
    mbedtls_pk_free(&client->key);
    mbedtls_x509_crt_free(&client->certificate);
    mbedtls_x509_crt_free(&client->ca);
    mbedtls_ctr_drbg_free(&client->random);
    mbedtls_entropy_free(&client->entropy);
}

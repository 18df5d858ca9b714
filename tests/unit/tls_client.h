/*
 * A TLS client on mbedTLS with a blocking socket, for a thread of its own beside
 * the loop under test. A zeroed configuration with port and ca_path set connects
 * with what both can do.
 */
#ifndef SLUICE_TESTS_TLS_CLIENT_H
#define SLUICE_TESTS_TLS_CLIENT_H

#include "wire/span.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

struct tls_client {
    uint16_t port;
    const char *ca_path;
    const char *certificate_path; /* NULL: none */
    const char *key_path;
    mbedtls_ssl_protocol_version version; /* 0: any */
    mbedtls_ssl_session *resume;          /* NULL: a full handshake */
    bool without_tickets;                 /* TLS 1.2 resumes by session identifier then */
    bool verified;                        /* the server's certificate: it was a full handshake */
    int fd;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt ca, certificate;
    mbedtls_pk_context key;
};

/* 0 or mbedTLS's error of the handshake; tls_client_close in any case. */
int tls_client_connect(struct tls_client *client);
/* Sends all, then reads as much; false if it does not come back the same. */
bool tls_client_echo(struct tls_client *client, struct span bytes);
/* The bytes read, 0 for the end that the server announced, or mbedTLS's error. */
int tls_client_read(struct tls_client *client, void *memory, size_t capacity_bytes);
void tls_client_close(struct tls_client *client);
/* A socket that is connected to 127.0.0.1. */
int tcp_client_connect(uint16_t port);

#endif

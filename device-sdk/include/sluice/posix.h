/*
 * The port for POSIX systems: non-blocking sockets, TLS 1.2 by mbedTLS.
 *
 * The gateway's certificate chain is verified against the given CA and its name
 * against the host on every full handshake; there is no way to turn this off. A
 * later connection to the same host resumes the TLS session, which only the
 * holder of the verified certificate's key can do; after a failure, and once a
 * day, the handshake is a full one.
 *
 * Memory: sluice_posix_new allocates the port; mbedTLS allocates during each
 * handshake and frees at close; a lookup of a host name allocates its request.
 * Nothing else does. Names are looked up by getaddrinfo in a short-lived thread,
 * so that poll never blocks; a numeric address needs none.
 *
 * Certificates and keys: PEM files, ECDSA with P-256. The private key may be
 * elsewhere: sluice_posix_sign_with.
 */
#ifndef SLUICE_POSIX_H
#define SLUICE_POSIX_H

#include "sluice/ledger.h"
#include "sluice/port.h"
#include "sluice/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_posix_config {
    const char *ca_file;          /* who may sign the gateway's certificate */
    const char *certificate_file; /* the device's own, with its chain */
    const char *key_file;         /* NULL: the private key is elsewhere; see sluice_posix_sign_with */
};

enum { SLUICE_POSIX_ERROR_BYTES = 200 };

/*
 * SLUICE_IO: a file cannot be read; SLUICE_INVALID: it is no certificate or key,
 * or the two do not belong together; SLUICE_NO_MEMORY. Then ret_error holds one
 * sentence. The files are read now and not again.
 */
enum sluice_error sluice_posix_new(const struct sluice_posix_config *config,
                                   char ret_error[SLUICE_POSIX_ERROR_BYTES], struct sluice_port **ret_port);
/* Only after the device on it is closed or no longer used; NULL is allowed. */
void sluice_posix_free(struct sluice_port *port);

enum { SLUICE_HASH_BYTES = 32, SLUICE_SIGNATURE_BYTES = 72 };

/* Signs a SHA-256 hash by ECDSA with P-256; the signature is in DER, as OpenSSL and PKCS #11 tools give it.
 * False: it could not. */
typedef bool sluice_signer(void *context, const unsigned char hash[SLUICE_HASH_BYTES],
                           unsigned char ret_signature[SLUICE_SIGNATURE_BYTES], size_t *ret_len);

/*
 * For a private key that never leaves its place (a TPM, a secure element, another
 * process): `sign` is asked in its stead, once now, and then in each full
 * handshake; resumed sessions, which are most, need no signature. Call it before
 * the first connection, on a port that was made without a key_file. poll waits
 * for `sign`. SLUICE_IO: it gave no signature; SLUICE_INVALID: its key is not the
 * certificate's; SLUICE_NOT_FOUND: this build has the system's mbedTLS. Then
 * port->error holds one sentence.
 *
 * With a TPM that has the key at 0x81000001, `sign` may run
 *     tpm2_sign -c 0x81000001 -g sha256 -d -f plain -o /dev/stdout
 * with the hash as its input, as the agent's key `signer` does; with an ATECC608
 * it calls atcab_sign and writes the two numbers that this gives as DER.
 */
enum sluice_error sluice_posix_sign_with(struct sluice_port *port, sluice_signer *sign, void *context);

/*
 * Keeps the TLS session in `file` too, so that the next process, or this device
 * after a deep sleep, resumes it: call it before the first connection. Whoever can
 * read the file can read that session's traffic, and whoever can write it could be
 * the gateway: it has mode 0600, a file of another user or mode is not used, and
 * its folder should be this device's own. It is written after each full handshake,
 * once a day at most on a good connection, and replaced in one step (FILE.new).
 * It holds for one host, CA and certificate, and for a day after the gateway's
 * certificate was verified; then, or where it is damaged, the handshake is a full
 * one. What is wrong with the file goes to `on_notice` (NULL: nowhere) in one
 * sentence; it never keeps a connection from being made. `file` is not copied.
 */
void sluice_posix_keep_session(struct sluice_port *port, const char *file,
                               void (*on_notice)(void *context, const char *sentence), void *context);

/*
 * A file as the medium of a store (sluice/store.h), made with `bytes` of zeros if
 * it is not there, longer if it is shorter, and left as it is if it is longer.
 * Held by one process at a time. SLUICE_IO: ret_error has one sentence why;
 * SLUICE_NO_MEMORY.
 */
enum sluice_error sluice_posix_medium_new(const char *path, uint64_t bytes,
                                          char ret_error[SLUICE_POSIX_ERROR_BYTES],
                                          struct sluice_medium **ret_medium);
/* Only after the store on it is no longer used; NULL is allowed. */
void sluice_posix_medium_free(struct sluice_medium *medium);

/* What the connection costs below MQTT, for a sluice_ledger; of TCP what Linux tells (TCP_INFO). */
void sluice_posix_traffic(struct sluice_port *port, struct sluice_traffic *ret_traffic);

uint64_t sluice_posix_now_ms(void);  /* a clock that never jumps: for sluice_device_poll */
uint64_t sluice_posix_time_ms(void); /* Unix time: for samples */

#ifdef __cplusplus
}
#endif

#endif

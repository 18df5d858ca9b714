/*
 * One server's side of TLS 1.2 and 1.3: its certificate and key, the CA that
 * vouches for clients, the CA's CRL, and the sessions that may be resumed. It
 * never changes: to load new files make a new one, whose `previous` is the old, and
 * give it to the listener (net_listener_set_tls), which then ends the connections
 * that the new one does not accept. Sessions go over to it. Whenever one is resumed,
 * its client's certificate is checked again: CA, CRL, dates.
 *
 * A client that presents a certificate must have a good one, also where none is
 * required. It must have exactly one name of the configured kind, in printable
 * characters: what could be read as two different names gets no connection.
 *
 * Reference-counted: the maker holds one reference, listeners and connections
 * take their own. References are counted on the loop's thread only; the rest is
 * safe on the threads of the pool. Memory: certificates, and at most
 * sessions_count sessions of about 350 bytes.
 */
#ifndef SLUICE_NET_TLS_H
#define SLUICE_NET_TLS_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stdint.h>

struct net_tls;

/* Where in a certificate the name is. */
enum net_tls_identity {
    NET_TLS_COMMON_NAME,      /* of the subject */
    NET_TLS_SUBJECT_ALT_NAME, /* the DNS name, e-mail address or URI */
};

struct net_tls_config {
    const char *certificate; /* PEM file: the certificate, then its intermediates */
    const char *key;         /* PEM file */
    const char *client_ca;   /* PEM file; NULL: clients are not asked for certificates */
    const char *crl;         /* PEM file with a CRL of each CA in client_ca; NULL: none */
    bool client_certificate_required;
    enum net_tls_identity identity;
    uint32_t sessions_count;        /* that can be resumed; 0: none */
    uint32_t session_timeout_s;     /* how long */
    const struct net_tls *previous; /* goes on with its sessions, as many and as long; NULL: begins anew */
};

/*
 * SLUICE_NOT_FOUND, SLUICE_DENIED or SLUICE_IO: a file cannot be read; SLUICE_INVALID: it is not what it
 * should be, or the key does not belong to the certificate. Then `ret_text`, NET_TEXT_BYTES long (net.h),
 * says so in one sentence. A key that others may read is used, with a warning in the log.
 */
enum sluice_error net_tls_new(const struct net_tls_config *config, struct net_tls **ret_tls, char *ret_text);
/* When what was loaded runs out: Unix time in seconds; INT64_MAX for what there is not. */
struct net_tls_dates {
    int64_t certificate_s, client_ca_s, crl_s;
};
struct net_tls_dates net_tls_dates(const struct net_tls *tls);
/* Its sessions, and those that go over to later ones, are kept in the file `path` too, after those that are
 * there were taken from it: net/tls_session_file.h. Again when the private key is another: it seals the file.
 * What goes wrong is logged, and the gateway does without. */
void net_tls_keep_sessions(struct net_tls *tls, const char *path);
struct net_tls *net_tls_ref(struct net_tls *tls);
void net_tls_unref(struct net_tls *tls); /* NULL is allowed */

#endif

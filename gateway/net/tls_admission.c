#include "net/tls_admission.h"

#include <mbedtls/platform_time.h>
#include <mbedtls/platform_util.h>

enum { LONGEST_TICKET_LIFETIME_S = 7 * 86400 }; /* RFC 8446, 4.6.1 */

/* ---- Certificates ---- */

/* mbedTLS comes from the CA, at the highest depth, to the client's own certificate, at 0. What it holds
 * against one is in `flags` already; if there is no CA, that is. */
static int on_certificate(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    struct tls_admission *admission = ctx;
    struct tls_peer *peer = &admission->peer;
    const struct tls_trust *trust = &admission->tls->trust;
    if (!admission->has_ca) {
        tls_credential_begin(&peer->credential, certificate);
        admission->has_ca = true;
        admission->ca_depth = depth;
    } else {
        tls_credential_add(&peer->credential, certificate, depth == admission->ca_depth - 1);
    }
    if (depth > 0)
        return 0;
    peer->credential.identity = (uint8_t)trust->identity;
    if (tls_identity_read(certificate, trust->identity, peer))
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
    *flags |= tls_trust_objections(trust, &peer->credential, tls_date_now());
    return 0;
}

enum sluice_error tls_admission_decide(const struct tls_admission *admission, struct tls_peer *ret_peer)
{
    struct tls_peer peer = admission->peer;
    uint32_t flags = mbedtls_ssl_get_verify_result(admission->ssl);
    /* These say that this was a full handshake without a certificate, whatever session was offered first. */
    if (flags == MBEDTLS_X509_BADCERT_MISSING || flags == MBEDTLS_X509_BADCERT_SKIP_VERIFY)
        peer = (struct tls_peer){0};
    else if (flags)
        return SLUICE_DENIED;
    if (tls_trust_objections(&admission->tls->trust, &peer.credential, tls_date_now()))
        return SLUICE_DENIED;
    *ret_peer = peer;
    return SLUICE_OK;
}

/* ---- Sessions: the version of TLS, who it is with, and what mbedTLS needs ---- */

static bool keep_session(struct tls_admission *admission, struct span id, const mbedtls_ssl_session *session)
{
    uint8_t memory[TLS_SESSION_SAVED_BYTES];
    struct tls_peer peer;
    if (tls_admission_decide(admission, &peer))
        return false;
    struct writer writer = writer_of(memory, sizeof memory);
    write_u16(&writer, (uint16_t)mbedtls_ssl_get_version_number(admission->ssl));
    write_bytes(&writer, span_of(&peer.credential, sizeof peer.credential));
    write_bytes(&writer, span_of(peer.fingerprint, sizeof peer.fingerprint));
    write_u16_bytes(&writer, span_from_string(peer.name));
    mbedtls_ssl_session lean = *session; /* a view: nothing of it is freed */
    lean.MBEDTLS_PRIVATE(peer_cert) = NULL;
    size_t len = 0;
    bool kept = !writer.failed &&
                mbedtls_ssl_session_save(&lean, writer.at, (size_t)(writer.end - writer.at), &len) == 0;
    if (kept)
        tls_sessions_keep(admission->tls->sessions, id, span_of(memory, writer_len(&writer) + len));
    mbedtls_platform_zeroize(memory, sizeof memory);
    mbedtls_platform_zeroize(&lean, sizeof lean);
    return kept;
}

static bool read_peer(struct reader *reader, struct tls_peer *ret_peer)
{
    struct span credential = read_bytes(reader, sizeof ret_peer->credential);
    struct span fingerprint = read_bytes(reader, sizeof ret_peer->fingerprint);
    struct span name = read_u16_bytes(reader);
    if (!credential.data || !fingerprint.data || !name.data || name.len >= sizeof ret_peer->name)
        return false;
    *ret_peer = (struct tls_peer){0};
    memcpy(&ret_peer->credential, credential.data, credential.len);
    memcpy(ret_peer->fingerprint, fingerprint.data, fingerprint.len);
    memcpy(ret_peer->name, name.data, name.len);
    return true;
}

/* A session of one version must not be taken for one of the other: what is a secret of the one may be an
 * empty field of the other. */
static bool restore_session(struct tls_admission *admission, struct span saved, uint64_t age_ms,
                            mbedtls_ssl_session *session)
{
    struct reader reader = reader_of(saved);
    struct tls_peer peer;
    bool is_version = read_u16(&reader) == mbedtls_ssl_get_version_number(admission->ssl);
    if (!is_version || !read_peer(&reader, &peer) ||
        tls_trust_objections(&admission->tls->trust, &peer.credential, tls_date_now()) ||
        mbedtls_ssl_session_load(session, reader.at, reader_left(&reader)) != 0)
        return false;
    /* mbedTLS compares the age with the client's, by a clock that begins anew when the machine does. */
    session->MBEDTLS_PRIVATE(ticket_creation_time) = mbedtls_ms_time() - (mbedtls_ms_time_t)age_ms;
    admission->peer = peer;
    return true;
}

static bool resume_session(struct tls_admission *admission, struct span id, mbedtls_ssl_session *session)
{
    uint8_t saved[TLS_SESSION_SAVED_BYTES];
    uint64_t age_ms = 0;
    size_t len = tls_sessions_find(admission->tls->sessions, id, saved, sizeof saved, &age_ms);
    bool resumed = len > 0 && restore_session(admission, span_of(saved, len), age_ms, session);
    mbedtls_platform_zeroize(saved, sizeof saved);
    return resumed;
}

/* ---- mbedTLS's questions ---- */

static int on_session_wanted(void *ctx, const unsigned char *id, size_t id_len, mbedtls_ssl_session *session)
{
    return resume_session(ctx, span_of(id, id_len), session) ? 0 : MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND;
}

static int on_session_new(void *ctx, const unsigned char *id, size_t id_len,
                          const mbedtls_ssl_session *session)
{
    return keep_session(ctx, span_of(id, id_len), session) ? 0 : MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
}

static int on_ticket_wanted(void *ctx, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    struct tls_admission *admission = ctx;
    if (!resume_session(admission, span_of(ticket, len), session))
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    mbedtls_ssl_conf_new_session_tickets(&admission->config, 0);
    return 0;
}

static int on_ticket_new(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                         const unsigned char *end, size_t *ret_len, uint32_t *ret_lifetime_s)
{
    struct tls_admission *admission = ctx;
    struct net_tls *tls = admission->tls;
    *ret_len = 0;
    *ret_lifetime_s = 0;
    if (end - start < TLS_SESSION_ID_BYTES ||
        mbedtls_ctr_drbg_random(&tls->random, start, TLS_SESSION_ID_BYTES) != 0 ||
        !keep_session(admission, span_of(start, TLS_SESSION_ID_BYTES), session))
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    uint64_t timeout_s = tls_sessions_timeout_ms(tls->sessions) / 1000;
    *ret_len = TLS_SESSION_ID_BYTES;
    *ret_lifetime_s = timeout_s < LONGEST_TICKET_LIFETIME_S ? (uint32_t)timeout_s : LONGEST_TICKET_LIFETIME_S;
    return 0;
}

void tls_admission_init(struct tls_admission *admission, struct net_tls *tls, mbedtls_ssl_context *ssl)
{
    *admission = (struct tls_admission){.tls = tls, .ssl = ssl, .config = tls->ssl};
    mbedtls_ssl_conf_verify(&admission->config, on_certificate, admission);
    if (tls_sessions_timeout_ms(tls->sessions) == 0)
        return;
    mbedtls_ssl_conf_session_cache(&admission->config, admission, on_session_wanted, on_session_new);
    mbedtls_ssl_conf_session_tickets_cb(&admission->config, on_ticket_new, on_ticket_wanted, admission);
    mbedtls_ssl_conf_new_session_tickets(&admission->config, 1);
}

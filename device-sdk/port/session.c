#include "port/session.h"

#include <string.h>

enum { ID_BYTES = 32 };

void session_init(struct session *session)
{
    mbedtls_ssl_session_init(&session->tls);
}

void session_fini(struct session *session)
{
    mbedtls_ssl_session_free(&session->tls);
}

static void clear(struct session *session)
{
    mbedtls_ssl_session_free(&session->tls);
    mbedtls_ssl_session_init(&session->tls);
    session->is_known = false;
}

void session_forget(struct session *session)
{
    bool was_known = session->is_known;
    clear(session);
    if (was_known && session->changed)
        session->changed(session);
}

void session_offer(struct session *session, mbedtls_ssl_context *tls, const char *host, uint16_t tcp_port)
{
    if (session->is_known && (session->tcp_port != tcp_port || strcmp(session->host, host) != 0))
        session_forget(session);
    memcpy(session->host, host, strlen(host) + 1);
    session->tcp_port = tcp_port;
    if (session->restore && (session->is_known || session->restore(session)))
        session->restore = NULL;
    if (session->is_known && sluice_posix_now_ms() - session->since_ms > SESSION_MAX_MS)
        session_forget(session);
    if (session->is_known && mbedtls_ssl_set_session(tls, &session->tls))
        session_forget(session);
}

bool session_keep(struct session *session, const mbedtls_ssl_context *tls)
{
    unsigned char offered[ID_BYTES];
    size_t offered_bytes = session->is_known ? mbedtls_ssl_session_get_id_len(&session->tls) : 0;
    memcpy(offered, *mbedtls_ssl_session_get_id(&session->tls), sizeof offered);
    clear(session);
    session->is_known = mbedtls_ssl_get_session(tls, &session->tls) == 0;
    if (session->is_known && offered_bytes > 0 &&
        mbedtls_ssl_session_get_id_len(&session->tls) == offered_bytes &&
        memcmp(offered, *mbedtls_ssl_session_get_id(&session->tls), offered_bytes) == 0)
        return true;
    session->since_ms = sluice_posix_now_ms();
    if (session->changed)
        session->changed(session);
    return false;
}

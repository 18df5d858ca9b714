#include "net/tls_sessions.h"

#include "base/memory.h"

#include <mbedtls/platform_util.h>

enum {
    SET_SLOTS = 8,
    SESSION_ID_BYTES = 32,
};

struct tls_session {
    uint8_t id[SESSION_ID_BYTES];
    uint8_t *saved; /* NULL: free */
    size_t saved_bytes;
    uint64_t saved_ms;
};

void tls_sessions_init(struct tls_sessions *sessions, size_t count, uint64_t timeout_ms)
{
    uv_mutex_init(&sessions->mutex);
    sessions->sets_count = (count + SET_SLOTS - 1) / SET_SLOTS;
    sessions->slots = memory_new_array(sessions->sets_count * SET_SLOTS, sizeof *sessions->slots);
    sessions->timeout_ms = timeout_ms;
}

static void forget(struct tls_session *slot)
{
    if (slot->saved)
        mbedtls_platform_zeroize(slot->saved, slot->saved_bytes); /* it holds the master secret */
    memory_free(slot->saved);
    *slot = (struct tls_session){0};
}

void tls_sessions_fini(struct tls_sessions *sessions)
{
    for (size_t i = 0; i < sessions->sets_count * SET_SLOTS; i++)
        forget(&sessions->slots[i]);
    memory_free(sessions->slots);
    uv_mutex_destroy(&sessions->mutex);
}

/* mbedTLS hands in no clock; this one does not jump. */
static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static struct tls_session *set_of(const struct tls_sessions *sessions, const uint8_t *id)
{
    struct reader reader = reader_of(span_of(id, 8));
    return &sessions->slots[read_u64(&reader) % sessions->sets_count * SET_SLOTS];
}

static struct tls_session *find(const struct tls_sessions *sessions, const uint8_t *id)
{
    struct tls_session *set = set_of(sessions, id);
    for (size_t i = 0; i < SET_SLOTS; i++) {
        if (set[i].saved && memcmp(set[i].id, id, SESSION_ID_BYTES) == 0)
            return &set[i];
    }
    return NULL;
}

int tls_sessions_get(void *data, const unsigned char *session_id, size_t session_id_len,
                     mbedtls_ssl_session *session)
{
    struct tls_sessions *sessions = data;
    int result = MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND;
    if (sessions->sets_count == 0 || session_id_len != SESSION_ID_BYTES)
        return result;
    uv_mutex_lock(&sessions->mutex);
    struct tls_session *slot = find(sessions, session_id);
    if (slot && now_ms() - slot->saved_ms < sessions->timeout_ms)
        result = mbedtls_ssl_session_load(session, slot->saved, slot->saved_bytes);
    uv_mutex_unlock(&sessions->mutex);
    return result;
}

/* The same session's slot, else a free one, else the oldest. */
static struct tls_session *slot_for(const struct tls_sessions *sessions, const uint8_t *id)
{
    struct tls_session *set = set_of(sessions, id);
    struct tls_session *slot = find(sessions, id);
    for (size_t i = 0; !slot && i < SET_SLOTS; i++) {
        if (!set[i].saved)
            slot = &set[i];
    }
    if (slot)
        return slot;
    slot = set;
    for (size_t i = 1; i < SET_SLOTS; i++) {
        if (set[i].saved_ms < slot->saved_ms)
            slot = &set[i];
    }
    return slot;
}

int tls_sessions_set(void *data, const unsigned char *session_id, size_t session_id_len,
                     const mbedtls_ssl_session *session)
{
    struct tls_sessions *sessions = data;
    if (sessions->sets_count == 0 || session_id_len != SESSION_ID_BYTES)
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    size_t bytes = 0;
    int result = mbedtls_ssl_session_save(session, NULL, 0, &bytes);
    if (result != MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL)
        return result;
    uint8_t *saved = memory_new(bytes);
    result = mbedtls_ssl_session_save(session, saved, bytes, &bytes);
    if (result) {
        memory_free(saved);
        return result;
    }
    uv_mutex_lock(&sessions->mutex);
    struct tls_session *slot = slot_for(sessions, session_id);
    forget(slot);
    *slot = (struct tls_session){.saved = saved, .saved_bytes = bytes, .saved_ms = now_ms()};
    memcpy(slot->id, session_id, SESSION_ID_BYTES);
    uv_mutex_unlock(&sessions->mutex);
    return 0;
}

#include "net/tls_sessions.h"

#include "base/memory.h"

#include <mbedtls/platform_util.h>
#include <time.h>
#include <uv.h>

enum { SET_SLOTS = 8 };

struct tls_sessions {
    size_t refs;
    uv_mutex_t mutex;
    struct tls_session *slots;
    size_t sets_count;
    uint64_t timeout_ms;
    struct tls_session_file *file; /* NULL: none */
};

static void forget(struct tls_session *slot)
{
    if (slot->saved)
        mbedtls_platform_zeroize(slot->saved, slot->saved_bytes); /* it holds the master secret */
    memory_free(slot->saved);
    *slot = (struct tls_session){0};
}

struct tls_sessions *tls_sessions_new(size_t count, uint64_t timeout_ms)
{
    struct tls_sessions *sessions = memory_new(sizeof *sessions);
    sessions->refs = 1;
    uv_mutex_init(&sessions->mutex);
    sessions->sets_count = (count + SET_SLOTS - 1) / SET_SLOTS;
    sessions->slots = memory_new_array(sessions->sets_count * SET_SLOTS, sizeof *sessions->slots);
    sessions->timeout_ms = count > 0 ? timeout_ms : 0;
    return sessions;
}

struct tls_sessions *tls_sessions_ref(struct tls_sessions *sessions)
{
    sessions->refs++;
    return sessions;
}

void tls_sessions_unref(struct tls_sessions *sessions)
{
    if (!sessions || --sessions->refs > 0)
        return;
    for (size_t i = 0; i < sessions->sets_count * SET_SLOTS; i++)
        forget(&sessions->slots[i]);
    memory_free(sessions->slots);
    tls_session_file_free(sessions->file);
    uv_mutex_destroy(&sessions->mutex);
    memory_free(sessions);
}

uint64_t tls_sessions_timeout_ms(const struct tls_sessions *sessions)
{
    return sessions->timeout_ms;
}

/* mbedTLS hands in no clock. */
static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct tls_session *set_of(const struct tls_sessions *sessions, struct span id)
{
    struct reader reader = reader_of(id);
    return &sessions->slots[read_u64(&reader) % sessions->sets_count * SET_SLOTS];
}

static struct tls_session *find(const struct tls_sessions *sessions, struct span id)
{
    struct tls_session *set = set_of(sessions, id);
    for (size_t i = 0; i < SET_SLOTS; i++) {
        if (set[i].saved && span_equal(id, span_of(set[i].id, TLS_SESSION_ID_BYTES)))
            return &set[i];
    }
    return NULL;
}

/* One of the future is from before the clock was set back: its age is not known. */
static bool is_good(const struct tls_sessions *sessions, const struct tls_session *session, uint64_t now_ms)
{
    return session->saved_ms <= now_ms && now_ms - session->saved_ms < sessions->timeout_ms;
}

size_t tls_sessions_find(struct tls_sessions *sessions, struct span id, uint8_t *saved, size_t capacity_bytes,
                         uint64_t *ret_age_ms)
{
    size_t len = 0;
    if (sessions->timeout_ms == 0 || id.len != TLS_SESSION_ID_BYTES)
        return 0;
    uv_mutex_lock(&sessions->mutex);
    struct tls_session *slot = find(sessions, id);
    uint64_t now_ms = wall_ms();
    if (slot && is_good(sessions, slot, now_ms) && slot->saved_bytes <= capacity_bytes) {
        len = slot->saved_bytes;
        memcpy(saved, slot->saved, len);
        *ret_age_ms = now_ms - slot->saved_ms;
    }
    uv_mutex_unlock(&sessions->mutex);
    return len;
}

/* The same session's slot, else a free one, else the oldest. */
static struct tls_session *slot_for(const struct tls_sessions *sessions, struct span id)
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

static void put(struct tls_sessions *sessions, const struct tls_session *session)
{
    struct tls_session *slot = slot_for(sessions, span_of(session->id, TLS_SESSION_ID_BYTES));
    forget(slot);
    *slot = *session;
    slot->saved = memory_new(session->saved_bytes);
    memcpy(slot->saved, session->saved, session->saved_bytes);
}

/* ---- The file ---- */

static void write_all(struct tls_sessions *sessions)
{
    uint64_t now_ms = wall_ms();
    tls_session_file_begin(sessions->file);
    for (size_t i = 0; i < sessions->sets_count * SET_SLOTS; i++) {
        const struct tls_session *slot = &sessions->slots[i];
        if (slot->saved && is_good(sessions, slot, now_ms))
            tls_session_file_append(sessions->file, slot);
    }
    tls_session_file_end(sessions->file);
}

static void on_session(void *ctx, const struct tls_session *session)
{
    struct tls_sessions *sessions = ctx;
    if (is_good(sessions, session, wall_ms()))
        put(sessions, session);
}

void tls_sessions_use_file(struct tls_sessions *sessions, const char *path, const uint8_t *key)
{
    if (sessions->timeout_ms == 0)
        return;
    uv_mutex_lock(&sessions->mutex);
    if (!sessions->file) {
        sessions->file = tls_session_file_new(path, key);
        tls_session_file_read(sessions->file, on_session, sessions);
        write_all(sessions);
    } else if (!tls_session_file_has_key(sessions->file, key)) {
        tls_session_file_set_key(sessions->file, key);
        write_all(sessions);
    }
    uv_mutex_unlock(&sessions->mutex);
}

void tls_sessions_keep(struct tls_sessions *sessions, struct span id, struct span saved)
{
    if (sessions->timeout_ms == 0 || id.len != TLS_SESSION_ID_BYTES)
        return;
    struct tls_session session = {
        .saved = (uint8_t *)saved.data, .saved_bytes = saved.len, .saved_ms = wall_ms()};
    memcpy(session.id, id.data, TLS_SESSION_ID_BYTES);
    uv_mutex_lock(&sessions->mutex);
    put(sessions, &session);
    if (sessions->file && tls_session_file_count(sessions->file) < 2 * sessions->sets_count * SET_SLOTS)
        tls_session_file_append(sessions->file, &session);
    else if (sessions->file)
        write_all(sessions);
    uv_mutex_unlock(&sessions->mutex);
}

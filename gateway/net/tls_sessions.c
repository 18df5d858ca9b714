#include "net/tls_sessions.h"

#include "base/memory.h"

#include <mbedtls/platform_util.h>
#include <time.h>
#include <uv.h>

enum { SET_SLOTS = 8 };

struct tls_session {
    uint8_t id[TLS_SESSION_ID_BYTES];
    uint8_t *saved; /* NULL: free */
    size_t saved_bytes;
    uint64_t saved_ms; /* by the wall clock: a session outlives this process */
};

struct tls_sessions {
    size_t refs;
    uv_mutex_t mutex;
    struct tls_session *slots;
    size_t sets_count;
    uint64_t timeout_ms;
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

size_t tls_sessions_find(struct tls_sessions *sessions, struct span id, uint8_t *saved, size_t capacity_bytes,
                         uint64_t *ret_age_ms)
{
    size_t len = 0;
    if (sessions->timeout_ms == 0 || id.len != TLS_SESSION_ID_BYTES)
        return 0;
    uv_mutex_lock(&sessions->mutex);
    struct tls_session *slot = find(sessions, id);
    uint64_t now_ms = wall_ms();
    /* One of the future is from before the clock was set back: its age is not known. */
    if (slot && slot->saved_ms <= now_ms && now_ms - slot->saved_ms < sessions->timeout_ms &&
        slot->saved_bytes <= capacity_bytes) {
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

void tls_sessions_keep(struct tls_sessions *sessions, struct span id, struct span saved)
{
    if (sessions->timeout_ms == 0 || id.len != TLS_SESSION_ID_BYTES)
        return;
    uint8_t *copy = memory_new(saved.len);
    memcpy(copy, saved.data, saved.len);
    uv_mutex_lock(&sessions->mutex);
    struct tls_session *slot = slot_for(sessions, id);
    forget(slot);
    *slot = (struct tls_session){.saved = copy, .saved_bytes = saved.len, .saved_ms = wall_ms()};
    memcpy(slot->id, id.data, TLS_SESSION_ID_BYTES);
    uv_mutex_unlock(&sessions->mutex);
}

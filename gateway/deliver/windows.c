#include "deliver/windows.h"

#include "base/memory.h"

enum { SMALLEST_BUCKETS = 16 };

void windows_init(struct windows *windows, uint64_t size_ms)
{
    *windows = (struct windows){.size_ms = size_ms, .soonest_end_ms = UINT64_MAX, .looked_ms = UINT64_MAX};
}

void windows_fini(struct windows *windows)
{
    for (size_t i = 0; i < windows->bucket_count; i++) {
        for (struct window *at = windows->buckets[i], *next; at; at = next) {
            next = at->next_in_bucket;
            memory_free(at);
        }
    }
    memory_free(windows->buckets);
}

uint64_t windows_start_ms(const struct windows *windows, uint64_t at_ms)
{
    return at_ms - at_ms % windows->size_ms;
}

/* ---- The table ---- */

/* Partitions are CRCs, so their low bits are spread already. */
static struct window **bucket_of(const struct windows *windows, uint32_t partition)
{
    return &windows->buckets[partition & (windows->bucket_count - 1)];
}

static void grow(struct windows *windows)
{
    struct windows grown = *windows;
    grown.bucket_count = windows->bucket_count ? 2 * windows->bucket_count : SMALLEST_BUCKETS;
    grown.buckets = memory_new_array(grown.bucket_count, sizeof(struct window *));
    for (size_t i = 0; i < windows->bucket_count; i++) {
        for (struct window *at = windows->buckets[i], *next; at; at = next) {
            struct window **bucket = bucket_of(&grown, at->partition);
            next = at->next_in_bucket;
            at->next_in_bucket = *bucket;
            *bucket = at;
        }
    }
    memory_free(windows->buckets);
    *windows = grown;
}

struct window *windows_find(const struct windows *windows, uint32_t partition)
{
    if (windows->count == 0)
        return NULL;
    struct window *at = *bucket_of(windows, partition);
    while (at && at->partition != partition)
        at = at->next_in_bucket;
    return at;
}

static struct window *find_or_make(struct windows *windows, uint32_t partition)
{
    struct window *window = windows_find(windows, partition);
    if (window)
        return window;
    if (windows->count == windows->bucket_count)
        grow(windows);
    struct window **bucket = bucket_of(windows, partition);
    window = memory_new(sizeof *window);
    window->partition = partition;
    window->next_in_bucket = *bucket;
    *bucket = window;
    windows->count++;
    return window;
}

static void forget(struct windows *windows, struct window *window)
{
    struct window **at = bucket_of(windows, window->partition);
    while (*at != window)
        at = &(*at)->next_in_bucket;
    *at = window->next_in_bucket;
    windows->count--;
    memory_free(window);
}

/* ---- Arriving ---- */

static void open_at(struct windows *windows, struct window *window, uint64_t start_ms)
{
    window->is_open = true;
    window->start_ms = start_ms;
    if (start_ms + windows->size_ms < windows->soonest_end_ms)
        windows->soonest_end_ms = start_ms + windows->size_ms;
}

bool windows_arrived(struct windows *windows, uint32_t partition, uint64_t received_ms)
{
    struct window *window = find_or_make(windows, partition);
    if (window->is_open)
        return false;
    open_at(windows, window, windows_start_ms(windows, received_ms));
    return true;
}

bool windows_is_over(const struct windows *windows, const struct window *window, uint64_t wall_ms)
{
    return window && window->is_open &&
           (window->start_ms + windows->size_ms <= wall_ms || window->start_ms > wall_ms + windows->size_ms);
}

void windows_each_over(struct windows *windows, uint64_t wall_ms,
                       bool (*end)(void *ctx, struct window *window), void *ctx)
{
    uint64_t soonest_ms = UINT64_MAX;
    bool goes_on = true, is_set_back = wall_ms < windows->looked_ms;
    windows->looked_ms = wall_ms;
    if (windows->soonest_end_ms > wall_ms && !is_set_back)
        return;
    for (size_t i = 0; i < windows->bucket_count; i++) {
        for (struct window *at = windows->buckets[i]; at; at = at->next_in_bucket) {
            if (goes_on && windows_is_over(windows, at, wall_ms))
                goes_on = end(ctx, at);
            if (at->is_open && at->start_ms + windows->size_ms < soonest_ms)
                soonest_ms = at->start_ms + windows->size_ms;
        }
    }
    windows->soonest_end_ms = soonest_ms;
    if (!goes_on)
        windows->looked_ms = UINT64_MAX;
}

void windows_ended(struct window *window, uint64_t end_ordinal)
{
    window->is_open = false;
    window->last_end = end_ordinal;
    window->end_count++;
}

/* ---- Handling ---- */

uint64_t windows_set_state(struct windows *windows, uint32_t partition, const struct window_state *state)
{
    struct window *window = find_or_make(windows, partition);
    uint64_t before = window->state.ordinal;
    window->state = *state;
    return before;
}

uint64_t windows_finished(struct windows *windows, uint32_t partition)
{
    struct window *window = windows_find(windows, partition);
    if (!window)
        return 0;
    uint64_t before = window->state.ordinal;
    window->state = (struct window_state){0};
    if (window->end_count > 0)
        window->end_count--;
    if (!window->is_open && window->end_count == 0)
        forget(windows, window);
    return before;
}

/* ---- Restoring ---- */

void windows_restore_end(struct windows *windows, uint32_t partition, uint64_t end_ordinal)
{
    windows_ended(find_or_make(windows, partition), end_ordinal);
}

uint64_t windows_restore_state(struct windows *windows, uint32_t partition, const struct window_state *state)
{
    struct window *window = find_or_make(windows, partition);
    if (state->ordinal < window->state.ordinal)
        return state->ordinal;
    return windows_set_state(windows, partition, state);
}

void windows_restored(struct windows *windows)
{
    for (size_t i = 0; i < windows->bucket_count; i++) {
        for (struct window *at = windows->buckets[i]; at; at = at->next_in_bucket) {
            if (at->state.ordinal > 0 && at->last_end <= at->state.included)
                open_at(windows, at, at->state.start_ms);
        }
    }
}

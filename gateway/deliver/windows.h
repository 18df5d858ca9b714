/*
 * Tumbling windows of an ordered queue: which windows are open, by partition, and
 * where the state of each lies. Windows follow each other without gaps, from the
 * epoch on. A message belongs to the window of its partition that is open when it
 * arrives. When that is over its owner queues an end behind it, like a message;
 * what arrives then opens the next. So the queue's order says what belongs
 * together, whatever the clock does.
 *
 * Handling is behind arriving: `state` is that of the oldest window of the
 * partition that is not finished. It names the ordinal up to which messages are
 * in it, so that after a crash none is taken into it twice.
 *
 * Sans-I/O, the caller's wall clock, one thread. A partition takes about 100
 * bytes from its first message until its last end is finished.
 */
#ifndef SLUICE_DELIVER_WINDOWS_H
#define SLUICE_DELIVER_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window_state {
    uint64_t start_ms;
    uint64_t included; /* messages up to this ordinal of the function's queue are in it */
    uint64_t ordinal;  /* its own in the queue of states; 0: there is no state */
    uint64_t position; /* of it, for journal_load */
    size_t bytes;      /* its own, as stored */
};

struct window {
    struct window *next_in_bucket;
    uint32_t partition;
    bool is_open;      /* for what arrives */
    uint64_t start_ms; /* of the open one */
    uint64_t last_end; /* ordinal of the newest end that was queued; 0: none was */
    size_t end_count;  /* queued and not finished */
    struct window_state state;
};

struct windows {
    uint64_t size_ms;
    struct window **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
    uint64_t soonest_end_ms; /* no open one ends before, */
    uint64_t looked_ms;      /* unless the clock is before this now: it was set back, or not all was seen */
};

void windows_init(struct windows *windows, uint64_t size_ms);
void windows_fini(struct windows *windows);
uint64_t windows_start_ms(const struct windows *windows, uint64_t at_ms);
/* NULL: nothing of that partition is unfinished. */
struct window *windows_find(const struct windows *windows, uint32_t partition);

/* A message of that partition was queued. True: it opened a window. */
bool windows_arrived(struct windows *windows, uint32_t partition, uint64_t received_ms);
/* Whether the open window of that partition is over; NULL is allowed. So is one that begins more than its
 * size in the future: the clock was set back, and nobody waits until it gets there. */
bool windows_is_over(const struct windows *windows, const struct window *window, uint64_t wall_ms);
/* Shows each that is, until `end` says no; it may call windows_ended. */
void windows_each_over(struct windows *windows, uint64_t wall_ms,
                       bool (*end)(void *ctx, struct window *window), void *ctx);
/* Its end was queued, under that ordinal. */
void windows_ended(struct window *window, uint64_t end_ordinal);

/* The state after a batch. Returns the ordinal of the one before, which is not needed any more; 0: none. */
uint64_t windows_set_state(struct windows *windows, uint32_t partition, const struct window_state *state);
/* The function has seen the end, or never will. Returns as above. */
uint64_t windows_finished(struct windows *windows, uint32_t partition);

/* ---- Restoring at start, besides windows_arrived: then windows_restored ---- */

void windows_restore_end(struct windows *windows, uint32_t partition, uint64_t end_ordinal);
/* Of several of a partition the newest holds. Returns the ordinal of the one that does not; 0: none. */
uint64_t windows_restore_state(struct windows *windows, uint32_t partition, const struct window_state *state);
/* Windows whose messages are all handled, and whose end is still to come, are open again. */
void windows_restored(struct windows *windows);

#endif

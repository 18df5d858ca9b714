#include "base/timers.h"

#include "base/memory.h"

enum { SMALLEST_CAPACITY = 16, RUN_MAX = 1000 };

void timers_fini(struct timers *timers)
{
    memory_free(timers->heap);
    *timers = (struct timers){0};
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place - 1] = timer;
    timer->place = place;
}

static struct timer *at(const struct timers *timers, size_t place)
{
    return timers->heap[place - 1];
}

static void rise(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    for (; place > 1 && at(timers, place / 2)->deadline_ms > timer->deadline_ms; place /= 2)
        put(timers, place, at(timers, place / 2));
    put(timers, place, timer);
}

static void sink(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    for (;;) {
        size_t child = place * 2;
        if (child < timers->count && at(timers, child + 1)->deadline_ms < at(timers, child)->deadline_ms)
            child++;
        if (child > timers->count || at(timers, child)->deadline_ms >= timer->deadline_ms)
            break;
        put(timers, place, at(timers, child));
        place = child;
    }
    put(timers, place, timer);
}

void timers_set(struct timers *timers, struct timer *timer, uint64_t deadline_ms)
{
    if (deadline_ms == TIMERS_NEVER) {
        timers_stop(timers, timer);
        return;
    }
    if (timer->place == 0) {
        if (timers->count == timers->capacity) {
            timers->capacity = timers->capacity ? timers->capacity * 2 : SMALLEST_CAPACITY;
            timers->heap = memory_resize(timers->heap, timers->capacity * sizeof *timers->heap);
        }
        put(timers, ++timers->count, timer);
    }
    timer->deadline_ms = deadline_ms;
    rise(timers, timer);
    sink(timers, timer);
}

void timers_stop(struct timers *timers, struct timer *timer)
{
    if (timer->place == 0)
        return;
    struct timer *last = at(timers, timers->count--);
    if (last != timer) {
        put(timers, timer->place, last);
        rise(timers, last);
        sink(timers, last);
    }
    timer->place = 0;
}

uint64_t timers_next(const struct timers *timers)
{
    return timers->count > 0 ? timers->heap[0]->deadline_ms : TIMERS_NEVER;
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
    for (int i = 0; i < RUN_MAX && timers_next(timers) <= now_ms; i++) {
        struct timer *timer = timers->heap[0];
        timers_stop(timers, timer);
        timer->on_expired(timer->owner, now_ms);
    }
}

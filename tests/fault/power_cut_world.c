#include "power_cut_world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

uint32_t below(struct world *world, uint32_t bound)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t)((world->random >> 20) % bound);
}

void check_or_stop(bool right, const struct world *world, const char *what)
{
    if (!right)
        print_error("after %" PRIu64 " cuts: %s\n", world->cuts, what);
    assert_true(right);
}

void open_queue(struct world *world, struct model_queue *queue)
{
    queue->id = journal_queue_open(world->journal, queue->kind, span_from_string(queue->name));
    queue->declared = ASKED;
    queue->seq = journal_stats(world->journal).last_seq;
    queue->oldest = queue->next = 0;
}

void forget_contents(struct model_queue *queue)
{
    memset(queue->entries, 0, ENTRIES_MAX * sizeof *queue->entries);
    memset(queue->packet_ids, 0, sizeof queue->packet_ids);
    queue->oldest = queue->next = 0;
}

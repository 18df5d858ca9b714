/* Segments as files and in accounts, and what entries keep of them. */
#include "deliver/journal_parts.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char suffix[] = ".journal";
static const char damaged_suffix[] = ".journal.damaged";

void segment_name(uint32_t number, bool damaged, char *ret_name)
{
    snprintf(ret_name, SEGMENT_NAME_BYTES, "%010" PRIu32 "%s", number, damaged ? damaged_suffix : suffix);
}

bool segment_name_read(const char *name, uint32_t *ret_number, bool *ret_damaged)
{
    enum { DIGITS = 10 };
    uint64_t number = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    bool damaged = strcmp(name + DIGITS, damaged_suffix) == 0;
    if (number == 0 || number >= UINT32_MAX || (!damaged && strcmp(name + DIGITS, suffix) != 0))
        return false;
    *ret_number = (uint32_t)number;
    *ret_damaged = damaged;
    return true;
}

struct segment *segment_add(struct segments *segments, uint32_t number)
{
    assert(segments->count == 0 || segments->items[segments->count - 1].number < number);
    if (segments->count == segments->capacity) {
        segments->capacity = segments->capacity ? 2 * segments->capacity : 8;
        segments->items = memory_resize(segments->items, segments->capacity * sizeof *segments->items);
    }
    struct segment *segment = &segments->items[segments->count++];
    *segment = (struct segment){.number = number};
    if (number >= segments->next_number)
        segments->next_number = number + 1;
    return segment;
}

struct segment *segment_find(struct segments *segments, uint32_t number)
{
    size_t low = 0, high = segments->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (segments->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < segments->count && segments->items[low].number == number ? &segments->items[low] : NULL;
}

struct segment *segment_newest(struct segments *segments)
{
    return segments->count ? &segments->items[segments->count - 1] : NULL;
}

void segment_remove(struct segments *segments, struct segment *segment)
{
    segments->bytes -= segment->bytes;
    size_t index = (size_t)(segment - segments->items);
    segments->count--;
    memmove(segment, segment + 1, (segments->count - index) * sizeof *segment);
}

void segment_set_bytes(struct segments *segments, struct segment *segment, uint64_t bytes)
{
    segments->bytes = segments->bytes - segment->bytes + bytes;
    segment->bytes = bytes;
}

enum sluice_error segment_read(struct disk *disk, uint32_t number, uint64_t limit, struct buffer *ret_bytes)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(number, false, name);
    struct disk_file *file;
    enum sluice_error error = disk->ops->open(disk, name, &file);
    if (error)
        return error;
    uint64_t size = 0;
    error = disk->ops->size(file, &size);
    size_t len = 0;
    size_t wanted = (size_t)(size < limit ? size : limit);
    if (!error && wanted > 0)
        error = disk->ops->read(file, 0, buffer_reserve(ret_bytes, wanted), wanted, &len);
    disk->ops->close(file);
    if (!error)
        buffer_grown(ret_bytes, len);
    return error;
}

bool segment_find_record(struct span bytes, uint32_t number, uint64_t least_seq, uint64_t *budget,
                         size_t *offset, struct record *ret_record)
{
    for (size_t at = *offset; at + RECORD_HEADER_BYTES <= bytes.len; at++) {
        struct span rest = span_skip(bytes, at);
        uint64_t cost = (uint64_t)record_body_bytes(rest.data) + RECORD_HEADER_BYTES;
        struct reader seq = reader_of(span_skip(rest, 8));
        if (cost > rest.len || read_u64(&seq) < least_seq)
            continue;
        if (cost > *budget)
            return false;
        *budget -= cost;
        if (record_read(rest, number, ret_record)) {
            *offset = at;
            return true;
        }
    }
    return false;
}

static void count_use(struct journal *journal, const struct stored *stored)
{
    struct segment *segment = segment_find(&journal->segments, stored->segment);
    assert(segment);
    segment->uses++;
    segment->use_bytes += stored->bytes;
}

static void uncount_use(struct journal *journal, const struct stored *stored)
{
    struct segment *segment = segment_find(&journal->segments, stored->segment);
    assert(segment && segment->uses > 0);
    segment->uses--;
    segment->use_bytes -= stored->bytes;
    segment->left_seq = journal->last_seq;
}

uint32_t journal_store(struct journal *journal, uint32_t segment, size_t offset, uint16_t index, size_t bytes)
{
    uint32_t stored = stored_new(&journal->stored);
    struct stored *item = &journal->stored.items[stored];
    item->segment = segment;
    item->offset = (uint32_t)offset;
    item->index = index;
    item->bytes = (uint32_t)bytes;
    return stored;
}

void journal_move(struct journal *journal, uint32_t stored, uint32_t segment, size_t offset, uint16_t index)
{
    struct stored *item = &journal->stored.items[stored];
    uncount_use(journal, item);
    item->segment = segment;
    item->offset = (uint32_t)offset;
    item->index = index;
    count_use(journal, item);
}

static void unuse(struct journal *journal, uint32_t stored)
{
    struct stored *item = &journal->stored.items[stored];
    assert(item->uses > 0);
    journal->entry_count--;
    if (--item->uses > 0)
        return;
    uncount_use(journal, item);
    stored_release(&journal->stored, stored);
}

struct live_entry *journal_enter(struct journal *journal, struct live_queue *queue, uint64_t number,
                                 uint32_t stored)
{
    struct live_entry *entry = live_find(&queue->table, number);
    if (entry && entry->stored == stored)
        return entry;
    if (entry)
        unuse(journal, entry->stored);
    else
        entry = live_put(&queue->table, number);
    entry->stored = stored;
    struct stored *item = &journal->stored.items[stored];
    if (item->uses++ == 0)
        count_use(journal, item);
    journal->entry_count++;
    if (!(number & LIVE_PACKET_ID) && number >= queue->next_ordinal)
        queue->next_ordinal = number + 1;
    return entry;
}

void journal_enter_target(struct journal *journal, struct live_queue *queue,
                          const struct journal_target *target, uint32_t stored)
{
    struct live_entry *entry = journal_enter(journal, queue, target->ordinal, stored);
    entry->share = target->share & JOURNAL_SHARE_MAX;
    entry->qos = target->qos & 3u;
    entry->retain = target->retain;
    entry->received = target->received;
}

void journal_leave(struct journal *journal, struct live_queue *queue, struct live_entry *entry)
{
    unuse(journal, entry->stored);
    live_remove(&queue->table, entry);
}

static struct live_entry *find_at(struct journal *journal, uint64_t id, uint64_t number, uint32_t segment,
                                  size_t offset, uint16_t index)
{
    struct live_queue *queue = live_queue_find(&journal->queues, (uint32_t)id);
    struct live_entry *entry = queue ? live_find(&queue->table, number) : NULL;
    if (!entry)
        return NULL;
    const struct stored *stored = &journal->stored.items[entry->stored];
    bool there = stored->segment == segment && stored->offset == offset && stored->index == index;
    return there ? entry : NULL;
}

struct live_entry *journal_find_at(struct journal *journal, const struct journal_target *target,
                                   uint32_t segment, size_t offset, uint16_t index)
{
    return find_at(journal, target->queue, target->ordinal, segment, offset, index);
}

struct live_entry *journal_find_origin(struct journal *journal, struct reader *body, uint32_t segment,
                                       size_t offset)
{
    uint64_t queue = read_number(body);
    uint64_t packet_id = read_number(body);
    return find_at(journal, queue, LIVE_PACKET_ID | packet_id, segment, offset, STORED_ORIGIN);
}

void journal_forget_queue(struct journal *journal, struct live_queue *queue)
{
    for (size_t i = 0; i < queue->table.capacity; i++) {
        if (queue->table.slots[i].used)
            unuse(journal, queue->table.slots[i].stored);
    }
    live_queue_free(&journal->queues, queue);
}

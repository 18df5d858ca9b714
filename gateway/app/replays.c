/* Dead letters that go back into their queues, because `sluice dlq replay` has marked them (deliver/state.h).
 */
#include "app/functions_internal.h"

#include "base/log.h"
#include "base/memory.h"

/* Of one queue at once: a page is put back, and gone from the state, before the next is read. */
enum { PAGE = 256 };

struct page {
    struct mapping *mapping;
    uint64_t now_ms;
    size_t count;
    enum replay_state next; /* REPLAY_DUE until something had no room */
};

static void add_replay(struct functions *all, const struct replay *replay)
{
    if (all->replay_count == all->replay_capacity) {
        all->replay_capacity = all->replay_capacity ? all->replay_capacity * 2 : 16;
        all->replays = memory_resize(all->replays, all->replay_capacity * sizeof *all->replays);
    }
    all->replays[all->replay_count++] = *replay;
    replay->mapping->replays_under_way++;
}

/* A letter larger than this configuration's packets: it stays one. */
static void give_up(struct mapping *mapping, const struct state_dead_letter *letter)
{
    struct functions *all = mapping->function->all;
    log_warning("dead letter %llu of function %s is too large to be put back into its queue",
                (unsigned long long)letter->id, mapping->function->config->name);
    add_replay(all,
               &(struct replay){mapping, letter->id, 0, state_remove_replay(all->host.state, letter->id)});
}

/* As if it had just been published to this one function: its attempts and its age begin again. So it belongs
 * to the window of now: that of then was told. An end is received at its window's end, whenever. */
static enum sluice_error put_back(struct mapping *mapping, const struct state_dead_letter *letter,
                                  uint64_t now_ms)
{
    struct functions *all = mapping->function->all;
    struct message view = *letter->message;
    uint32_t partition;
    if (mapping->tumbling && !tumbling_is_end(&view, &partition))
        view.received_ms = all->host.wall_ms(all->host.ctx);
    struct journal_target target = {.queue = mapping->queue_id,
                                    .ordinal = queue_next_ordinal(mapping->queue),
                                    .share = mapping_partition(mapping, letter->message),
                                    .qos = 1};
    struct journal_message stored = {.message = &view, .targets = &target, .target_count = 1};
    uint64_t seq;
    enum sluice_error error =
        journal_append_messages(all->host.journal, (struct journal_origin){0}, &stored, 1, &seq);
    if (error)
        return error;
    struct message *message = message_new(&view);
    queue_add(mapping->queue, message, target.share, stored.ret_position, now_ms);
    tumbling_arrived(mapping->tumbling, target.share, message);
    message_unref(message);
    add_replay(all, &(struct replay){mapping, letter->id, seq, 0});
    all->counters.replayed++;
    return SLUICE_OK;
}

static void on_letter(void *ctx, const struct state_dead_letter *letter)
{
    struct page *page = ctx;
    page->count++;
    if (page->next != REPLAY_DUE)
        return;
    struct mapping *mapping = page->mapping;
    if (!queue_has_room(mapping->queue, 1, message_bytes(letter->message)) ||
        !tumbling_has_room(mapping->tumbling, mapping_partition(mapping, letter->message))) {
        page->next = REPLAY_WAITS_FOR_QUEUE;
        return;
    }
    enum sluice_error error = put_back(mapping, letter, page->now_ms);
    if (error == SLUICE_TOO_LARGE)
        give_up(mapping, letter);
    else if (error)
        page->next = REPLAY_WAITS_FOR_JOURNAL;
}

static void replay_page(struct mapping *mapping, uint64_t now_ms)
{
    struct page page = {.mapping = mapping, .now_ms = now_ms, .next = REPLAY_DUE};
    enum sluice_error error = state_list_replays(
        mapping->function->all->host.state, span_from_string(mapping->queue_name), PAGE, on_letter, &page);
    if (error || (page.next == REPLAY_DUE && page.count < PAGE))
        page.next = REPLAY_NONE; /* an error was logged; the marks stay for the next start or command */
    mapping->replay = page.next;
    mapping->function->all->replays_wait_for_journal |= page.next == REPLAY_WAITS_FOR_JOURNAL;
}

void replay_turn(struct mapping *mapping, uint64_t now_ms)
{
    if (mapping->replay == REPLAY_DUE && mapping->replays_under_way == 0)
        replay_page(mapping, now_ms);
}

void replay_again(struct mapping *mapping)
{
    mapping->replay = REPLAY_DUE;
    mapping_changed(mapping);
}

/*
 * The crash argument: a letter leaves the state only when its message is in the journal, on disk. A crash
 * between the two puts it back once more; nothing is lost.
 */
void functions_journal_durable(struct functions *functions, uint64_t seq)
{
    handovers_room(functions, NULL);
    for (size_t i = 0; i < functions->function_count; i++)
        uplink_durable(&functions->functions[i], seq);
    for (size_t i = 0; i < functions->replay_count; i++) {
        struct replay *replay = &functions->replays[i];
        if (replay->ticket > 0 || replay->seq > seq)
            continue;
        replay->ticket = state_remove_dead_letter(functions->host.state, replay->letter);
        functions->letters_kept -= functions->letters_kept > 0;
    }
    for (size_t i = 0; functions->replays_wait_for_journal && i < functions->mapping_count; i++) {
        if (functions->mappings[i].replay == REPLAY_WAITS_FOR_JOURNAL)
            replay_again(&functions->mappings[i]);
    }
    functions->replays_wait_for_journal = false;
}

static void mapping_replayed(struct mapping *mapping)
{
    if (--mapping->replays_under_way == 0)
        mapping_changed(mapping); /* the next page */
}

void replays_state_durable(struct functions *functions, uint64_t ticket)
{
    size_t kept = 0;
    for (size_t i = 0; i < functions->replay_count; i++) {
        struct replay *replay = &functions->replays[i];
        if (replay->ticket > 0 && replay->ticket <= ticket)
            mapping_replayed(replay->mapping);
        else
            functions->replays[kept++] = *replay;
    }
    functions->replay_count = kept;
}

/* What is in the state now, and what is on its way there or out of it. */
static void count_letters(struct functions *functions)
{
    uint64_t count;
    if (state_count_dead_letters(functions->host.state, (struct state_letters){0}, &count) != SLUICE_OK)
        return;
    for (size_t i = 0; i < functions->letter_count; i++)
        count += functions->letters[i].ticket > 0;
    for (size_t i = 0; i < functions->replay_count; i++)
        count -= functions->replays[i].ticket > 0 && functions->replays[i].seq > 0 && count > 0;
    functions->letters_kept = count;
}

void functions_letters_changed(struct functions *functions)
{
    count_letters(functions);
    for (size_t i = 0; i < functions->mapping_count; i++)
        replay_again(&functions->mappings[i]);
}

/* broker/outgoing.h and broker/incoming.h: Packet Identifiers of a session, both ways. */
#include "base/memory.h"
#include "broker/incoming.h"
#include "broker/outgoing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void append_sent(struct outgoing *outgoing)
{
    outgoing_append(outgoing, &(struct outgoing_entry){.qos = 1, .bytes = 10});
    struct outgoing_entry *entry = outgoing_sendable(outgoing);
    assert_non_null(entry);
    entry->state = OUTGOING_SENT;
    outgoing->cursor++;
    outgoing->inflight_count++;
}

static void no_packet_id_is_used_twice_at_once(void **state)
{
    (void)state;
    struct outgoing outgoing;
    outgoing_init(&outgoing, 60000);
    for (int i = 0; i < PACKET_ID_COUNT; i++)
        append_sent(&outgoing);
    outgoing_append(&outgoing, &(struct outgoing_entry){.qos = 1, .bytes = 10});
    assert_null(outgoing_sendable(&outgoing));
    bool seen[PACKET_ID_COUNT + 1] = {false};
    for (uint64_t ordinal = outgoing.oldest; ordinal < outgoing.cursor; ordinal++) {
        uint64_t found;
        uint16_t id = outgoing_packet_id(ordinal);
        assert_true(id != 0 && !seen[id]);
        seen[id] = true;
        assert_non_null(outgoing_find(&outgoing, id, &found));
        assert_int_equal(found, ordinal);
    }
    /* Finishing a later one frees no identifier; finishing the oldest does. */
    outgoing_finish(&outgoing, outgoing.oldest + 1);
    assert_null(outgoing_sendable(&outgoing));
    outgoing_finish(&outgoing, outgoing.oldest);
    assert_non_null(outgoing_sendable(&outgoing));
    outgoing_fini(&outgoing);
}

static void only_what_was_sent_on_this_connection_is_found(void **state)
{
    (void)state;
    struct outgoing outgoing;
    outgoing_init(&outgoing, 0);
    append_sent(&outgoing);
    append_sent(&outgoing);
    outgoing_append(&outgoing, &(struct outgoing_entry){.qos = 1});
    uint64_t ordinal;
    assert_non_null(outgoing_find(&outgoing, 2, &ordinal));
    assert_null(outgoing_find(&outgoing, 3, &ordinal));
    assert_null(outgoing_find(&outgoing, 0, &ordinal));
    assert_null(outgoing_find(&outgoing, 60000, &ordinal));
    outgoing_rewind(&outgoing);
    assert_null(outgoing_find(&outgoing, 2, &ordinal));
    assert_int_equal(outgoing.inflight_count, 0);
    outgoing_fini(&outgoing);
}

static void bytes_are_counted_until_finished(void **state)
{
    (void)state;
    struct outgoing outgoing;
    outgoing_init(&outgoing, 7);
    struct message *message = message_new(&(struct message){.topic = SPAN_LITERAL("t")});
    for (int i = 0; i < 100; i++)
        outgoing_append(&outgoing,
                        &(struct outgoing_entry){.message = message_ref(message), .bytes = 10, .qos = 1});
    assert_int_equal(outgoing.bytes, 1000);
    assert_int_equal(outgoing.memory_bytes, 1000);
    outgoing_forget_message(&outgoing, outgoing_at(&outgoing, 106));
    assert_int_equal(outgoing.memory_bytes, 990);
    for (uint64_t ordinal = 106; ordinal > 7; ordinal--)
        outgoing_finish(&outgoing, ordinal);
    assert_int_equal(outgoing_count(&outgoing), 100);
    outgoing_finish(&outgoing, 7);
    assert_int_equal(outgoing_count(&outgoing), 0);
    assert_int_equal(outgoing.bytes + outgoing.memory_bytes, 0);
    assert_null(outgoing.ring); /* a large ring that is empty is given back */
    assert_int_equal(message->refs, 1);
    message_unref(message);
    outgoing_fini(&outgoing);
}

static void restored_entries_keep_their_ordinals(void **state)
{
    (void)state;
    struct outgoing outgoing;
    outgoing_init(&outgoing, 20);
    struct outgoing_entry entry = {.qos = 1, .bytes = 5, .restored = true};
    assert_true(outgoing_restore(&outgoing, 12, &entry));
    assert_true(outgoing_restore(&outgoing, 15, &entry));
    assert_false(outgoing_restore(&outgoing, 15, &entry));
    assert_false(outgoing_restore(&outgoing, 20, &entry));
    assert_false(outgoing_restore(&outgoing, 11, &entry));
    assert_int_equal(outgoing.oldest, 12);
    assert_int_equal(outgoing.next, 20);
    assert_int_equal(outgoing_at(&outgoing, 13)->state, OUTGOING_DONE);
    outgoing_finish(&outgoing, 12);
    assert_int_equal(outgoing.oldest, 15);
    outgoing_finish(&outgoing, 15);
    assert_int_equal(outgoing.oldest, 20);
    assert_int_equal(outgoing.bytes, 0);
    outgoing_fini(&outgoing);
}

static void held_packet_ids_are_known_in_any_order(void **state)
{
    (void)state;
    struct incoming incoming = {.count = 0};
    bool held[1000] = {false};
    uint64_t random = 1;
    size_t count = 0;
    for (int round = 0; round < 20000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint16_t id = (uint16_t)(1 + (random >> 33) % 999);
        assert_int_equal(incoming_find(&incoming, id) != NULL, held[id]);
        if (held[id]) {
            assert_int_equal(incoming_find(&incoming, id)->seq, id);
            assert_true(incoming_remove(&incoming, id));
        } else {
            assert_false(incoming_remove(&incoming, id));
            incoming_add(&incoming, id, id, NULL);
        }
        held[id] = !held[id];
        count += held[id] ? 1 : (size_t)-1;
        assert_int_equal(incoming.count, count);
    }
    incoming_fini(&incoming);
}

static void ids_in_turn_need_little_memory(void **state)
{
    (void)state;
    struct incoming incoming = {.count = 0};
    for (uint32_t i = 0; i < 300000; i++) {
        incoming_add(&incoming, (uint16_t)(i % 65535 + 1), 0, NULL);
        if (i >= 10)
            assert_true(incoming_remove(&incoming, (uint16_t)((i - 10) % 65535 + 1)));
    }
    assert_true(incoming.capacity <= 64);
    incoming_fini(&incoming);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_packet_id_is_used_twice_at_once),
        cmocka_unit_test(only_what_was_sent_on_this_connection_is_found),
        cmocka_unit_test(bytes_are_counted_until_finished),
        cmocka_unit_test(restored_entries_keep_their_ordinals),
        cmocka_unit_test(held_packet_ids_are_known_in_any_order),
        cmocka_unit_test(ids_in_turn_need_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

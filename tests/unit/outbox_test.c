/* outbox.h: order, bounds, and packets that stay whole while the queue moves through its memory. */
#include "client/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CAPACITY_BYTES = 1200 }; /* whole entries */

static struct outbox_entry memory[CAPACITY_BYTES / sizeof(struct outbox_entry)];

static struct outbox fresh(void)
{
    struct outbox outbox;
    outbox_init(&outbox, memory, CAPACITY_BYTES);
    return outbox;
}

/* A packet whose bytes all follow from its identifier. */
static enum sluice_error add(struct outbox *outbox, uint16_t id, size_t len, uint16_t sample_count)
{
    uint8_t *packet;
    enum sluice_error error = outbox_add(outbox, len, id, sample_count, &packet);
    if (!error)
        memset(packet, id & 0xff, len);
    return error;
}

static void assert_whole(struct outbox_entry *entry)
{
    for (size_t i = 0; i < entry->len; i++)
        assert_int_equal(outbox_packet(entry)[i], entry->packet_id & 0xff);
}

static void packets_leave_in_order_and_whole(void **state)
{
    (void)state;
    struct outbox outbox = fresh();
    uint16_t in = 1, out = 1;
    for (int round = 0; round < 2000; round++) {
        while (add(&outbox, in, 1 + in * 37u % 200, 4) == SLUICE_OK)
            in++;
        assert_int_equal(outbox.count, in - out);
        for (int i = 0; i < 1 + round % 4 && outbox.count > 0; i++, out++) {
            struct outbox_entry *first = outbox_first(&outbox);
            assert_int_equal(first->packet_id, out);
            assert_whole(first);
            outbox_settle(&outbox, first);
        }
    }
    assert_true(out > 2000);
}

static void full_and_too_large_are_told_apart(void **state)
{
    (void)state;
    struct outbox outbox = fresh();
    const size_t most = CAPACITY_BYTES - sizeof(struct outbox_entry);
    assert_int_equal(add(&outbox, 1, most + 1, 4), SLUICE_TOO_LARGE);
    assert_int_equal(add(&outbox, 1, most, 4), SLUICE_OK);
    assert_int_equal(add(&outbox, 2, 1, 4), SLUICE_FULL);
    outbox_settle(&outbox, outbox_first(&outbox));
    assert_null(outbox_first(&outbox));
    assert_int_equal(add(&outbox, 3, most, 4), SLUICE_OK);
}

static void an_early_acknowledgement_waits_for_those_before(void **state)
{
    (void)state;
    struct outbox outbox = fresh();
    for (uint16_t id = 1; id <= 3; id++)
        add(&outbox, id, 10, 4);
    outbox_settle(&outbox, outbox_find(&outbox, 2));
    assert_int_equal(outbox.count, 2);
    assert_null(outbox_find(&outbox, 2)); /* its Packet Identifier may be used again */
    assert_int_equal(outbox_first(&outbox)->packet_id, 1);
    outbox_settle(&outbox, outbox_find(&outbox, 1));
    assert_int_equal(outbox_first(&outbox)->packet_id, 3);
}

static void what_was_sent_is_sent_again(void **state)
{
    (void)state;
    struct outbox outbox = fresh();
    for (uint16_t id = 1; id <= 3; id++)
        add(&outbox, id, 10, 4);
    outbox_find(&outbox, 1)->state = OUTBOX_SENT;
    outbox_find(&outbox, 2)->state = OUTBOX_SENT;
    assert_int_equal(outbox_unsent(&outbox)->packet_id, 3);
    outbox_rewind(&outbox);
    assert_int_equal(outbox_unsent(&outbox)->packet_id, 1);
    assert_int_equal(outbox_unsent(&outbox)->state, OUTBOX_AGAIN);
    assert_int_equal(outbox_find(&outbox, 3)->state, OUTBOX_WAITING);
    outbox_forget(&outbox);
    assert_int_equal(outbox_unsent(&outbox)->state, OUTBOX_WAITING);
}

static void thinning_takes_every_second_waiting_frame(void **state)
{
    (void)state;
    struct outbox outbox = fresh();
    for (uint16_t id = 1; id <= 10; id++)
        add(&outbox, id, 5 + id * 3u, id != 6); /* 6 is no frame */
    outbox_find(&outbox, 1)->state = OUTBOX_SENT;
    assert_int_equal(outbox_thin(&outbox, outbox_find(&outbox, 2)), 3);
    const uint16_t left[] = {1, 2, 3, 5, 6, 8, 10};
    size_t i = 0;
    for (struct outbox_entry *entry = outbox_first(&outbox); entry; entry = outbox_next(&outbox, entry)) {
        assert_int_equal(entry->packet_id, left[i++]);
        assert_whole(entry);
    }
    assert_int_equal(i, 7);
    assert_int_equal(outbox.count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_leave_in_order_and_whole),
        cmocka_unit_test(full_and_too_large_are_told_apart),
        cmocka_unit_test(an_early_acknowledgement_waits_for_those_before),
        cmocka_unit_test(what_was_sent_is_sent_again),
        cmocka_unit_test(thinning_takes_every_second_waiting_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

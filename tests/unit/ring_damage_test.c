/*
 * A ring on a medium that holds anything: pages of another life, damaged, moved or
 * made up with a right checksum. It opens, gives what is whole, and works.
 * SLUICE_SEED sets the seed, which is printed.
 */
#include "client/crc32.h"
#include "client/ring.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { PAGE_BYTES = 512, PAGES = 12, MEDIUM_BYTES = PAGES * PAGE_BYTES, RECORD_BYTES = 60, ROUNDS = 1500 };

static uint8_t whole[MEDIUM_BYTES], bytes[MEDIUM_BYTES];
static _Alignas(max_align_t) uint8_t memory[4096];
static uint64_t random_state;

static uint32_t below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

static enum sluice_error memory_read(struct sluice_medium *medium, uint64_t offset, void *data, size_t len)
{
    assert_true(offset + len <= medium->bytes);
    memcpy(data, bytes + offset, len);
    return SLUICE_OK;
}

static enum sluice_error memory_write(struct sluice_medium *medium, uint64_t offset, const void *data,
                                      size_t len)
{
    assert_true(offset + len <= medium->bytes);
    memcpy(bytes + offset, data, len);
    return SLUICE_OK;
}

static enum sluice_error memory_sync(struct sluice_medium *medium)
{
    (void)medium;
    return SLUICE_OK;
}

static struct sluice_medium medium = {MEDIUM_BYTES, memory_read, memory_write, memory_sync};

static struct sluice_store *open_ring(void)
{
    struct sluice_store *store;
    assert_int_equal(sluice_ring_open(memory, sizeof memory, &medium,
                                      &(struct sluice_ring_config){.page_bytes = PAGE_BYTES}, &store),
                     SLUICE_OK);
    return store;
}

static enum sluice_error append(struct sluice_store *store, uint8_t number)
{
    uint8_t data[RECORD_BYTES];
    memset(data, number, sizeof data);
    return store->append(store, data, sizeof data, 3);
}

/* Its number, 0: there is none; -1: it is damaged. */
static int read_next(struct sluice_store *store)
{
    uint8_t data[PAGE_BYTES];
    size_t len;
    uint16_t sample_count;
    enum sluice_error error = store->read(store, data, sizeof data, &len, &sample_count);
    return error == SLUICE_OK ? (len > 0 ? data[0] : 1) : error == SLUICE_AGAIN ? 0 : -1;
}

/* A medium with a head, merged pages, old versions and a tail. */
static void make_whole(void)
{
    memset(bytes, 0, sizeof bytes);
    struct sluice_store *store = open_ring();
    size_t dropped_count;
    for (uint8_t number = 1; number <= 100; number++) {
        while (append(store, number) == SLUICE_FULL)
            assert_true(store->thin(store, &dropped_count));
        if (number % 7 == 0)
            store->commit(store);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_next(store), i + 1);
        store->remove(store);
    }
    store->commit(store);
    memcpy(whole, bytes, sizeof whole);
}

static void correct_checksum(uint8_t *page)
{
    struct reader used = reader_of(span_of(page + 12, 4));
    uint32_t used_bytes = read_u32(&used);
    if (used_bytes < RING_PAGE_HEADER_BYTES || used_bytes > PAGE_BYTES)
        return;
    struct writer crc = writer_of(page + 4, 4);
    write_u32(&crc, crc32_of(0, span_of(page + 8, used_bytes - 8)));
}

static void damage(void)
{
    for (uint32_t i = 0; i <= below(6); i++) {
        uint8_t *page = bytes + below(PAGES) * PAGE_BYTES;
        switch (below(4)) {
        case 0: memcpy(page, bytes + below(PAGES) * PAGE_BYTES, PAGE_BYTES); break;
        case 1: page[below(PAGE_BYTES)] ^= (uint8_t)(1u << below(8)); break;
        case 2: page[8 + below(RING_PAGE_HEADER_BYTES)] = (uint8_t)(below(2) * 255); break;
        case 3: memset(page + 16 + below(5) * 4, 255, 4); break; /* a number, sequence, ... of all ones */
        }
        if (below(4) != 0)
            correct_checksum(page);
    }
}

static void use(struct sluice_store *store)
{
    size_t dropped_count, unread_count = store->count;
    for (int i = 0; i < 200; i++) {
        uint32_t chance = below(10);
        if (chance < 5)
            unread_count += append(store, (uint8_t)(1 + below(255))) == SLUICE_OK;
        else if (chance < 7)
            unread_count -= read_next(store) != 0;
        else if (chance < 8 && store->count > unread_count)
            store->remove(store);
        else if (chance < 9)
            unread_count -= store->thin(store, &dropped_count) ? dropped_count : 0;
        else
            assert_int_equal(store->commit(store), SLUICE_OK);
    }
    for (; unread_count > 0; unread_count--)
        assert_int_not_equal(read_next(store), 0);
    assert_int_equal(read_next(store), 0);
    while (store->count > 0)
        store->remove(store);
}

static void whatever_the_medium_holds_the_ring_works(void **state)
{
    (void)state;
    const char *seed = getenv("SLUICE_SEED");
    uint64_t number = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", number);
    random_state = number * UINT64_C(0x9E3779B97F4A7C15) | 1;
    make_whole();
    for (int round = 0; round < ROUNDS; round++) {
        memcpy(bytes, whole, sizeof bytes);
        damage();
        struct sluice_store *store = open_ring();
        use(store);
        assert_int_equal(append(store, 77), SLUICE_OK);
        assert_int_equal(read_next(store), 77);
        assert_int_equal(store->commit(store), SLUICE_OK);
        store = open_ring();
        while (store->count > 1) { /* of the removed up to a page may be back */
            assert_int_not_equal(read_next(store), 0);
            store->remove(store);
        }
        assert_int_equal(read_next(store), 77);
    }
}

static void a_damaged_page_takes_no_other_with_it(void **state)
{
    (void)state;
    make_whole();
    unsigned whole_count = 0;
    bool there[256] = {false};
    struct sluice_store *store = open_ring();
    for (int number; (number = read_next(store)) != 0; whole_count++)
        there[number] = true;
    for (size_t page = 0; page < PAGES; page++) {
        memcpy(bytes, whole, sizeof bytes);
        memset(bytes + page * PAGE_BYTES, 0xff, PAGE_BYTES);
        store = open_ring();
        unsigned count = 0;
        int before = 0;
        for (int number; (number = read_next(store)) != 0; count++) {
            assert_true(number > before);
            before = number;
        }
        assert_true(count + PAGE_BYTES / RECORD_BYTES >= whole_count);
    }
    assert_true(there[100]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_medium_holds_the_ring_works),
        cmocka_unit_test(a_damaged_page_takes_no_other_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

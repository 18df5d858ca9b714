/*
 * A journal on a simulated disk with small files, and one function queue that
 * tests append to. What a restart shows is text, so that a test can say all of
 * it in one line. Failures end the test, by cmocka.
 */
#ifndef SLUICE_TESTS_JOURNAL_FIXTURE_H
#define SLUICE_TESTS_JOURNAL_FIXTURE_H

#include "../fault/sim_disk.h"

#include "base/buffer.h"
#include "deliver/journal.h"

/* What journal_visit shows, in order, as text. */
struct shown {
    struct journal *journal;
    char text[8192];
    size_t len, entries;
    uint64_t next_ordinal;
};

struct fixture {
    struct sim_disk *sim;
    struct journal_config config;
    struct journal *journal;
    struct shown shown;
    uint64_t now_ms;
    uint32_t queue;
    uint64_t next_ordinal;
};

struct fixture *fixture_new(void);
void fixture_free(struct fixture *fixture);

/* One batch. SLUICE_NOT_FOUND: none is due. */
enum sluice_error commit(struct fixture *fixture);
void commit_all(struct fixture *fixture);

/* Without a word to the journal: as kill -9. What it shows then lives until the next one. */
const char *restart(struct fixture *fixture);

extern const char hex_principal[]; /* of each message that is appended */

enum sluice_error append(struct fixture *fixture, struct journal_target target, const char *payload,
                         uint64_t *ret_position);
/* Appends 100-byte messages to the fixture's one queue. */
enum sluice_error append_many(struct fixture *fixture, size_t count);

#endif

/* The state's inside, for state.c (opening and writing), state_read.c and state_letters.c. */
#ifndef SLUICE_DELIVER_STATE_PARTS_H
#define SLUICE_DELIVER_STATE_PARTS_H

#include "deliver/state.h"

#include <sqlite3.h>

enum state_statement {
    STATE_SAVE_SESSION,
    STATE_REMOVE_SESSION,
    STATE_REMOVE_SUBSCRIPTIONS,
    STATE_SAVE_SUBSCRIPTION,
    STATE_REMOVE_SUBSCRIPTION,
    STATE_SAVE_RETAINED,
    STATE_REMOVE_RETAINED,
    STATE_SAVE_WILL,
    STATE_REMOVE_WILL,
    STATE_SAVE_DEAD_LETTER,
    STATE_REMOVE_DEAD_LETTER,
    STATE_REMOVE_REPLAY,
    STATE_STATEMENTS,
};

enum { STATE_VALUES_MAX = 19 };

enum state_kind { STATE_NUMBER, STATE_TEXT, STATE_BLOB };

struct state_value {
    enum state_kind kind;
    uint64_t number;
    struct span bytes;
};

/* One write that waits: a statement with its values, in one block with their bytes. */
struct state_operation {
    struct state_operation *next;
    uint64_t ticket;
    size_t bytes; /* of the block */
    enum state_statement statement;
    size_t value_count;
    struct state_value values[];
};

struct state_operations {
    struct state_operation *first, **end;
    size_t bytes;
};

/* In flight it is the running thread's. */
struct state_batch {
    sqlite3 *writer;
    sqlite3_stmt *statements[STATE_STATEMENTS];
    struct state_operations operations;
    int result; /* SQLite's */
};

struct state {
    sqlite3 *reader; /* of state_open_to_change: it writes too */
    struct state_batch batch;
    bool in_flight, failing;
    uint64_t retry_at_ms;
    struct state_operations queued;
    uint64_t last_ticket, durable_ticket;
};

/* ---- Reading, for state_read.c and state_letters.c ---- */

enum { STATE_MESSAGE_COLUMNS = 9 };

struct span state_column(sqlite3_stmt *row, int index);
uint64_t state_column_number(sqlite3_stmt *row, int index);
/* The columns of a message, from `first` on. */
struct message state_column_message(sqlite3_stmt *row, int first);
enum sluice_error state_prepare(struct state *state, const char *sql, sqlite3_stmt **ret_statement);
/* Ends a statement, by the result of its last step. */
enum sluice_error state_finish(struct state *state, sqlite3_stmt *statement, int result);

#endif

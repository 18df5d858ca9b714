#include "deliver/state_parts.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { RETRY_MS = 1000, BUSY_MS = 5000, PATH_BYTES = 4096 };

/*
 * From each version of the schema to the next; a new database goes through all of them.
 *
 * A dead letter's function and ordinal may come again only when the journal was thrown away: then its time
 * tells it from the old one.
 */
static const char *const upgrades[] = {
    "CREATE TABLE sessions (client_id TEXT PRIMARY KEY, owner_kind INTEGER, owner_name TEXT,"
    " owner_fingerprint TEXT, expiry_s INTEGER, disconnected_ms INTEGER) WITHOUT ROWID;"
    "CREATE TABLE subscriptions (client_id TEXT, filter TEXT, identifier INTEGER, options INTEGER,"
    " PRIMARY KEY (client_id, filter)) WITHOUT ROWID;"
    "CREATE TABLE retained (topic TEXT PRIMARY KEY, payload BLOB, properties BLOB, client_id TEXT,"
    " principal TEXT, qos INTEGER, retain INTEGER, received_ms INTEGER, expires_ms INTEGER,"
    " publisher_kind INTEGER, publisher_name TEXT, publisher_fingerprint TEXT);"
    "CREATE TABLE dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, payload BLOB,"
    " properties BLOB, client_id TEXT, principal TEXT, qos INTEGER, retain INTEGER, received_ms INTEGER,"
    " expires_ms INTEGER, function TEXT, ordinal INTEGER, reason TEXT, error_type TEXT,"
    " error_message TEXT, attempts INTEGER, first_ms INTEGER, last_ms INTEGER, stored_ms INTEGER,"
    " UNIQUE (function, ordinal, received_ms));"
    "PRAGMA user_version = 1;",

    "CREATE TABLE wills (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB, properties BLOB, client_id TEXT,"
    " principal TEXT, qos INTEGER, retain INTEGER, received_ms INTEGER, expires_ms INTEGER,"
    " owner_kind INTEGER, owner_name TEXT, owner_fingerprint TEXT, due_ms INTEGER);"
    "PRAGMA user_version = 2;",

    "CREATE TABLE replays (letter INTEGER PRIMARY KEY);"
    "CREATE TRIGGER replays_end AFTER DELETE ON dead_letters BEGIN"
    " DELETE FROM replays WHERE letter = OLD.id; END;"
    "PRAGMA user_version = 3;",
};

enum { SCHEMA_VERSION = sizeof upgrades / sizeof *upgrades };

static const char *const statements[STATE_STATEMENTS] = {
    [STATE_SAVE_SESSION] = "INSERT OR REPLACE INTO sessions VALUES (?,?,?,?,?,?)",
    [STATE_REMOVE_SESSION] = "DELETE FROM sessions WHERE client_id = ?",
    [STATE_REMOVE_SUBSCRIPTIONS] = "DELETE FROM subscriptions WHERE client_id = ?",
    [STATE_SAVE_SUBSCRIPTION] = "INSERT OR REPLACE INTO subscriptions VALUES (?,?,?,?)",
    [STATE_REMOVE_SUBSCRIPTION] = "DELETE FROM subscriptions WHERE client_id = ? AND filter = ?",
    [STATE_SAVE_RETAINED] = "INSERT OR REPLACE INTO retained VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATE_REMOVE_RETAINED] = "DELETE FROM retained WHERE topic = ?",
    [STATE_SAVE_WILL] = "INSERT OR REPLACE INTO wills VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATE_REMOVE_WILL] = "DELETE FROM wills WHERE id = ?",
    [STATE_SAVE_DEAD_LETTER] =
        "INSERT OR IGNORE INTO dead_letters VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATE_REMOVE_DEAD_LETTER] = "DELETE FROM dead_letters WHERE id = ?",
    [STATE_REMOVE_REPLAY] = "DELETE FROM replays WHERE letter = ?",
};

/* ---- Opening ---- */

static int read_version(sqlite3 *database, int *ret_version)
{
    sqlite3_stmt *statement;
    int result = sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &statement, NULL);
    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        *ret_version = sqlite3_column_int(statement, 0);
    return sqlite3_finalize(statement) || result ? sqlite3_errcode(database) : SQLITE_OK;
}

/* SQLITE_CORRUPT if the database's pages contradict each other. */
static int check(sqlite3 *database)
{
    sqlite3_stmt *statement;
    int result = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (result != SQLITE_OK)
        return result;
    bool good = sqlite3_step(statement) == SQLITE_ROW &&
                strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    result = sqlite3_finalize(statement);
    return result != SQLITE_OK || good ? result : SQLITE_CORRUPT;
}

/* Brings the schema to this version and prepares the statements, which need it. */
static int upgrade(struct state_batch *batch)
{
    int version = 0;
    int result = read_version(batch->writer, &version);
    if (result == SQLITE_OK && (version < 0 || version > SCHEMA_VERSION))
        result = SQLITE_NOTADB;
    for (; version < SCHEMA_VERSION && result == SQLITE_OK; version++)
        result = sqlite3_exec(batch->writer, upgrades[version], NULL, NULL, NULL);
    for (int i = 0; i < STATE_STATEMENTS && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(batch->writer, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &batch->statements[i], NULL);
    return result;
}

static int prepare(struct state_batch *batch)
{
    int result = sqlite3_exec(batch->writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", NULL,
                              NULL, NULL);
    if (result == SQLITE_OK)
        result = check(batch->writer);
    if (result == SQLITE_OK)
        result = sqlite3_exec(batch->writer, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = upgrade(batch);
    if (result == SQLITE_OK)
        result = sqlite3_exec(batch->writer, "COMMIT", NULL, NULL, NULL);
    /* Tables that are missing, or there already: the database of another program. Closing it rolls back. */
    return result == SQLITE_ERROR ? SQLITE_NOTADB : result;
}

static int open_database(const char *path, int flags, sqlite3 **ret_database)
{
    int result = sqlite3_open_v2(path, ret_database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK)
        sqlite3_busy_timeout(*ret_database, BUSY_MS);
    return result;
}

static void close_databases(struct state *state)
{
    for (int i = 0; i < STATE_STATEMENTS; i++) {
        sqlite3_finalize(state->batch.statements[i]);
        state->batch.statements[i] = NULL;
    }
    sqlite3_close(state->reader);
    sqlite3_close(state->batch.writer);
    state->reader = state->batch.writer = NULL;
}

static int open_both(struct state *state, const char *path)
{
    int result = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &state->batch.writer);
    if (result == SQLITE_OK)
        result = prepare(&state->batch);
    if (result == SQLITE_OK)
        result = open_database(path, SQLITE_OPEN_READONLY, &state->reader);
    if (result != SQLITE_OK)
        close_databases(state);
    return result;
}

/* The database with what SQLite keeps beside it: a new one must not find the old one's log. */
static bool move_aside(const char *path)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    bool moved = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char from[PATH_BYTES], to[PATH_BYTES];
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s.damaged%s", path, parts[i]);
        moved = (rename(from, to) == 0 || errno == ENOENT) && moved;
    }
    return moved;
}

static void operations_clear(struct state_operations *operations)
{
    while (operations->first) {
        struct state_operation *next = operations->first->next;
        memory_free(operations->first);
        operations->first = next;
    }
    operations->end = &operations->first;
    operations->bytes = 0;
}

enum sluice_error state_open(const char *path, struct state **ret_state)
{
    struct state *state = memory_new(sizeof *state);
    operations_clear(&state->queued);
    operations_clear(&state->batch.operations);
    int result = open_both(state, path);
    if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB) {
        bool moved = move_aside(path);
        log_error("state: %s is damaged, or not of this version: %s", path,
                  moved ? "it is kept as *.damaged, and an empty one takes its place"
                        : "and it cannot be moved aside");
        result = open_both(state, path);
    }
    if (result != SQLITE_OK) {
        log_error("state: %s cannot be used: %s", path, sqlite3_errstr(result));
        state_close(state);
        return SLUICE_IO;
    }
    *ret_state = state;
    return SLUICE_OK;
}

/* Without a writer; of at least that version. */
static enum sluice_error open_letters(const char *path, int flags, int oldest, struct state **ret_state)
{
    struct state *state = memory_new(sizeof *state);
    int version = 0;
    int result = open_database(path, flags, &state->reader);
    if (result == SQLITE_OK)
        result = read_version(state->reader, &version);
    if (result == SQLITE_OK && (version < 1 || version > SCHEMA_VERSION))
        result = SQLITE_NOTADB;
    if (result == SQLITE_OK && version < oldest)
        log_error("state: %s is of an earlier version: start the gateway once, which brings it up to date",
                  path);
    else if (result != SQLITE_OK)
        log_error("state: %s cannot be read: %s", path, sqlite3_errstr(result));
    if (result != SQLITE_OK || version < oldest) {
        state_close(state);
        return SLUICE_IO;
    }
    *ret_state = state;
    return SLUICE_OK;
}

enum sluice_error state_open_to_read(const char *path, struct state **ret_state)
{
    return open_letters(path, SQLITE_OPEN_READONLY, 1, ret_state); /* all versions have dead letters */
}

enum sluice_error state_open_to_change(const char *path, struct state **ret_state)
{
    return open_letters(path, SQLITE_OPEN_READWRITE, SCHEMA_VERSION, ret_state);
}

void state_close(struct state *state)
{
    if (!state)
        return;
    assert(!state->in_flight);
    operations_clear(&state->queued);
    close_databases(state);
    memory_free(state);
}

/* ---- Queueing ---- */

static struct state_value number(uint64_t value)
{
    return (struct state_value){.kind = STATE_NUMBER, .number = value};
}

static struct state_value text(struct span bytes)
{
    return (struct state_value){.kind = STATE_TEXT, .bytes = bytes};
}

static struct state_value blob(struct span bytes)
{
    return (struct state_value){.kind = STATE_BLOB, .bytes = bytes};
}

static uint64_t queue_operation(struct state *state, enum state_statement statement,
                                const struct state_value *values, size_t count)
{
    assert(count <= STATE_VALUES_MAX);
    size_t bytes = sizeof(struct state_operation) + count * sizeof *values;
    for (size_t i = 0; i < count; i++)
        bytes += values[i].bytes.len;
    struct state_operation *operation = memory_new(bytes);
    operation->ticket = ++state->last_ticket;
    operation->bytes = bytes;
    operation->statement = statement;
    operation->value_count = count;
    uint8_t *at = (uint8_t *)(operation->values + count);
    for (size_t i = 0; i < count; i++) {
        operation->values[i] = values[i];
        operation->values[i].bytes.data = at; /* never NULL: that would be SQL's NULL */
        if (values[i].bytes.len > 0)
            memcpy(at, values[i].bytes.data, values[i].bytes.len);
        at += values[i].bytes.len;
    }
    *state->queued.end = operation;
    state->queued.end = &operation->next;
    state->queued.bytes += bytes;
    return operation->ticket;
}

#define QUEUE_OPERATION(state, statement, values)                                                            \
    queue_operation((state), (statement), (values), sizeof(values) / sizeof *(values))

uint64_t state_save_session(struct state *state, const struct state_session *session)
{
    const struct state_value values[] = {
        text(session->client_id),         number(session->owner.kind), text(session->owner.name),
        text(session->owner.fingerprint), number(session->expiry_s),   number(session->disconnected_ms),
    };
    return QUEUE_OPERATION(state, STATE_SAVE_SESSION, values);
}

uint64_t state_remove_session(struct state *state, struct span client_id)
{
    const struct state_value values[] = {text(client_id)};
    QUEUE_OPERATION(state, STATE_REMOVE_SUBSCRIPTIONS, values);
    return QUEUE_OPERATION(state, STATE_REMOVE_SESSION, values);
}

uint64_t state_save_subscription(struct state *state, const struct state_subscription *subscription)
{
    const struct state_value values[] = {text(subscription->client_id), text(subscription->filter),
                                         number(subscription->identifier), number(subscription->options)};
    return QUEUE_OPERATION(state, STATE_SAVE_SUBSCRIPTION, values);
}

uint64_t state_remove_subscription(struct state *state, struct span client_id, struct span filter)
{
    const struct state_value values[] = {text(client_id), text(filter)};
    return QUEUE_OPERATION(state, STATE_REMOVE_SUBSCRIPTION, values);
}

enum { MESSAGE_VALUES = 9 };

static void message_values(const struct message *message, struct state_value *ret_values)
{
    ret_values[0] = text(message->topic);
    ret_values[1] = blob(message->payload);
    ret_values[2] = blob(message->properties);
    ret_values[3] = text(message->client_id);
    ret_values[4] = text(message->principal);
    ret_values[5] = number(message->qos);
    ret_values[6] = number(message->retain);
    ret_values[7] = number(message->received_ms);
    ret_values[8] = number(message->expires_ms);
}

/* Its publisher's fingerprint is what every message has as its principal. */
uint64_t state_save_retained(struct state *state, const struct message *message)
{
    struct state_value values[MESSAGE_VALUES + 3];
    message_values(message, values);
    values[MESSAGE_VALUES] = number(message->publisher_kind);
    values[MESSAGE_VALUES + 1] = text(message->publisher_name);
    values[MESSAGE_VALUES + 2] = text(message->principal);
    return QUEUE_OPERATION(state, STATE_SAVE_RETAINED, values);
}

uint64_t state_remove_retained(struct state *state, struct span topic)
{
    const struct state_value values[] = {text(topic)};
    return QUEUE_OPERATION(state, STATE_REMOVE_RETAINED, values);
}

uint64_t state_save_will(struct state *state, const struct state_will *will)
{
    struct state_value values[1 + MESSAGE_VALUES + 4];
    values[0] = number(will->id);
    message_values(will->message, values + 1);
    struct state_value *rest = values + 1 + MESSAGE_VALUES;
    rest[0] = number(will->owner.kind);
    rest[1] = text(will->owner.name);
    rest[2] = text(will->owner.fingerprint);
    rest[3] = number(will->due_ms);
    return QUEUE_OPERATION(state, STATE_SAVE_WILL, values);
}

uint64_t state_remove_will(struct state *state, uint64_t id)
{
    const struct state_value values[] = {number(id)};
    return QUEUE_OPERATION(state, STATE_REMOVE_WILL, values);
}

uint64_t state_save_dead_letter(struct state *state, const struct state_dead_letter *letter)
{
    static const struct message nothing; /* of an entry that could not be read back */
    struct state_value values[MESSAGE_VALUES + 9];
    message_values(letter->message ? letter->message : &nothing, values);
    const struct state_value rest[] = {
        text(letter->function),   number(letter->ordinal),     text(letter->reason),
        text(letter->error_type), text(letter->error_message), number(letter->attempts),
        number(letter->first_ms), number(letter->last_ms),     number(letter->stored_ms),
    };
    memcpy(values + MESSAGE_VALUES, rest, sizeof rest);
    return QUEUE_OPERATION(state, STATE_SAVE_DEAD_LETTER, values);
}

uint64_t state_remove_dead_letter(struct state *state, uint64_t id)
{
    const struct state_value values[] = {number(id)};
    return QUEUE_OPERATION(state, STATE_REMOVE_DEAD_LETTER, values);
}

uint64_t state_remove_replay(struct state *state, uint64_t id)
{
    const struct state_value values[] = {number(id)};
    return QUEUE_OPERATION(state, STATE_REMOVE_REPLAY, values);
}

/* ---- Group commit ---- */

struct state_batch *state_batch_begin(struct state *state, uint64_t now_ms)
{
    if (state->in_flight || !state->queued.first || (state->failing && now_ms < state->retry_at_ms))
        return NULL;
    state->in_flight = true;
    state->batch.operations = state->queued;
    state->queued = (struct state_operations){.end = &state->queued.first};
    return &state->batch;
}

static int bind(sqlite3_stmt *statement, int index, const struct state_value *value)
{
    const char *bytes = (const char *)value->bytes.data;
    switch (value->kind) {
    case STATE_NUMBER: return sqlite3_bind_int64(statement, index, (sqlite3_int64)value->number);
    case STATE_TEXT:
        return sqlite3_bind_text64(statement, index, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case STATE_BLOB: break;
    }
    return sqlite3_bind_blob64(statement, index, bytes, value->bytes.len, SQLITE_STATIC);
}

static int run_operation(struct state_batch *batch, const struct state_operation *operation)
{
    sqlite3_stmt *statement = batch->statements[operation->statement];
    int result = SQLITE_OK;
    for (size_t i = 0; i < operation->value_count && result == SQLITE_OK; i++)
        result = bind(statement, (int)i + 1, &operation->values[i]);
    if (result == SQLITE_OK && sqlite3_step(statement) != SQLITE_DONE)
        result = sqlite3_errcode(batch->writer);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

void state_batch_run(struct state_batch *batch)
{
    int result = sqlite3_exec(batch->writer, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (const struct state_operation *at = batch->operations.first; at && result == SQLITE_OK; at = at->next)
        result = run_operation(batch, at);
    if (result == SQLITE_OK)
        result = sqlite3_exec(batch->writer, "COMMIT", NULL, NULL, NULL);
    if (result != SQLITE_OK)
        sqlite3_exec(batch->writer, "ROLLBACK", NULL, NULL, NULL); /* fails where SQLite has done it itself */
    batch->result = result;
}

/* Puts what was not written back in front of what was queued since. */
static void queue_again(struct state *state)
{
    struct state_operations *batch = &state->batch.operations;
    *batch->end = state->queued.first;
    if (!state->queued.first)
        state->queued.end = batch->end;
    state->queued.first = batch->first;
    state->queued.bytes += batch->bytes;
    *batch = (struct state_operations){.end = &batch->first};
}

enum sluice_error state_batch_end(struct state *state, struct state_batch *batch, uint64_t now_ms,
                                  uint64_t *ret_ticket)
{
    assert(state->in_flight && batch == &state->batch);
    state->in_flight = false;
    if (batch->result != SQLITE_OK) {
        if (!state->failing)
            log_error("state: writing failed (%s); it is tried again", sqlite3_errstr(batch->result));
        state->failing = true;
        state->retry_at_ms = now_ms + RETRY_MS;
        queue_again(state);
        return batch->result == SQLITE_FULL ? SLUICE_FULL : SLUICE_IO;
    }
    if (state->failing)
        log_info("state: it can be written again");
    state->failing = false;
    for (const struct state_operation *at = batch->operations.first; at; at = at->next)
        state->durable_ticket = at->ticket;
    operations_clear(&batch->operations);
    *ret_ticket = state->durable_ticket;
    return SLUICE_OK;
}

uint64_t state_next_deadline(const struct state *state)
{
    if (state->in_flight || !state->queued.first)
        return UINT64_MAX;
    return state->failing ? state->retry_at_ms : 0;
}

size_t state_pending_bytes(const struct state *state)
{
    return state->queued.bytes + state->batch.operations.bytes;
}

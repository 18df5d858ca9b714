/* Reading the state: at start, and for those who look at dead letters. */
#include "deliver/state_parts.h"

#include "base/log.h"

static struct span column(sqlite3_stmt *row, int index)
{
    const void *bytes = sqlite3_column_blob(row, index);
    return span_of(bytes, (size_t)sqlite3_column_bytes(row, index));
}

static uint64_t column_number(sqlite3_stmt *row, int index)
{
    return (uint64_t)sqlite3_column_int64(row, index);
}

enum { MESSAGE_COLUMNS = 9 };

/* The columns of a message, from `first` on. */
static struct message column_message(sqlite3_stmt *row, int first)
{
    return (struct message){
        .topic = column(row, first),
        .payload = column(row, first + 1),
        .properties = column(row, first + 2),
        .client_id = column(row, first + 3),
        .principal = column(row, first + 4),
        .qos = (uint8_t)column_number(row, first + 5),
        .retain = column_number(row, first + 6) != 0,
        .received_ms = column_number(row, first + 7),
        .expires_ms = column_number(row, first + 8),
    };
}

static struct state_identity column_identity(sqlite3_stmt *row, int first)
{
    return (struct state_identity){.kind = (uint32_t)column_number(row, first),
                                   .name = column(row, first + 1),
                                   .fingerprint = column(row, first + 2)};
}

static enum sluice_error prepare(struct state *state, const char *sql, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(state->reader, sql, -1, ret_statement, NULL) == SQLITE_OK)
        return SLUICE_OK;
    log_error("state: it cannot be read: %s", sqlite3_errmsg(state->reader));
    return SLUICE_IO;
}

/* Ends a statement, by the result of its last step. */
static enum sluice_error finish(struct state *state, sqlite3_stmt *statement, int result)
{
    if (result != SQLITE_DONE && result != SQLITE_ROW)
        log_error("state: it cannot be read: %s", sqlite3_errmsg(state->reader));
    sqlite3_finalize(statement);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SLUICE_OK : SLUICE_IO;
}

static void give_session(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    visitor->on_session(visitor->ctx, &(struct state_session){.client_id = column(row, 0),
                                                              .owner = column_identity(row, 1),
                                                              .expiry_s = (uint32_t)column_number(row, 4),
                                                              .disconnected_ms = column_number(row, 5)});
}

static void give_subscription(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    visitor->on_subscription(visitor->ctx,
                             &(struct state_subscription){.client_id = column(row, 0),
                                                          .filter = column(row, 1),
                                                          .identifier = (uint32_t)column_number(row, 2),
                                                          .options = (uint32_t)column_number(row, 3)});
}

static void give_retained(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    struct message message = column_message(row, 0);
    message.publisher_kind = (uint8_t)column_number(row, MESSAGE_COLUMNS);
    message.publisher_name = column(row, MESSAGE_COLUMNS + 1);
    visitor->on_retained(visitor->ctx, &message);
}

static void give_will(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    struct message message = column_message(row, 1);
    visitor->on_will(visitor->ctx, &(struct state_will){.id = column_number(row, 0),
                                                        .message = &message,
                                                        .owner = column_identity(row, 1 + MESSAGE_COLUMNS),
                                                        .due_ms = column_number(row, 4 + MESSAGE_COLUMNS)});
}

enum sluice_error state_load(struct state *state, const struct state_visitor *visitor)
{
    static const struct {
        const char *sql;
        void (*give)(sqlite3_stmt *row, const struct state_visitor *visitor);
    } tables[] = {
        {"SELECT * FROM sessions", give_session},
        {"SELECT * FROM subscriptions", give_subscription},
        {"SELECT * FROM retained", give_retained},
        {"SELECT * FROM wills ORDER BY id", give_will},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        sqlite3_stmt *statement;
        enum sluice_error error = prepare(state, tables[i].sql, &statement);
        if (error)
            return error;
        int result;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
            tables[i].give(statement, visitor);
        error = finish(state, statement, result);
        if (error)
            return error;
    }
    return SLUICE_OK;
}

/* ---- Dead letters ---- */

/* The function ?1 with all its events' queues, NAME and NAME/2 and so on; every one if ?2. */
#define OF_FUNCTION "(?2 OR function = ?1 OR substr(function, 1, length(?1) + 1) = ?1 || '/')"

static void give_letter(sqlite3_stmt *row,
                        void (*on_letter)(void *ctx, const struct state_dead_letter *letter), void *ctx)
{
    struct message message = column_message(row, 1);
    on_letter(ctx, &(struct state_dead_letter){.id = column_number(row, 0),
                                               .message = &message,
                                               .function = column(row, 10),
                                               .ordinal = column_number(row, 11),
                                               .reason = column(row, 12),
                                               .error_type = column(row, 13),
                                               .error_message = column(row, 14),
                                               .attempts = (uint32_t)column_number(row, 15),
                                               .first_ms = column_number(row, 16),
                                               .last_ms = column_number(row, 17),
                                               .stored_ms = column_number(row, 18)});
}

/* Binds a function's name, and whether any function is meant. */
static void bind_function(sqlite3_stmt *statement, struct span function)
{
    sqlite3_bind_text(statement, 1, (const char *)function.data, (int)function.len, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, function.len == 0);
}

enum sluice_error state_list_dead_letters(
    struct state *state, struct span function, uint64_t after, size_t limit,
    void (*on_letter)(void *ctx, const struct state_dead_letter *letter), void *ctx)
{
    sqlite3_stmt *statement;
    enum sluice_error error =
        prepare(state, "SELECT * FROM dead_letters WHERE " OF_FUNCTION " AND id > ?3 ORDER BY id LIMIT ?4",
                &statement);
    if (error)
        return error;
    bind_function(statement, function);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)after);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)limit);
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        give_letter(statement, on_letter, ctx);
    return finish(state, statement, result);
}

enum sluice_error state_count_dead_letters(struct state *state, struct span function, uint64_t *ret_count)
{
    sqlite3_stmt *statement;
    enum sluice_error error =
        prepare(state, "SELECT count(*) FROM dead_letters WHERE " OF_FUNCTION, &statement);
    if (error)
        return error;
    bind_function(statement, function);
    int result = sqlite3_step(statement);
    uint64_t count = result == SQLITE_ROW ? column_number(statement, 0) : 0;
    error = finish(state, statement, result);
    if (!error)
        *ret_count = count;
    return error;
}

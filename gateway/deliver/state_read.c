/* Reading the state at start. */
#include "deliver/state_parts.h"

#include "base/log.h"

struct span state_column(sqlite3_stmt *row, int index)
{
    const void *bytes = sqlite3_column_blob(row, index);
    return span_of(bytes, (size_t)sqlite3_column_bytes(row, index));
}

uint64_t state_column_number(sqlite3_stmt *row, int index)
{
    return (uint64_t)sqlite3_column_int64(row, index);
}

struct message state_column_message(sqlite3_stmt *row, int first)
{
    return (struct message){
        .topic = state_column(row, first),
        .payload = state_column(row, first + 1),
        .properties = state_column(row, first + 2),
        .client_id = state_column(row, first + 3),
        .principal = state_column(row, first + 4),
        .qos = (uint8_t)state_column_number(row, first + 5),
        .retain = state_column_number(row, first + 6) != 0,
        .received_ms = state_column_number(row, first + 7),
        .expires_ms = state_column_number(row, first + 8),
    };
}

static struct state_identity column_identity(sqlite3_stmt *row, int first)
{
    return (struct state_identity){.kind = (uint32_t)state_column_number(row, first),
                                   .name = state_column(row, first + 1),
                                   .fingerprint = state_column(row, first + 2)};
}

enum sluice_error state_prepare(struct state *state, const char *sql, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(state->reader, sql, -1, ret_statement, NULL) == SQLITE_OK)
        return SLUICE_OK;
    log_error("state: it cannot be read: %s", sqlite3_errmsg(state->reader));
    return SLUICE_IO;
}

enum sluice_error state_finish(struct state *state, sqlite3_stmt *statement, int result)
{
    if (result != SQLITE_DONE && result != SQLITE_ROW)
        log_error("state: it cannot be read: %s", sqlite3_errmsg(state->reader));
    sqlite3_finalize(statement);
    return result == SQLITE_DONE || result == SQLITE_ROW ? SLUICE_OK : SLUICE_IO;
}

static void give_session(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    visitor->on_session(visitor->ctx,
                        &(struct state_session){.client_id = state_column(row, 0),
                                                .owner = column_identity(row, 1),
                                                .expiry_s = (uint32_t)state_column_number(row, 4),
                                                .disconnected_ms = state_column_number(row, 5)});
}

static void give_subscription(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    visitor->on_subscription(visitor->ctx,
                             &(struct state_subscription){.client_id = state_column(row, 0),
                                                          .filter = state_column(row, 1),
                                                          .identifier = (uint32_t)state_column_number(row, 2),
                                                          .options = (uint32_t)state_column_number(row, 3)});
}

static void give_retained(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    struct message message = state_column_message(row, 0);
    message.publisher_kind = (uint8_t)state_column_number(row, STATE_MESSAGE_COLUMNS);
    message.publisher_name = state_column(row, STATE_MESSAGE_COLUMNS + 1);
    visitor->on_retained(visitor->ctx, &message);
}

static void give_will(sqlite3_stmt *row, const struct state_visitor *visitor)
{
    struct message message = state_column_message(row, 1);
    visitor->on_will(visitor->ctx,
                     &(struct state_will){.id = state_column_number(row, 0),
                                          .message = &message,
                                          .owner = column_identity(row, 1 + STATE_MESSAGE_COLUMNS),
                                          .due_ms = state_column_number(row, 4 + STATE_MESSAGE_COLUMNS)});
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
        enum sluice_error error = state_prepare(state, tables[i].sql, &statement);
        if (error)
            return error;
        int result;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
            tables[i].give(statement, visitor);
        error = state_finish(state, statement, result);
        if (error)
            return error;
    }
    return SLUICE_OK;
}

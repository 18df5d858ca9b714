/* The dead letters of the state, for those who look at them and those who put them back. */
#include "deliver/state_parts.h"

#include "base/log.h"

/* Of the function ?1 with all its events' queues, NAME and NAME/2 and so on, or of every one if ?2; that with
 * the id ?3, or each if it is 0. */
#define WHICH                                                                                                \
    " WHERE (?2 OR function = ?1 OR substr(function, 1, length(?1) + 1) = ?1 || '/') AND (?3 = 0 OR id = "   \
    "?3)"

static void bind_which(sqlite3_stmt *statement, struct state_letters which)
{
    sqlite3_bind_text(statement, 1, (const char *)which.function.data, (int)which.function.len,
                      SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, which.function.len == 0);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)which.id);
}

static void give_letter(sqlite3_stmt *row, state_on_letter *on_letter, void *ctx)
{
    struct message message = state_column_message(row, 1);
    on_letter(ctx, &(struct state_dead_letter){.id = state_column_number(row, 0),
                                               .message = &message,
                                               .function = state_column(row, 10),
                                               .ordinal = state_column_number(row, 11),
                                               .reason = state_column(row, 12),
                                               .error_type = state_column(row, 13),
                                               .error_message = state_column(row, 14),
                                               .attempts = (uint32_t)state_column_number(row, 15),
                                               .first_ms = state_column_number(row, 16),
                                               .last_ms = state_column_number(row, 17),
                                               .stored_ms = state_column_number(row, 18)});
}

static enum sluice_error give_letters(struct state *state, sqlite3_stmt *statement,
                                      state_on_letter *on_letter, void *ctx)
{
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        give_letter(statement, on_letter, ctx);
    return state_finish(state, statement, result);
}

enum sluice_error state_list_dead_letters(struct state *state, struct state_letters which, uint64_t after,
                                          size_t limit, state_on_letter *on_letter, void *ctx)
{
    sqlite3_stmt *statement;
    enum sluice_error error = state_prepare(
        state, "SELECT * FROM dead_letters" WHICH " AND id > ?4 ORDER BY id LIMIT ?5", &statement);
    if (error)
        return error;
    bind_which(statement, which);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)after);
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)limit);
    return give_letters(state, statement, on_letter, ctx);
}

static enum sluice_error count(struct state *state, const char *sql, struct state_letters which,
                               uint64_t *ret_count)
{
    sqlite3_stmt *statement;
    enum sluice_error error = state_prepare(state, sql, &statement);
    if (error)
        return error;
    bind_which(statement, which);
    int result = sqlite3_step(statement);
    uint64_t found = result == SQLITE_ROW ? state_column_number(statement, 0) : 0;
    error = state_finish(state, statement, result);
    if (!error)
        *ret_count = found;
    return error;
}

enum sluice_error state_count_dead_letters(struct state *state, struct state_letters which,
                                           uint64_t *ret_count)
{
    return count(state, "SELECT count(*) FROM dead_letters" WHICH, which, ret_count);
}

enum sluice_error state_count_replays(struct state *state, struct state_letters which, uint64_t *ret_count)
{
    return count(state, "SELECT count(*) FROM dead_letters" WHICH " AND id IN (SELECT letter FROM replays)",
                 which, ret_count);
}

enum sluice_error state_list_replays(struct state *state, struct span queue, size_t limit,
                                     state_on_letter *on_letter, void *ctx)
{
    sqlite3_stmt *statement;
    enum sluice_error error = state_prepare(state,
                                            "SELECT * FROM dead_letters WHERE function = ?1 AND id IN"
                                            " (SELECT letter FROM replays) ORDER BY id LIMIT ?2",
                                            &statement);
    if (error)
        return error;
    sqlite3_bind_text(statement, 1, (const char *)queue.data, (int)queue.len, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)limit);
    return give_letters(state, statement, on_letter, ctx);
}

/* ---- Changing, at once ---- */

static enum sluice_error change(struct state *state, const char *sql, struct state_letters which,
                                uint64_t *ret_count)
{
    sqlite3_stmt *statement;
    enum sluice_error error = state_prepare(state, sql, &statement);
    if (error)
        return error;
    bind_which(statement, which);
    error = state_finish(state, statement, sqlite3_step(statement));
    if (!error)
        *ret_count = (uint64_t)sqlite3_changes(state->reader);
    return error;
}

enum sluice_error state_mark_replays(struct state *state, struct span queue, uint64_t id, uint64_t *ret_count)
{
    return change(state,
                  "INSERT OR REPLACE INTO replays SELECT id FROM dead_letters WHERE function = ?1 AND NOT ?2"
                  " AND (?3 = 0 OR id = ?3) AND reason <> 'unreadable'",
                  (struct state_letters){queue, id}, ret_count);
}

enum sluice_error state_purge_dead_letters(struct state *state, struct state_letters which,
                                           uint64_t *ret_count)
{
    return change(state, "DELETE FROM dead_letters" WHICH, which, ret_count);
}

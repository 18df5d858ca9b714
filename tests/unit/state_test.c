/* state.h over a real file: what is saved is there after a restart, and a bad file stops nothing. */
#include "base/log.h"
#include "base/memory.h"
#include "deliver/state.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[64], path[96];
    struct state *state;
    char text[2048]; /* what callbacks showed */
    size_t len;
    uint64_t last_id;
};

static void show(struct fixture *fixture, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void show(struct fixture *fixture, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(fixture->text + fixture->len, sizeof fixture->text - fixture->len, format, arguments);
    va_end(arguments);
    if (len > 0 && fixture->len + (size_t)len < sizeof fixture->text)
        fixture->len += (size_t)len;
}

#define TEXT(span) (int)(span).len, (const char *)(span).data

static void on_session(void *ctx, const struct state_session *session)
{
    show(ctx, "session %.*s owner %u %.*s %.*s expiry %u at %u;", TEXT(session->client_id),
         session->owner.kind, TEXT(session->owner.name), TEXT(session->owner.fingerprint), session->expiry_s,
         (unsigned)session->disconnected_ms);
}

static void on_subscription(void *ctx, const struct state_subscription *subscription)
{
    show(ctx, "subscription %.*s %.*s id %u options %u;", TEXT(subscription->client_id),
         TEXT(subscription->filter), subscription->identifier, subscription->options);
}

static void on_retained(void *ctx, const struct message *message)
{
    show(ctx, "retained %.*s=%.*s/%.*s q%u %u %u by %u %.*s;", TEXT(message->topic), TEXT(message->payload),
         TEXT(message->properties), message->qos, (unsigned)message->received_ms,
         (unsigned)message->expires_ms, message->publisher_kind, TEXT(message->publisher_name));
}

static void on_will(void *ctx, const struct state_will *will)
{
    const struct message *message = will->message;
    show(ctx, "will %u %.*s=%.*s/%.*s q%u r%u of %.*s owner %u %.*s %.*s due %u;", (unsigned)will->id,
         TEXT(message->topic), TEXT(message->payload), TEXT(message->properties), message->qos,
         message->retain, TEXT(message->client_id), will->owner.kind, TEXT(will->owner.name),
         TEXT(will->owner.fingerprint), (unsigned)will->due_ms);
}

static void on_letter(void *ctx, const struct state_dead_letter *letter)
{
    struct fixture *fixture = ctx;
    fixture->last_id = letter->id;
    show(ctx, "letter %.*s %u %.*s %.*s %.*s x%u %u-%u %.*s=%.*s;", TEXT(letter->function),
         (unsigned)letter->ordinal, TEXT(letter->reason), TEXT(letter->error_type),
         TEXT(letter->error_message), letter->attempts, (unsigned)letter->first_ms, (unsigned)letter->last_ms,
         TEXT(letter->message->topic), TEXT(letter->message->payload));
}

static int fixture_new(void **state)
{
    struct fixture *fixture = memory_new(sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/state_test.XXXXXX");
    if (!mkdtemp(fixture->directory))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/sluice.db", fixture->directory);
    *state = fixture;
    return state_open(fixture->path, &fixture->state);
}

static int fixture_free(void **state)
{
    static const char *const names[] = {
        "sluice.db",         "sluice.db-wal",         "sluice.db-shm",
        "sluice.db.damaged", "sluice.db.damaged-wal", "sluice.db.damaged-shm"};
    struct fixture *fixture = *state;
    state_close(fixture->state);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", fixture->directory, names[i]);
        unlink(path);
    }
    int result = rmdir(fixture->directory);
    memory_free(fixture);
    return result;
}

static uint64_t commit(struct fixture *fixture)
{
    struct state_batch *batch = state_batch_begin(fixture->state, 0);
    assert_non_null(batch);
    assert_null(state_batch_begin(fixture->state, 0));
    state_batch_run(batch);
    uint64_t ticket = 0;
    assert_int_equal(state_batch_end(fixture->state, batch, 0, &ticket), SLUICE_OK);
    return ticket;
}

static void restart(struct fixture *fixture)
{
    state_close(fixture->state);
    fixture->state = NULL;
    assert_int_equal(state_open(fixture->path, &fixture->state), SLUICE_OK);
}

static const char *load(struct fixture *fixture)
{
    fixture->len = 0;
    fixture->text[0] = '\0';
    assert_int_equal(state_load(fixture->state, &(struct state_visitor){fixture, on_session, on_subscription,
                                                                        on_retained, on_will}),
                     SLUICE_OK);
    return fixture->text;
}

static uint64_t save_letter(struct fixture *fixture, const char *function, uint64_t ordinal)
{
    return state_save_dead_letter(
        fixture->state,
        &(struct state_dead_letter){
            .function = span_from_string(function),
            .ordinal = ordinal,
            .reason = SPAN_LITERAL("attempts"),
            .error_type = SPAN_LITERAL("TypeError"),
            .error_message = SPAN_LITERAL("it's bad"),
            .attempts = 3,
            .first_ms = 5,
            .last_ms = 9,
            .message = &(struct message){.topic = SPAN_LITERAL("t"), .payload = SPAN_LITERAL("{}")}});
}

static void what_is_saved_is_there_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct state_identity owner = {1, SPAN_LITERAL("dev'1"), SPAN_LITERAL("ab12")};
    struct state_session session = {SPAN_LITERAL("c1"), owner, UINT32_MAX, 0};
    uint64_t first = state_save_session(fixture->state, &session);
    session.disconnected_ms = 77;
    state_save_session(fixture->state, &session);
    session.client_id = SPAN_LITERAL("c2");
    state_save_session(fixture->state, &session);
    state_save_subscription(fixture->state, &(struct state_subscription){
                                                SPAN_LITERAL("c1"), SPAN_LITERAL("a/#"), 268435455, 0x2e});
    state_save_subscription(fixture->state,
                            &(struct state_subscription){SPAN_LITERAL("c1"), SPAN_LITERAL("b/+"), 0, 1});
    state_save_subscription(fixture->state,
                            &(struct state_subscription){SPAN_LITERAL("c2"), SPAN_LITERAL("a/#"), 0, 0});
    state_remove_subscription(fixture->state, SPAN_LITERAL("c1"), SPAN_LITERAL("b/+"));
    state_remove_session(fixture->state, SPAN_LITERAL("c2"));
    struct message message = {.topic = SPAN_LITERAL("r"),
                              .payload = SPAN_LITERAL("on"),
                              .properties = SPAN_LITERAL("p"),
                              .qos = 1,
                              .received_ms = 3,
                              .expires_ms = 8,
                              .publisher_kind = 1,
                              .publisher_name = owner.name};
    state_save_retained(fixture->state, &message);
    message.topic = SPAN_LITERAL("gone");
    state_save_retained(fixture->state, &message);
    uint64_t last = state_remove_retained(fixture->state, message.topic);
    assert_true(last > first && state_pending_bytes(fixture->state) > 0);
    assert_int_equal(commit(fixture), last);
    assert_int_equal(state_pending_bytes(fixture->state), 0);
    assert_int_equal(state_next_deadline(fixture->state), UINT64_MAX);
    restart(fixture);
    assert_string_equal(load(fixture), "session c1 owner 1 dev'1 ab12 expiry 4294967295 at 77;"
                                       "subscription c1 a/# id 268435455 options 46;"
                                       "retained r=on/p q1 3 8 by 1 dev'1;");
}

static void wills_are_saved_changed_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct message message = {.topic = SPAN_LITERAL("w"),
                              .payload = SPAN_LITERAL("gone"),
                              .properties = SPAN_LITERAL("p"),
                              .client_id = SPAN_LITERAL("c1"),
                              .qos = 2,
                              .retain = true};
    struct state_will will = {300, &message, {1, SPAN_LITERAL("dev"), SPAN_LITERAL("ab12")}, 0};
    state_save_will(fixture->state, &will);
    will.due_ms = 77;
    state_save_will(fixture->state, &will);
    will.id = 20;
    state_save_will(fixture->state, &will);
    will.id = 1000;
    state_save_will(fixture->state, &will);
    state_remove_will(fixture->state, 1000);
    commit(fixture);
    restart(fixture);
    assert_string_equal(load(fixture), "will 20 w=gone/p q2 r1 of c1 owner 1 dev ab12 due 77;"
                                       "will 300 w=gone/p q2 r1 of c1 owner 1 dev ab12 due 77;");
}

/* The schema as version 1 made it, with one row of each table. */
static const char version_1[] =
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
    "PRAGMA user_version = 1;"
    "INSERT INTO sessions VALUES ('c1', 1, 'dev', 'ab12', 60, 5);"
    "INSERT INTO subscriptions VALUES ('c1', 'a/#', 3, 1);"
    "INSERT INTO retained VALUES ('r', 'on', 'p', 'c1', 'ab12', 1, 1, 3, 8, 1, 'dev', 'ab12');"
    "INSERT INTO dead_letters VALUES (1, 't', '{}', '', '', '', 1, 0, 2, 0, 'f', 4, 'attempts', 'E', 'm', 3,"
    " 5, 9, 10);";

static struct state_letters of(const char *function)
{
    return (struct state_letters){.function = span_from_string(function)};
}

static void put_database(struct fixture *fixture, const char *sql)
{
    state_close(fixture->state);
    fixture->state = NULL;
    unlink(fixture->path);
    sqlite3 *database;
    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void a_database_of_the_version_before_keeps_what_it_holds(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count = 0;
    put_database(fixture, version_1);
    assert_int_equal(state_open_to_read(fixture->path, &fixture->state), SLUICE_OK); /* changes nothing */
    assert_int_equal(state_count_dead_letters(fixture->state, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 1);
    restart(fixture);
    static const char kept[] = "session c1 owner 1 dev ab12 expiry 60 at 5;"
                               "subscription c1 a/# id 3 options 1;"
                               "retained r=on/p q1 3 8 by 1 dev;";
    assert_string_equal(load(fixture), kept);
    struct message message = {.topic = SPAN_LITERAL("w")};
    state_save_will(fixture->state, &(struct state_will){.id = 1, .message = &message});
    commit(fixture);
    restart(fixture); /* nothing is left to upgrade */
    assert_memory_equal(load(fixture), kept, strlen(kept));
    assert_non_null(strstr(fixture->text, "will 1 w="));
    assert_int_equal(state_count_dead_letters(fixture->state, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 1);
}

static struct state *open_to_change(struct fixture *fixture)
{
    struct state *change = NULL;
    assert_int_equal(state_open_to_change(fixture->path, &change), SLUICE_OK);
    return change;
}

static void what_was_not_committed_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    state_save_session(fixture->state, &(struct state_session){.client_id = SPAN_LITERAL("c1")});
    restart(fixture);
    assert_string_equal(load(fixture), "");
}

static void dead_letters_are_listed_and_counted(void **state)
{
    struct fixture *fixture = *state;
    save_letter(fixture, "f", 1);
    save_letter(fixture, "f", 1); /* the gateway died between storing it and acknowledging the entry */
    save_letter(fixture, "g", 1);
    save_letter(fixture, "f", 2);
    commit(fixture);
    restart(fixture);
    uint64_t count = 0;
    assert_int_equal(state_count_dead_letters(fixture->state, of(""), &count), SLUICE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(state_count_dead_letters(fixture->state, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(state_list_dead_letters(fixture->state, of("f"), 0, 1, on_letter, fixture), SLUICE_OK);
    static const char first[] = "letter f 1 attempts TypeError it's bad x3 5-9 t={};";
    assert_string_equal(fixture->text, first);
    uint64_t id = fixture->last_id;
    fixture->len = 0;
    assert_int_equal(state_list_dead_letters(fixture->state, of(""), id, 10, on_letter, fixture), SLUICE_OK);
    assert_non_null(strstr(fixture->text, "letter g 1 "));
    assert_non_null(strstr(fixture->text, "letter f 2 "));
}

static void put_file(const char *path, const char *content, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void dead_letters_are_purged(void **state)
{
    struct fixture *fixture = *state;
    save_letter(fixture, "f", 1);
    save_letter(fixture, "f/2", 1);
    save_letter(fixture, "fg", 1);
    save_letter(fixture, "g", 1);
    commit(fixture);
    struct state *change = open_to_change(fixture);
    uint64_t count = 9;
    assert_int_equal(state_purge_dead_letters(change, (struct state_letters){SPAN_LITERAL("g"), 1}, &count),
                     SLUICE_OK);
    assert_int_equal(count, 0); /* letter 1 is another function's */
    assert_int_equal(state_purge_dead_letters(change, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 2); /* both its events' */
    assert_int_equal(state_count_dead_letters(fixture->state, of(""), &count), SLUICE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(state_purge_dead_letters(change, of(""), &count), SLUICE_OK);
    assert_int_equal(count, 2);
    state_close(change);
}

static void a_marked_letter_is_listed_until_it_is_removed(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 3; i++)
        save_letter(fixture, "f", i);
    save_letter(fixture, "f/2", 1);
    commit(fixture);
    struct state *change = open_to_change(fixture);
    uint64_t count = 0;
    assert_int_equal(state_mark_replays(change, SPAN_LITERAL("f"), 2, &count), SLUICE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(state_mark_replays(change, SPAN_LITERAL("f"), 0, &count), SLUICE_OK); /* once more */
    assert_int_equal(count, 3);
    assert_int_equal(state_count_replays(fixture->state, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(state_list_replays(fixture->state, SPAN_LITERAL("f"), 1, on_letter, fixture), SLUICE_OK);
    assert_string_equal(fixture->text, "letter f 1 attempts TypeError it's bad x3 5-9 t={};");
    state_remove_dead_letter(fixture->state, fixture->last_id);
    state_remove_replay(fixture->state, fixture->last_id + 1);
    commit(fixture);
    restart(fixture);
    fixture->len = 0;
    assert_int_equal(state_list_replays(fixture->state, SPAN_LITERAL("f"), 9, on_letter, fixture), SLUICE_OK);
    assert_string_equal(fixture->text, "letter f 3 attempts TypeError it's bad x3 5-9 t={};");
    assert_int_equal(state_count_dead_letters(fixture->state, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(state_purge_dead_letters(change, of("f"), &count), SLUICE_OK);
    assert_int_equal(state_count_replays(fixture->state, of(""), &count), SLUICE_OK);
    assert_int_equal(count, 0); /* a mark goes with its letter */
    state_close(change);
}

/* A gateway of that version may be running: it does not know what a mark is. */
static void an_earlier_version_is_not_changed(void **state)
{
    struct fixture *fixture = *state;
    struct state *change = NULL;
    put_database(fixture, version_1);
    assert_int_equal(state_open_to_change(fixture->path, &change), SLUICE_IO);
    assert_null(change);
    restart(fixture);
    state_close(open_to_change(fixture));
}

static void a_bad_database_is_kept_aside_and_an_empty_one_takes_its_place(void **state)
{
    struct fixture *fixture = *state;
    static const char zeros[8192];
    static const struct {
        const char *name, *content;
        size_t len;
        bool kept;
    } rows[] = {
        {"no database",
         "this is no database at all, but text that is long enough to be one header. "
         "It goes on until more than a hundred bytes are there, as a header has.",
         140, true},
        {"zeros", zeros, sizeof zeros, true},
        {"empty", "", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].name);
        char kept[128];
        snprintf(kept, sizeof kept, "%s.damaged", fixture->path);
        unlink(kept);
        state_close(fixture->state);
        fixture->state = NULL;
        put_file(fixture->path, rows[i].content, rows[i].len);
        assert_int_equal(state_open(fixture->path, &fixture->state), SLUICE_OK);
        struct stat status;
        assert_int_equal(stat(kept, &status) == 0, rows[i].kept);
        assert_string_equal(load(fixture), "");
        state_save_session(fixture->state, &(struct state_session){.client_id = SPAN_LITERAL("c1")});
        commit(fixture);
        restart(fixture);
        assert_non_null(strstr(load(fixture), "session c1 "));
    }
}

static void the_database_of_another_program_is_kept_aside(void **state)
{
    struct fixture *fixture = *state;
    static const char *const rows[] = {"CREATE TABLE sessions (id)", "PRAGMA user_version = 1",
                                       "PRAGMA user_version = 1000"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i]);
        put_database(fixture, rows[i]);
        assert_int_equal(state_open(fixture->path, &fixture->state), SLUICE_OK);
        assert_string_equal(load(fixture), "");
    }
}

/* As `sluice dlq` does beside a running gateway. */
static void reading_leaves_the_database_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct state *reader = NULL;
    uint64_t count = 0;
    save_letter(fixture, "f", 1);
    commit(fixture);
    assert_int_equal(state_open_to_read(fixture->path, &reader), SLUICE_OK);
    save_letter(fixture, "f", 2);
    commit(fixture);
    assert_int_equal(state_count_dead_letters(reader, of("f"), &count), SLUICE_OK);
    assert_int_equal(count, 2);
    state_close(reader);
    state_close(fixture->state);
    fixture->state = reader = NULL;
    static const char *const bad[] = {"this is no database", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_file(fixture->path, bad[i], strlen(bad[i]));
        assert_int_equal(state_open_to_read(fixture->path, &reader), SLUICE_IO);
        assert_null(reader);
        struct stat status;
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_int_equal(status.st_size, strlen(bad[i]));
    }
}

static void a_damaged_page_is_found_at_start(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 500; i++)
        save_letter(fixture, "f", i);
    commit(fixture);
    state_close(fixture->state); /* checkpoints the log into the database */
    fixture->state = NULL;
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    for (long page = 1; page < 12; page++) {
        assert_int_equal(fseek(file, page * 4096, SEEK_SET), 0);
        assert_int_equal(fwrite("garbage!garbage!", 1, 16, file), 16);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(state_open(fixture->path, &fixture->state), SLUICE_OK);
    uint64_t count = 1;
    assert_int_equal(state_count_dead_letters(fixture->state, of(""), &count), SLUICE_OK);
    assert_int_equal(count, 0);
}

static void a_place_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct state *none = NULL;
    assert_int_equal(state_open("/nonexistent/sluice.db", &none), SLUICE_IO);
    assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)

int main(void)
{
    log_set_level(LOG_ERROR + 1); /* damage is reported, and this test makes it */
    const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_there_after_a_restart),
        TEST(wills_are_saved_changed_and_removed),
        TEST(a_database_of_the_version_before_keeps_what_it_holds),
        TEST(what_was_not_committed_is_not_there),
        TEST(dead_letters_are_listed_and_counted),
        TEST(dead_letters_are_purged),
        TEST(a_marked_letter_is_listed_until_it_is_removed),
        TEST(an_earlier_version_is_not_changed),
        TEST(a_bad_database_is_kept_aside_and_an_empty_one_takes_its_place),
        TEST(the_database_of_another_program_is_kept_aside),
        TEST(reading_leaves_the_database_as_it_is),
        TEST(a_damaged_page_is_found_at_start),
        cmocka_unit_test(a_place_that_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

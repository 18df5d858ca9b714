/* function_log.h and what is below it: records, their bounds, rotation, a reader beside the writer. */
#include "app/function_log.h"
#include "app/log_file.h"
#include "app/log_reader.h"
#include "app/log_writer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { START_MS = 1000 };
#define ID "00000001-0000-8000-8000-000000000001"

struct world {
    char folder[64];
    char path[PATH_MAX];
    struct config config;
    struct config_function function;
    struct function_logs *logs;
    struct function_log *log;
    uint64_t wall_ms;
};

static uint64_t world_wall_ms(void *ctx)
{
    return ((struct world *)ctx)->wall_ms;
}

static void world_start(struct world *world)
{
    world->config.function_count = 1;
    world->logs = function_logs_start(&world->config, world_wall_ms, world);
    assert_non_null(world->logs);
    world->log = function_logs_add(world->logs, &world->function);
    assert_non_null(world->log);
}

static void world_init(struct world *world, uint64_t records)
{
    *world = (struct world){.folder = "/tmp/function-log-XXXXXX"};
    assert_non_null(mkdtemp(world->folder));
    world->config.data = world->folder;
    world->config.logs.file_count = 3;
    world->config.logs.file_bytes = 4096;
    world->config.logs.record_count = records;
    world->function.name = (char *)(uintptr_t) "sensor";
    world->function.memory_mb = 64;
    world->wall_ms = START_MS;
    assert_true(function_log_path(&world->config, "sensor", world->path));
    world_start(world);
}

static void world_fini(struct world *world)
{
    char command[128];
    function_logs_stop(world->logs);
    snprintf(command, sizeof command, "rm -r '%s'", world->folder);
    assert_int_equal(system(command), 0);
}

static void say(struct world *world, const char *text)
{
    function_log_line(world->log, ID, span_from_string(text));
}

/* Stops the logs, and compares all that was written. */
static void assert_written(struct world *world, const char *expected)
{
    char all[16384];
    size_t len = 0;
    struct log_reader reader;
    struct span line;
    function_logs_stop(world->logs);
    world->logs = NULL;
    log_reader_init(&reader, world->path);
    while (log_reader_next(&reader, &line))
        len +=
            (size_t)snprintf(all + len, sizeof all - len, "%.*s\n", (int)line.len, (const char *)line.data);
    log_reader_fini(&reader);
    all[len] = '\0';
    assert_string_equal(all, expected);
}

static void an_invocation_is_records_of_one_line(void **state)
{
    struct world world;
    struct invoke_result result = {
        .duration_us = 12345, .init_us = 6789, .memory_bytes = 5 * 1024 * 1024 + 1};
    (void)state;
    world_init(&world, 200);
    function_log_line(world.log, NULL, SPAN_LITERAL("starting"));
    assert_true(function_log_begin(world.log, 0, ID));
    say(&world, "tab\there, \033[31mred\r, \xc2\x9bw");
    function_log_end(world.log, ID, true, 64, &result);
    result = (struct invoke_result){.outcome = INVOKE_CRASHED,
                                    .error_type = SPAN_LITERAL("Runtime.ExitError"),
                                    .error_message = SPAN_LITERAL("signal: Killed")};
    world.wall_ms += 1500;
    assert_true(function_log_begin(world.log, 0, ID));
    function_log_end(world.log, ID, true, 64, &result);
    assert_written(&world,
                   "1970-01-01T00:00:01.000Z - starting\n"
                   "1970-01-01T00:00:01.000Z " ID " START RequestId: " ID " Version: $LATEST\n"
                   "1970-01-01T00:00:01.000Z " ID " tab\there, ?[31mred?, ?w\n"
                   "1970-01-01T00:00:01.000Z " ID " END RequestId: " ID "\n"
                   "1970-01-01T00:00:01.000Z " ID " REPORT RequestId: " ID
                   "\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 64 MB\tMax Memory Used: 6 MB"
                   "\tInit Duration: 6.78 ms\n"
                   "1970-01-01T00:00:02.500Z " ID " START RequestId: " ID " Version: $LATEST\n"
                   "1970-01-01T00:00:02.500Z " ID " Runtime.ExitError: signal: Killed\n"
                   "1970-01-01T00:00:02.500Z " ID " END RequestId: " ID "\n"
                   "1970-01-01T00:00:02.500Z " ID " REPORT RequestId: " ID
                   "\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 64 MB\n");
    world_fini(&world);
}

/* Ten records a second: one invocation fits in half of them, and seven lines in what is left. */
static void what_is_over_the_bound_is_counted(void **state)
{
    struct world world;
    (void)state;
    world_init(&world, 10);
    for (int i = 0; i < 4; i++) {
        bool begun = function_log_begin(world.log, 0, ID);
        assert_int_equal(begun, i == 0);
        function_log_end(world.log, ID, begun, 64, &(struct invoke_result){0});
    }
    for (int i = 0; i < 12; i++)
        say(&world, "line");
    world.wall_ms += 1000;
    say(&world, "later");
    assert_written(&world, "1970-01-01T00:00:01.000Z " ID " START RequestId: " ID " Version: $LATEST\n"
                           "1970-01-01T00:00:01.000Z " ID " END RequestId: " ID "\n"
                           "1970-01-01T00:00:01.000Z " ID " REPORT RequestId: " ID
                           "\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 64 MB\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:01.000Z " ID " line\n"
                           "1970-01-01T00:00:02.000Z - (5 more lines and 3 more invocations were left out)\n"
                           "1970-01-01T00:00:02.000Z " ID " later\n");
    world_fini(&world);
}

/* The records of a function's log, and those that it says were left out. */
static uint64_t count_lines(const struct world *world)
{
    struct log_reader reader;
    struct span line;
    uint64_t count = 0;
    log_reader_init(&reader, world->path);
    while (log_reader_next(&reader, &line)) {
        char text[64];
        unsigned long long lines;
        snprintf(text, sizeof text, "%.*s", (int)line.len, (const char *)line.data);
        count += sscanf(text, "%*s - (%llu more lines and", &lines) == 1 ? lines : 1;
    }
    log_reader_fini(&reader);
    return count;
}

/* The writer has no room when the second ends, so that the count itself has to wait. */
static void what_a_slow_disk_leaves_out_is_counted_later(void **state)
{
    static char text[2001];
    struct world world;
    uint64_t said = 0;
    (void)state;
    world_init(&world, 1000 * 1000);
    function_logs_stop(world.logs);
    world.config.logs.file_bytes = 4 * LOG_WRITER_BYTES;
    world_start(&world);
    memset(text, 'x', sizeof text - 1);
    for (int second = 0; second < 3; second++, world.wall_ms += 1000) {
        for (size_t i = 0; i < LOG_WRITER_BYTES / 2000; i++, said++)
            say(&world, text);
        for (int i = 0; i < 200; i++, said++)
            say(&world, "");
    }
    function_logs_turn(world.logs, 0);
    for (uint64_t now_ms;
         (now_ms = function_logs_next_deadline(world.logs)) != UINT64_MAX;) /* until all is told */
        function_logs_turn(world.logs, now_ms);
    function_logs_stop(world.logs);
    world.logs = NULL;
    assert_int_equal(count_lines(&world), said);
    world_fini(&world);
}

/* They are handed over at the deadline, and not with each turn. */
static void records_go_to_the_disk_by_themselves(void **state)
{
    struct world world;
    struct log_reader reader;
    struct span line;
    (void)state;
    world_init(&world, 200);
    log_reader_init(&reader, world.path);
    assert_int_equal(function_logs_next_deadline(world.logs), UINT64_MAX);
    say(&world, "one");
    function_logs_turn(world.logs, 50);
    uint64_t deadline_ms = function_logs_next_deadline(world.logs);
    assert_in_range(deadline_ms, 51, 1000);
    assert_false(log_reader_next(&reader, &line));
    function_logs_turn(world.logs, deadline_ms);
    while (!log_reader_next(&reader, &line)) /* by the thread, soon */
        usleep(1000);
    assert_int_equal(line.len, strlen("1970-01-01T00:00:01.000Z " ID " one"));
    log_reader_fini(&reader);
    world_fini(&world);
}

static struct log_file file;
static const struct log_file_bounds small = {.bytes = 20, .count = 3};

static void append(const char *path, const char *record)
{
    assert_true(log_file_open(&file, path, small));
    assert_true(log_file_append(&file, span_from_string(record)));
    log_file_close(&file);
}

static void assert_file(const char *path, unsigned number, const char *expected)
{
    char numbered[PATH_MAX], content[256] = "";
    assert_true(log_file_path(path, number, numbered));
    FILE *stream = fopen(numbered, "re");
    size_t len = stream ? fread(content, 1, sizeof content - 1, stream) : 0;
    content[len] = '\0';
    if (stream)
        fclose(stream);
    assert_string_equal(content, expected);
}

static void assert_file_ends(const char *path, const char *counted, const char *last)
{
    char content[512] = "";
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    content[fread(content, 1, sizeof content - 1, stream)] = '\0';
    fclose(stream);
    assert_non_null(strstr(content, counted));
    assert_string_equal(content + strlen(content) - strlen(last), last);
    for (const char *line = content; *line; line = strchr(line, '\n') + 1)
        assert_int_equal(*line, 'T');
    assert_null(strstr(content, "a part"));
}

static void files_stay_within_their_bounds(void **state)
{
    struct world world;
    char path[PATH_MAX];
    (void)state;
    world_init(&world, 10);
    snprintf(path, sizeof path, "%s/x.log", world.folder);
    append(path, "0123456 one\n"); /* two do not fit into 20 bytes */
    append(path, "0123456 two\n");
    append(path, "0123456 3\n");
    append(path, "0123456 4\n");
    append(path, "0123456 five\n");
    assert_file(path, 0, "0123456 five\n");
    assert_file(path, 1, "0123456 3\n0123456 4\n");
    assert_file(path, 2, "0123456 two\n");
    assert_file(path, 3, "");
    log_file_forget_more(path, (struct log_file_bounds){.bytes = 20, .count = 1});
    assert_file(path, 0, "0123456 five\n");
    assert_file(path, 1, "");
    assert_file(path, 2, "");
    world_fini(&world);
}

static void a_torn_record_stays_alone(void **state)
{
    struct world world;
    (void)state;
    world_init(&world, 10);
    FILE *stream = fopen(world.path, "we");
    assert_non_null(stream);
    fputs("1970-01-01T00:00:00.000Z - to", stream);
    fclose(stream);
    function_log_line(world.log, NULL, SPAN_LITERAL("whole"));
    assert_written(&world, "1970-01-01T00:00:00.000Z - to\n1970-01-01T00:00:01.000Z - whole\n");
    world_fini(&world);
}

/* The reader is slower than the rotation by one file, then by none, and still reads each record once. */
static void a_reader_follows_over_rotations(void **state)
{
    struct world world;
    char path[PATH_MAX], record[32], expected[32];
    struct log_reader reader;
    struct span line;
    (void)state;
    world_init(&world, 10);
    snprintf(path, sizeof path, "%s/x.log", world.folder);
    log_reader_init(&reader, path);
    assert_false(log_reader_next(&reader, &line)); /* there is no file yet */
    int read_count = 0;
    for (int i = 0; i < 60; i++) {
        snprintf(record, sizeof record, "record %02d\n", i);
        append(path, record);
        for (; i % 3 == 0 && log_reader_next(&reader, &line); read_count++) {
            snprintf(expected, sizeof expected, "record %02d", read_count);
            assert_int_equal(line.len, strlen(expected));
            assert_memory_equal(line.data, expected, line.len);
        }
    }
    assert_int_equal(read_count, 58);
    log_reader_fini(&reader);
    world_fini(&world);
}

static void assert_reads(struct log_reader *reader, const char *expected)
{
    struct span line;
    assert_int_equal(log_reader_next(reader, &line), expected != NULL);
    if (expected) {
        assert_int_equal(line.len, strlen(expected));
        assert_memory_equal(line.data, expected, line.len);
    }
}

static void a_removed_log_is_not_read_again(void **state)
{
    static const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct world world;
    char path[PATH_MAX], old[PATH_MAX];
    struct log_reader reader;
    (void)state;
    world_init(&world, 10);
    snprintf(path, sizeof path, "%s/x.log", world.folder);
    assert_true(log_file_path(path, 1, old));
    append(path, "0123456 one\n");
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    append(path, "0123456 two\n"); /* in a second file */
    log_reader_init(&reader, path);
    assert_reads(&reader, "0123456 one");
    assert_reads(&reader, "0123456 two");
    assert_int_equal(unlink(path), 0);
    assert_reads(&reader, NULL);
    append(path, "0123456 three\n");
    assert_reads(&reader, "0123456 three");
    assert_reads(&reader, NULL);
    log_reader_fini(&reader);
    world_fini(&world);
}

static void an_emptied_log_is_read_on(void **state)
{
    struct world world;
    char path[PATH_MAX];
    struct log_reader reader;
    (void)state;
    world_init(&world, 10);
    snprintf(path, sizeof path, "%s/x.log", world.folder);
    log_reader_init(&reader, path);
    append(path, "0123456 one\n");
    assert_reads(&reader, "0123456 one");
    assert_int_equal(truncate(path, 0), 0);
    assert_reads(&reader, NULL);
    append(path, "two\n");
    assert_reads(&reader, "two");
    append(path, "a part"); /* which the writer takes back */
    assert_reads(&reader, NULL);
    assert_int_equal(truncate(path, 4), 0);
    assert_reads(&reader, NULL);
    append(path, "three\n");
    assert_reads(&reader, "three");
    assert_reads(&reader, NULL);
    log_reader_fini(&reader);
    world_fini(&world);
}

static void write_and_wait(struct log_writer *writer, size_t number, const char *record)
{
    assert_true(log_writer_add(writer, number, span_from_string(record)));
    while (log_writer_waits(writer)) /* until the thread has done with what came before */
        log_writer_hand_over(writer);
}

/* The disk is full: the file has whole records only, and then how many more there would have been. */
static void what_the_disk_does_not_take_is_counted(void **state)
{
    struct world world;
    struct rlimit unlimited;
    char path[PATH_MAX];
    (void)state;
    world_init(&world, 10);
    snprintf(path, sizeof path, "%s/x.log", world.folder);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct log_writer *writer = log_writer_start((struct log_file_bounds){.bytes = 4096, .count = 2});
    size_t number = log_writer_add_file(writer, path);
    write_and_wait(writer, number, "T0 before");
    struct rlimit full = {.rlim_cur = 12, .rlim_max = unlimited.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    write_and_wait(writer, number, "T1 a part of it fits");
    write_and_wait(writer, number, "T2 nothing fits");
    write_and_wait(writer, number, "T3 nothing fits, or all again");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    write_and_wait(writer, number, "T4 after");
    log_writer_stop(writer);
    assert_file_ends(path, " records could not be written: No space left on device)\n", "T4 after\n");
    world_fini(&world);
}

static void what_waits_is_bounded(void **state)
{
    struct world world;
    (void)state;
    world_init(&world, 10);
    struct log_writer *writer = log_writer_start((struct log_file_bounds){.bytes = 4096, .count = 1});
    size_t number = log_writer_add_file(writer, world.path), count = 0;
    while (log_writer_add(writer, number, SPAN_LITERAL("T0 a record that nobody has handed over")))
        count++;
    assert_in_range(count, LOG_WRITER_BYTES / 100, LOG_WRITER_BYTES / 40);
    log_writer_stop(writer);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invocation_is_records_of_one_line),
        cmocka_unit_test(what_is_over_the_bound_is_counted),
        cmocka_unit_test(what_a_slow_disk_leaves_out_is_counted_later),
        cmocka_unit_test(records_go_to_the_disk_by_themselves),
        cmocka_unit_test(files_stay_within_their_bounds),
        cmocka_unit_test(a_torn_record_stays_alone),
        cmocka_unit_test(a_reader_follows_over_rotations),
        cmocka_unit_test(a_removed_log_is_not_read_again),
        cmocka_unit_test(an_emptied_log_is_read_on),
        cmocka_unit_test(what_the_disk_does_not_take_is_counted),
        cmocka_unit_test(what_waits_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

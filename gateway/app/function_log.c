#include "app/function_log.h"

#include "app/direct_invocation.h"
#include "app/log_writer.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum {
    FLUSH_MS = 100, /* records are handed over together */
    TEXT_BYTES = 2048,
    SECOND_MS = 1000,
    INVOCATION_RECORDS = 3,
    MEGABYTE = 1024 * 1024,
};

struct function_log {
    struct function_logs *logs;
    const struct config_function *function;
    size_t file;
    uint64_t second;        /* of the wall clock */
    uint64_t written_count; /* in it */
    uint64_t dropped_lines, dropped_invocations;
};

struct function_logs {
    const struct config *config;
    struct log_writer *writer;
    uint64_t (*wall_ms)(void *ctx);
    void *ctx;
    struct function_log *logs;
    size_t count;
    uint64_t flush_ms; /* when what waits is handed over; UINT64_MAX: nothing waits */
};

/* ---- Lambda's lines ---- */

static void write_format(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void write_format(struct buffer *out, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_append(out, span_of(text, len < TEXT_BYTES ? (size_t)len : TEXT_BYTES - 1));
}

void function_log_write_start(struct buffer *out, const char *request_id, uint64_t version)
{
    char name[FUNCTION_VERSION_BYTES];
    function_version_name(version, name);
    write_format(out, "START RequestId: %s Version: %s", request_id, name);
}

void function_log_write_end(struct buffer *out, const char *request_id)
{
    write_format(out, "END RequestId: %s", request_id);
}

void function_log_write_report(struct buffer *out, const char *request_id, uint64_t memory_mb,
                               const struct invoke_result *result)
{
    write_format(out,
                 "REPORT RequestId: %s\tDuration: %" PRIu64 ".%02" PRIu64 " ms\tBilled Duration: %" PRIu64
                 " ms\tMemory Size: %" PRIu64 " MB",
                 request_id, result->duration_us / 1000, result->duration_us % 1000 / 10,
                 (result->duration_us + 999) / 1000, memory_mb);
    if (result->memory_bytes > 0)
        write_format(out, "\tMax Memory Used: %" PRIu64 " MB",
                     (result->memory_bytes + MEGABYTE - 1) / MEGABYTE);
    if (result->init_us > 0)
        write_format(out, "\tInit Duration: %" PRIu64 ".%02" PRIu64 " ms", result->init_us / 1000,
                     result->init_us % 1000 / 10);
}

/* ---- Records ---- */

static void write_time(struct buffer *out, uint64_t wall_ms)
{
    char text[32];
    struct tm parts;
    time_t seconds = (time_t)(wall_ms / 1000);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    write_format(out, "%s.%03uZ", text, (unsigned)(wall_ms % 1000));
}

/* What would break a line or move a terminal's cursor becomes `?`, but for tabs. */
static void write_text(struct buffer *out, struct span text)
{
    for (size_t control; text.len > 0; text = span_skip(text, control ? control : 1)) {
        control = *text.data == '\t' ? 0 : log_control_bytes(text);
        buffer_append(out, control ? SPAN_LITERAL("?") : span_of(text.data, 1));
    }
}

/* False: the disk is slow, and the record is left out. */
static bool add_record(struct function_log *log, uint64_t wall_ms, const char *request_id, struct span text)
{
    struct buffer record = {0};
    write_time(&record, wall_ms);
    write_format(&record, " %s ", request_id && *request_id ? request_id : "-");
    write_text(&record, text.len > TEXT_BYTES ? span_of(text.data, TEXT_BYTES) : text);
    bool added = log_writer_add(log->logs->writer, log->file, buffer_span(&record));
    buffer_fini(&record);
    return added;
}

static void write_record(struct function_log *log, uint64_t wall_ms, const char *request_id, struct span text)
{
    if (!add_record(log, wall_ms, request_id, text))
        log->dropped_lines++;
}

/* What was left out so far. It goes on being counted until the disk takes it. */
static void write_dropped(struct function_log *log, uint64_t wall_ms)
{
    char text[128];
    if (log->dropped_lines == 0 && log->dropped_invocations == 0)
        return;
    int len =
        snprintf(text, sizeof text, "(%" PRIu64 " more lines and %" PRIu64 " more invocations were left out)",
                 log->dropped_lines, log->dropped_invocations);
    if (add_record(log, wall_ms, NULL, span_of(text, (size_t)len)))
        log->dropped_lines = log->dropped_invocations = 0;
}

/* Whether `count` records more are within the first `bound` of this second. */
static bool admit(struct function_log *log, uint64_t wall_ms, uint64_t count, uint64_t bound)
{
    if (wall_ms / SECOND_MS != log->second) {
        write_dropped(log, wall_ms);
        log->second = wall_ms / SECOND_MS;
        log->written_count = 0;
    }
    bool admitted = log->written_count + count <= bound;
    if (admitted)
        log->written_count += count;
    return admitted;
}

static uint64_t wall_now(const struct function_log *log)
{
    return log->logs->wall_ms(log->logs->ctx);
}

bool function_log_begin(struct function_log *log, uint64_t version, const char *request_id)
{
    if (!log || config_is_remote(log->function)) /* what is elsewhere is logged there */
        return false;
    uint64_t wall_ms = wall_now(log), records = log->logs->config->logs.record_count;
    if (!admit(log, wall_ms, INVOCATION_RECORDS, records / 2)) {
        log->dropped_invocations++;
        return false;
    }
    struct buffer text = {0};
    function_log_write_start(&text, request_id, version);
    write_record(log, wall_ms, request_id, buffer_span(&text));
    buffer_fini(&text);
    return true;
}

void function_log_line(struct function_log *log, const char *request_id, struct span line)
{
    if (!log)
        return;
    uint64_t wall_ms = wall_now(log);
    if (admit(log, wall_ms, 1, log->logs->config->logs.record_count))
        write_record(log, wall_ms, request_id, line);
    else
        log->dropped_lines++;
}

static void log_error_of(struct function_log *log, const char *request_id, const struct invoke_result *result)
{
    struct buffer text = {0};
    buffer_append(&text, result->error_type);
    buffer_append(&text, SPAN_LITERAL(": "));
    buffer_append(&text, result->error_message);
    function_log_line(log, request_id, buffer_span(&text));
    buffer_fini(&text);
}

void function_log_end(struct function_log *log, const char *request_id, bool begun, uint64_t memory_mb,
                      const struct invoke_result *result)
{
    if (!log || config_is_remote(log->function))
        return;
    if (result->outcome != INVOKE_SUCCEEDED)
        log_error_of(log, request_id, result);
    if (!begun)
        return;
    uint64_t wall_ms = wall_now(log);
    struct buffer text = {0};
    function_log_write_end(&text, request_id);
    write_record(log, wall_ms, request_id, buffer_span(&text));
    buffer_consume(&text, buffer_len(&text));
    function_log_write_report(&text, request_id, memory_mb, result);
    write_record(log, wall_ms, request_id, buffer_span(&text));
    buffer_fini(&text);
}

/* ---- All of them ---- */

static bool folder_path(const struct config *config, char ret_path[static PATH_MAX])
{
    return snprintf(ret_path, PATH_MAX, "%s/logs", config->data) < PATH_MAX;
}

bool function_log_path(const struct config *config, const char *function, char ret_path[static PATH_MAX])
{
    char folder[PATH_MAX];
    return folder_path(config, folder) &&
           snprintf(ret_path, PATH_MAX, "%s/%s.log", folder, function) < PATH_MAX;
}

struct function_logs *function_logs_start(const struct config *config, uint64_t (*wall_ms)(void *ctx),
                                          void *ctx)
{
    const struct log_file_bounds bounds = {config->logs.file_bytes, (unsigned)config->logs.file_count};
    char folder[PATH_MAX] = "";
    if (bounds.count == 0)
        return NULL;
    errno = ENAMETOOLONG;
    bool has_folder = folder_path(config, folder) && (mkdir(folder, 0700) == 0 || errno == EEXIST);
    int error = errno;
    struct log_writer *writer = has_folder ? log_writer_start(bounds) : NULL;
    if (!writer) {
        log_warning("functions have no logs: %s: %s", folder, has_folder ? "no thread" : strerror(error));
        return NULL;
    }
    struct function_logs *logs = memory_new(sizeof *logs);
    logs->writer = writer;
    logs->config = config;
    logs->wall_ms = wall_ms;
    logs->ctx = ctx;
    logs->flush_ms = UINT64_MAX;
    logs->logs = memory_new_array(config->function_count, sizeof *logs->logs);
    return logs;
}

struct function_log *function_logs_add(struct function_logs *logs, const struct config_function *function)
{
    char path[PATH_MAX];
    if (!logs || !function_log_path(logs->config, function->name, path))
        return NULL;
    struct function_log *log = &logs->logs[logs->count++];
    *log = (struct function_log){
        .logs = logs, .function = function, .file = log_writer_add_file(logs->writer, path)};
    return log;
}

static void settle(struct function_logs *logs, bool all)
{
    uint64_t wall_ms = logs->wall_ms(logs->ctx);
    for (size_t i = 0; i < logs->count; i++) {
        if (all || wall_ms / SECOND_MS != logs->logs[i].second)
            write_dropped(&logs->logs[i], wall_ms);
    }
}

static bool has_dropped(const struct function_logs *logs)
{
    bool any = false;
    for (size_t i = 0; i < logs->count; i++)
        any |= logs->logs[i].dropped_lines > 0 || logs->logs[i].dropped_invocations > 0;
    return any;
}

void function_logs_turn(struct function_logs *logs, uint64_t now_ms)
{
    if (!logs)
        return;
    if (now_ms >= logs->flush_ms) {
        settle(logs, false);
        log_writer_hand_over(logs->writer);
        logs->flush_ms = has_dropped(logs) ? now_ms + FLUSH_MS : UINT64_MAX;
    }
    if (logs->flush_ms == UINT64_MAX && log_writer_waits(logs->writer))
        logs->flush_ms = now_ms + FLUSH_MS;
}

uint64_t function_logs_next_deadline(const struct function_logs *logs)
{
    return logs ? logs->flush_ms : UINT64_MAX;
}

void function_logs_stop(struct function_logs *logs)
{
    if (!logs)
        return;
    settle(logs, true);
    log_writer_stop(logs->writer);
    memory_free(logs->logs);
    memory_free(logs);
}

/*
 * The logs of functions: DATA/logs/NAME.log has what a function prints, and START,
 * END and REPORT of its invocations as Lambda's log has them. A record is one line:
 *
 *   2026-11-21T19:30:00.123Z REQUEST-ID text
 *
 * with `-` where the request is not known: before the first one, or where a worker
 * has several. `sluice logs` reads them.
 *
 * The loop's thread. Nothing waits for the disk (log_writer.h). Bounds: bytes and
 * number of files, records a second of one function; what is over is counted, and
 * the count is a record of the next second. Invocations take at most half of a
 * second's records, so that they never push out what a function has to say; one is
 * in the log with its begin and its end, or with neither. NULL stands for a log that
 * nobody keeps.
 */
#ifndef SLUICE_APP_FUNCTION_LOG_H
#define SLUICE_APP_FUNCTION_LOG_H

#include "app/config.h"
#include "base/buffer.h"
#include "invoke/invoke.h"

struct function_logs;
struct function_log;

/* Where a function's log is. False: the path is too long. */
bool function_log_path(const struct config *config, const char *function, char ret_path[static PATH_MAX]);

/* NULL: none are kept; where they cannot be, the gateway's log says so. `wall_ms` has the functions' ctx. */
struct function_logs *function_logs_start(const struct config *config, uint64_t (*wall_ms)(void *ctx),
                                          void *ctx);
/* They live as long as `logs`. All of them before the first record. */
struct function_log *function_logs_add(struct function_logs *logs, const struct config_function *function);
/* At the end of a turn of the loop. */
void function_logs_turn(struct function_logs *logs, uint64_t now_ms);
uint64_t function_logs_next_deadline(const struct function_logs *logs);
/* What has come is written. */
void function_logs_stop(struct function_logs *logs);

/* invoke_log_hooks, for one function. */
bool function_log_begin(struct function_log *log, uint64_t version, const char *request_id);
void function_log_line(struct function_log *log, const char *request_id, struct span line);
void function_log_end(struct function_log *log, const char *request_id, bool begun, uint64_t memory_mb,
                      const struct invoke_result *result);

/* ---- The lines of Lambda's log, appended without newlines ---- */

void function_log_write_start(struct buffer *out, const char *request_id, uint64_t version); /* 0: $LATEST */
void function_log_write_end(struct buffer *out, const char *request_id);
void function_log_write_report(struct buffer *out, const char *request_id, uint64_t memory_mb,
                               const struct invoke_result *result);

#endif

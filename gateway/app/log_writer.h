/*
 * Writes the log files of many functions on a thread of its own, so that a slow or
 * full disk holds up neither the loop nor a thread of the pool, which commits need.
 *
 * The loop's thread calls; records are copied. At most LOG_WRITER_BYTES wait. What
 * cannot be written is counted, and the count is a line of the file when it can be
 * written again; the gateway's log has one line when that begins. Nothing is synced:
 * a power cut may cost the last seconds.
 */
#ifndef SLUICE_APP_LOG_WRITER_H
#define SLUICE_APP_LOG_WRITER_H

#include "app/log_file.h"

enum { LOG_WRITER_BYTES = 1024 * 1024 };

struct log_writer;

/* NULL: the thread cannot be started. */
struct log_writer *log_writer_start(struct log_file_bounds bounds);
/* The number of a file, from 0; the path is copied. Before the first record. */
size_t log_writer_add_file(struct log_writer *writer, const char *path);
/* A record without its newline, which begins with its time and a blank. False: too much waits. */
bool log_writer_add(struct log_writer *writer, size_t file, struct span record);
/* Whether there is something to hand over. */
bool log_writer_waits(const struct log_writer *writer);
/* Gives the thread what has come, unless it is still busy: then it stays. */
void log_writer_hand_over(struct log_writer *writer);
/* Waits until all is written, or found to be impossible. NULL is allowed. */
void log_writer_stop(struct log_writer *writer);

#endif

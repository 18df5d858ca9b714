/*
 * What a worker prints, on its way to the gateway's log: bytes in, bounded lines
 * out. A line is cut at 1,024 bytes, and a worker gets 100 lines a second; the
 * rest is dropped, and the number dropped becomes a line itself when the second is
 * over. Sans-I/O: `now_ms` is handed in, lines are handed out. One thread.
 */
#ifndef SLUICE_INVOKE_OUTPUT_LINES_H
#define SLUICE_INVOKE_OUTPUT_LINES_H

#include "invoke/worker_protocol.h"

enum {
    OUTPUT_LINE_BYTES_MAX = 1024,
    OUTPUT_LINES_PER_SECOND = 100,
};

struct output_lines {
    void (*emit)(void *ctx, enum worker_log_level level, struct span line);
    void *ctx;
    uint64_t second_began_ms;
    uint32_t emitted_count; /* in this second */
    uint64_t dropped_count; /* not reported yet */
    size_t partial_len;     /* of a line without its end */
    char partial[OUTPUT_LINE_BYTES_MAX];
};

void output_lines_init(struct output_lines *lines,
                       void (*emit)(void *ctx, enum worker_log_level level, struct span line), void *ctx);
/* Bytes of standard output or error, as they come. */
void output_lines_feed(struct output_lines *lines, struct span bytes, uint64_t now_ms);
/* One whole message: a LOG frame. */
void output_lines_message(struct output_lines *lines, enum worker_log_level level, struct span text,
                          uint64_t now_ms);
/* No more will come: gives the last line, and says what was dropped. */
void output_lines_end(struct output_lines *lines, uint64_t now_ms);

#endif

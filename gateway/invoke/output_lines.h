/*
 * What a worker prints, on its way to the gateway's log: bytes in, bounded lines
 * out. A line is cut at 1,024 bytes, and a worker gets 100 lines a second; the
 * rest is dropped, and the number dropped becomes a line itself when the second is
 * over. Of what it prints 1 MiB a second is read, so that a worker that prints
 * without end waits, and costs nobody else anything. Sans-I/O: `now_ms` is handed in, lines are handed out.
 * One thread.
 */
#ifndef SLUICE_INVOKE_OUTPUT_LINES_H
#define SLUICE_INVOKE_OUTPUT_LINES_H

#include "invoke/worker_protocol.h"

enum {
    OUTPUT_LINE_BYTES_MAX = 1024,
    OUTPUT_LINES_PER_SECOND = 100,
    OUTPUT_BYTES_PER_SECOND = 1024 * 1024,
};

struct output_lines {
    void (*emit)(void *ctx, enum worker_log_level level, struct span line);
    void *ctx;
    uint64_t second_began_ms;
    uint32_t emitted_count; /* in this second */
    size_t fed_bytes;       /* in this second */
    uint64_t dropped_count; /* not reported yet */
    size_t partial_len;     /* of a line without its end */
    char partial[OUTPUT_LINE_BYTES_MAX];
};

void output_lines_init(struct output_lines *lines,
                       void (*emit)(void *ctx, enum worker_log_level level, struct span line), void *ctx);
/* Bytes of standard output or error, as they come. */
void output_lines_feed(struct output_lines *lines, struct span bytes, uint64_t now_ms);
/* For how long no more is to be read; 0: more may come now. */
uint64_t output_lines_pause_ms(const struct output_lines *lines, uint64_t now_ms);
/* One whole message: a LOG frame. */
void output_lines_message(struct output_lines *lines, enum worker_log_level level, struct span text,
                          uint64_t now_ms);
/* No more will come: gives the last line, and says what was dropped. */
void output_lines_end(struct output_lines *lines, uint64_t now_ms);

#endif

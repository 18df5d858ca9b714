#include "invoke/output_lines.h"

#include <inttypes.h>
#include <stdio.h>

enum { SECOND_MS = 1000 };

void output_lines_init(struct output_lines *lines,
                       void (*emit)(void *ctx, enum worker_log_level level, struct span line), void *ctx)
{
    *lines = (struct output_lines){.emit = emit, .ctx = ctx};
}

static void report_dropped(struct output_lines *lines)
{
    char text[64];
    if (lines->dropped_count == 0)
        return;
    int len = snprintf(text, sizeof text, "(%" PRIu64 " more lines were dropped)", lines->dropped_count);
    lines->dropped_count = 0;
    lines->emit(lines->ctx, WORKER_LOG_WARNING, span_of(text, (size_t)len));
}

static void turn_second(struct output_lines *lines, uint64_t now_ms)
{
    if (now_ms - lines->second_began_ms < SECOND_MS)
        return;
    report_dropped(lines);
    lines->second_began_ms = now_ms;
    lines->emitted_count = 0;
    lines->fed_bytes = 0;
}

void output_lines_message(struct output_lines *lines, enum worker_log_level level, struct span text,
                          uint64_t now_ms)
{
    if (text.len == 0)
        return;
    turn_second(lines, now_ms);
    if (lines->emitted_count == OUTPUT_LINES_PER_SECOND) {
        lines->dropped_count++;
        return;
    }
    lines->emitted_count++;
    if (text.len > OUTPUT_LINE_BYTES_MAX)
        text.len = OUTPUT_LINE_BYTES_MAX;
    lines->emit(lines->ctx, level, text);
}

static void keep(struct output_lines *lines, struct span bytes)
{
    size_t room = sizeof lines->partial - lines->partial_len;
    size_t len = bytes.len < room ? bytes.len : room; /* the rest of an over-long line is cut off */
    if (len > 0)
        memcpy(lines->partial + lines->partial_len, bytes.data, len);
    lines->partial_len += len;
}

static void finish_line(struct output_lines *lines, uint64_t now_ms)
{
    output_lines_message(lines, WORKER_LOG_INFO, span_of(lines->partial, lines->partial_len), now_ms);
    lines->partial_len = 0;
}

void output_lines_feed(struct output_lines *lines, struct span bytes, uint64_t now_ms)
{
    turn_second(lines, now_ms);
    lines->fed_bytes += bytes.len;
    while (bytes.len > 0) {
        const uint8_t *newline = memchr(bytes.data, '\n', bytes.len);
        if (!newline) {
            keep(lines, bytes);
            return;
        }
        size_t len = (size_t)(newline - bytes.data);
        keep(lines, span_of(bytes.data, len));
        finish_line(lines, now_ms);
        bytes = span_skip(bytes, len + 1);
    }
}

uint64_t output_lines_pause_ms(const struct output_lines *lines, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - lines->second_began_ms;
    return lines->fed_bytes >= OUTPUT_BYTES_PER_SECOND && passed_ms < SECOND_MS ? SECOND_MS - passed_ms : 0;
}

void output_lines_end(struct output_lines *lines, uint64_t now_ms)
{
    finish_line(lines, now_ms);
    report_dropped(lines);
}

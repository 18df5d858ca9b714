#include "app/dlq_print.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"
#include "route/json.h"
#include "wire/topic.h"

#include <mbedtls/base64.h>
#include <stdio.h>
#include <time.h>

enum { TIME_BYTES = 32 };

/* ISO 8601, in UTC. */
static const char *write_time(uint64_t wall_ms, char text[static TIME_BYTES])
{
    struct tm parts;
    time_t seconds = (time_t)(wall_ms / 1000);
    strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    return text;
}

/* On one line. */
static void print_text(struct span text)
{
    while (text.len > 0) {
        size_t control = log_control_bytes(text);
        putchar(control ? '?' : text.data[0]);
        text = span_skip(text, control ? control : 1);
    }
}

void dlq_print_line(const struct state_dead_letter *letter)
{
    char when[TIME_BYTES];
    printf("%llu  %s  ", (unsigned long long)letter->id, write_time(letter->stored_ms, when));
    print_text(letter->function);
    printf("  ");
    print_text(letter->message->topic);
    printf("  %u attempts, ", letter->attempts);
    print_text(letter->reason);
    printf(": ");
    print_text(letter->error_type);
    printf(letter->error_message.len ? ": " : "");
    print_text(letter->error_message);
    putchar('\n');
}

/* ---- As JSON ---- */

/*
 * What still is a control character in the document is either white space of an `input`, or it stands in a
 * string, as DEL or one of U+0080 to U+009F, and can be escaped.
 */
static void print_document(struct span text)
{
    while (text.len > 0 && text.data) {
        size_t control = log_control_bytes(text);
        uint8_t last = text.data[control > 1 ? 1 : 0];
        if (control == 0 || last == '\n')
            putchar(text.data[0]);
        else if (last < 0x20)
            putchar(' ');
        else
            printf("\\u%04x", last);
        text = span_skip(text, control ? control : 1);
    }
}

static void write_name(struct buffer *out, const char *name)
{
    json_write_raw(out, ",\n  ");
    json_write_string(out, span_from_string(name));
    json_write_raw(out, ": ");
}

static void write_text(struct buffer *out, const char *name, struct span text)
{
    write_name(out, name);
    json_write_string(out, text);
}

static void write_when(struct buffer *out, const char *name, uint64_t wall_ms)
{
    char when[TIME_BYTES];
    if (wall_ms > 0)
        write_text(out, name, span_from_string(write_time(wall_ms, when)));
}

static void write_base64(struct buffer *out, struct span bytes)
{
    size_t size = 0, len = 0;
    mbedtls_base64_encode(NULL, 0, &size, bytes.data, bytes.len);
    char *text = memory_new(size + 1);
    mbedtls_base64_encode((unsigned char *)text, size, &len, bytes.data, bytes.len);
    write_text(out, "inputBase64", span_of(text, len));
    memory_free(text);
}

static void write_input(struct buffer *out, struct span payload)
{
    size_t fault_at;
    if (json_check(payload, &fault_at)) {
        write_name(out, "input");
        buffer_append(out, json_trim(payload));
    } else if (utf8_valid(payload)) {
        write_text(out, "input", payload);
    } else {
        write_base64(out, payload);
    }
}

void dlq_print_letter(const struct state_dead_letter *letter)
{
    const struct message *message = letter->message;
    struct buffer out = {0};
    json_write_raw(&out, "{\n  \"id\": ");
    json_write_u64(&out, letter->id);
    write_text(&out, "function", letter->function);
    write_text(&out, "reason", letter->reason);
    write_text(&out, "errorType", letter->error_type);
    write_text(&out, "errorMessage", letter->error_message);
    write_name(&out, "attempts");
    json_write_u64(&out, letter->attempts);
    write_when(&out, "received", message->received_ms);
    write_when(&out, "firstAttempt", letter->first_ms);
    write_when(&out, "lastAttempt", letter->last_ms);
    write_when(&out, "stored", letter->stored_ms);
    write_text(&out, "topic", message->topic);
    write_text(&out, "client", message->client_id);
    write_text(&out, "principal", message->principal);
    write_input(&out, message->payload);
    json_write_raw(&out, "\n}\n");
    print_document(buffer_span(&out));
    buffer_fini(&out);
}

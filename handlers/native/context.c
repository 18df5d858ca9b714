#include "native/context.h"

#include "worker/clock.h"

#include <cjson/cJSON.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes kept of a result: one more than is allowed, so that the sender sees that it is too large. */
enum { RESULT_BYTES_KEPT = WORKER_PAYLOAD_BYTES_MAX + 1 };

static void *checked(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* Room for `len` bytes and the NUL after them. */
static void text_reserve(struct text *text, size_t len)
{
    size_t wanted = text->len + len + 1;
    if (wanted <= text->capacity)
        return;
    text->capacity = wanted < 2 * text->capacity ? 2 * text->capacity : wanted;
    text->data = checked(realloc(text->data, text->capacity));
}

static void text_append(struct text *text, const void *data, size_t len)
{
    text_reserve(text, len);
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void text_set(struct text *text, const void *data, size_t len)
{
    text->len = 0;
    text_append(text, data, len);
}

static void text_append_format(struct text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    if (len > 0) {
        text_reserve(text, (size_t)len);
        vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
}

void context_begin(struct sluice_context *context, const struct worker_frame *invoke)
{
    free(context->request_id);
    context->request_id = NULL;
    context->context_json = invoke->invoke.context;
    context->deadline_ms = invoke->invoke.deadline_ms;
    text_set(&context->event, invoke->invoke.event.data, invoke->invoke.event.len);
    context->result.len = 0;
    context->result_too_large = false;
    text_set(&context->error_type, "", 0);
    text_set(&context->error_message, "", 0);
}

void context_fini(struct sluice_context *context)
{
    free(context->function_name);
    free(context->request_id);
    free(context->event.data);
    free(context->result.data);
    free(context->error_type.data);
    free(context->error_message.data);
}

static void keep_bound(struct sluice_context *context)
{
    if (context->result.len >= RESULT_BYTES_KEPT) {
        context->result.len = RESULT_BYTES_KEPT;
        context->result_too_large = true;
    }
}

void sluice_write(struct sluice_context *context, const void *data, size_t len)
{
    if (context->result_too_large)
        return;
    text_append(&context->result, data, len < RESULT_BYTES_KEPT ? len : RESULT_BYTES_KEPT);
    keep_bound(context);
}

void sluice_printf(struct sluice_context *context, const char *format, ...)
{
    if (context->result_too_large)
        return;
    va_list arguments;
    va_start(arguments, format);
    text_append_format(&context->result, format, arguments);
    va_end(arguments);
    keep_bound(context);
}

enum sluice_outcome sluice_fail(struct sluice_context *context, const char *error_type, const char *format,
                                ...)
{
    text_set(&context->error_type, error_type, strlen(error_type));
    text_set(&context->error_message, "", 0);
    va_list arguments;
    va_start(arguments, format);
    text_append_format(&context->error_message, format, arguments);
    va_end(arguments);
    return SLUICE_FAILED;
}

void sluice_log(struct sluice_context *context, const char *format, ...)
{
    struct text line = {0};
    va_list arguments;
    va_start(arguments, format);
    text_append_format(&line, format, arguments);
    va_end(arguments);
    context->on_log(context->log_ctx, line.data ? line.data : "");
    free(line.data);
}

void sluice_set_state(struct sluice_context *context, void *state)
{
    context->state = state;
}

void *sluice_state(const struct sluice_context *context)
{
    return context->state;
}

/* Parsed only when asked for: most functions never do. */
const char *sluice_request_id(struct sluice_context *context)
{
    if (!context->request_id) {
        cJSON *document =
            cJSON_ParseWithLength((const char *)context->context_json.data, context->context_json.len);
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "requestId"));
        context->request_id = checked(strdup(id ? id : ""));
        cJSON_Delete(document);
    }
    return context->request_id;
}

const char *sluice_function_name(const struct sluice_context *context)
{
    return context->function_name;
}

int64_t sluice_remaining_ms(const struct sluice_context *context)
{
    return (int64_t)context->deadline_ms - (int64_t)worker_clock_ms(CLOCK_REALTIME);
}

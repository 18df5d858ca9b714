#include "lambda/answer.h"

#include <cjson/cJSON.h>

#include <stdarg.h>
#include <stdio.h>

enum {
    HTTP_OK = 200,
    HTTP_REDIRECTED = 300,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    REASON_BYTES_MAX = 512, /* of a failure's formatted text */
    BODY_BYTES_SHOWN = 256, /* of a body that is no error document */
};

/* The first row that fits decides; the API's errors are listed in the reference of Invoke. */
static const struct {
    long status;
    const char *error_type; /* NULL: any */
    enum worker_error_kind kind;
} kinds[] = {
    {400, "InvalidRequestContentException", WORKER_ERROR_FUNCTION}, /* the event is no JSON */
    {400, "RecursiveInvocationException", WORKER_ERROR_FUNCTION},   /* the event went round in a loop */
    {413, NULL, WORKER_ERROR_FUNCTION},                             /* the event is too large */
    {429, NULL, WORKER_ERROR_THROTTLED},
};

static enum worker_error_kind kind_of(long status, struct span error_type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].status == status &&
            (!kinds[i].error_type || span_equal(error_type, span_from_string(kinds[i].error_type))))
            return kinds[i].kind;
    }
    return WORKER_ERROR_TRANSPORT;
}

static const char *string_of(const cJSON *document, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, name));
}

static void append_string(struct buffer *out, const char *string)
{
    buffer_append(out, span_from_string(string));
}

static void append_shown(struct buffer *out, struct span body)
{
    buffer_append(out, span_of(body.data, body.len < BODY_BYTES_SHOWN ? body.len : BODY_BYTES_SHOWN));
}

/* The document that Lambda's runtimes answer with: {"errorType","errorMessage"}, either may be missing. */
static void explain_function_error(const cJSON *document, struct span body, struct answer *answer)
{
    const char *type = string_of(document, "errorType"), *message = string_of(document, "errorMessage");
    append_string(&answer->error_type, type ? type : "Function.Failed");
    if (message)
        append_string(&answer->error_message, message);
    else
        append_shown(&answer->error_message, body);
}

/* Some services say "ResourceNotFoundException:http://..."; a proxy says nothing. */
static struct span refusal_type(const struct response *response)
{
    return response->error_type ? span_of(response->error_type, strcspn(response->error_type, ":"))
                                : SPAN_LITERAL("Lambda.Refused");
}

/* The service's own document: {"Type","message"} or {"Message"}. */
static void explain_refusal(const cJSON *document, const struct response *response, struct answer *answer)
{
    char status[48];
    const char *message = string_of(document, "message");
    message = message ? message : string_of(document, "Message");
    buffer_append(&answer->error_type, refusal_type(response));
    snprintf(status, sizeof status, "HTTP status %ld", response->status);
    append_string(&answer->error_message, status);
    if (message || response->body.len > 0)
        append_string(&answer->error_message, ": ");
    if (message)
        append_string(&answer->error_message, message);
    else
        append_shown(&answer->error_message, response->body);
}

struct answer answer_of_response(const struct response *response)
{
    struct answer answer = {0};
    bool accepted = response->status >= HTTP_OK && response->status < HTTP_REDIRECTED;
    if (accepted && (!response->function_failed || response->body.len <= WORKER_PAYLOAD_BYTES_MAX))
        answer.payload = response->body;
    answer.succeeded = accepted && !response->function_failed;
    if (answer.succeeded)
        return answer;
    cJSON *document = cJSON_ParseWithLength((const char *)response->body.data, response->body.len);
    if (accepted) {
        answer.kind = WORKER_ERROR_FUNCTION;
        explain_function_error(document, response->body, &answer);
    } else {
        explain_refusal(document, response, &answer);
        answer.kind = kind_of(response->status, refusal_type(response));
        answer.identity_refused = response->status == HTTP_UNAUTHORIZED || response->status == HTTP_FORBIDDEN;
        answer.retry_after_ms = response->retry_after_ms;
    }
    cJSON_Delete(document);
    return answer;
}

struct answer answer_of_failure(enum worker_error_kind kind, const char *type, const char *format, ...)
{
    struct answer answer = {.kind = kind};
    char reason[REASON_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    append_string(&answer.error_type, type);
    append_string(&answer.error_message, reason);
    return answer;
}

void answer_fini(struct answer *answer)
{
    buffer_fini(&answer->error_type);
    buffer_fini(&answer->error_message);
}

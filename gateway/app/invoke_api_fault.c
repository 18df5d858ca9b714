/* Faults, as Lambda and what stands before it name them. */
#include "app/invoke_api_internal.h"

#include "base/json_write.h"

#include <stdio.h>

struct fault {
    const char *type;
    enum http_status status;
    const char *member; /* that has the sentence */
    const char *whose;  /* "User" or "Service"; NULL: it is not Lambda's own */
};

static const struct fault faults[] = {
    {"InvalidParameterValueException", HTTP_BAD_REQUEST, "message", "User"},
    {"InvalidRequestContentException", HTTP_BAD_REQUEST, "message", "User"},
    {"IncompleteSignatureException", HTTP_BAD_REQUEST, "message", NULL},
    {"MissingAuthenticationTokenException", HTTP_FORBIDDEN, "message", NULL},
    {"UnrecognizedClientException", HTTP_FORBIDDEN, "message", NULL},
    {"InvalidSignatureException", HTTP_FORBIDDEN, "message", NULL},
    {"AccessDeniedException", HTTP_FORBIDDEN, "Message", NULL},
    {"ResourceNotFoundException", HTTP_NOT_FOUND, "Message", "User"},
    {"UnknownOperationException", HTTP_NOT_FOUND, "Message", "User"},
    {"RequestTooLargeException", HTTP_CONTENT_TOO_LARGE, "message", "User"},
    {"TooManyRequestsException", HTTP_TOO_MANY_REQUESTS, "message", "User"},
    {"ServiceException", HTTP_INTERNAL_SERVER_ERROR, "Message", "Service"},
};

static const struct fault *find_fault(const char *type)
{
    const struct fault *fault = faults, *last = faults + sizeof faults / sizeof *faults - 1;
    while (fault < last && strcmp(fault->type, type) != 0)
        fault++;
    return fault;
}

static void write_fault(const struct fault *fault, const char *message, const char *reason,
                        struct buffer *out)
{
    json_write_raw(out, "{");
    if (reason) {
        json_write_raw(out, "\"Reason\":");
        json_write_string(out, span_from_string(reason));
        json_write_raw(out, ",");
    }
    if (fault->whose) {
        json_write_raw(out, "\"Type\":");
        json_write_string(out, span_from_string(fault->whose));
        json_write_raw(out, ",");
    }
    json_write_string(out, span_from_string(fault->member));
    json_write_raw(out, ":");
    json_write_string(out, span_from_string(message));
    json_write_raw(out, "}");
}

void invoke_api_respond_fault(struct https_connection *connection, const char *type, const char *message,
                              const char *reason, uint32_t retry_after_s)
{
    const struct fault *fault = find_fault(type);
    struct buffer body = {0};
    char headers[160], retry_after[48] = "";
    if (retry_after_s > 0)
        snprintf(retry_after, sizeof retry_after, "Retry-After: %u\r\n", retry_after_s);
    snprintf(headers, sizeof headers, "x-amzn-ErrorType: %s\r\n%s", fault->type, retry_after);
    write_fault(fault, message, reason, &body);
    https_respond(connection, &(struct http_response){.status = fault->status,
                                                      .headers = headers,
                                                      .type = "application/json",
                                                      .body = buffer_span(&body)});
    buffer_fini(&body);
}

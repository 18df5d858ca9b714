#include "net/http.h"

#include <stdio.h>

const char *http_status_text(enum http_status status)
{
    switch (status) {
    case HTTP_SWITCHING_PROTOCOLS: return "Switching Protocols";
    case HTTP_OK: return "OK";
    case HTTP_ACCEPTED: return "Accepted";
    case HTTP_NO_CONTENT: return "No Content";
    case HTTP_NOT_MODIFIED: return "Not Modified";
    case HTTP_BAD_REQUEST: return "Bad Request";
    case HTTP_UNAUTHORIZED: return "Unauthorized";
    case HTTP_FORBIDDEN: return "Forbidden";
    case HTTP_NOT_FOUND: return "Not Found";
    case HTTP_METHOD_NOT_ALLOWED: return "Method Not Allowed";
    case HTTP_REQUEST_TIMEOUT: return "Request Timeout";
    case HTTP_CONTENT_TOO_LARGE: return "Content Too Large";
    case HTTP_EXPECTATION_FAILED: return "Expectation Failed";
    case HTTP_UPGRADE_REQUIRED: return "Upgrade Required";
    case HTTP_TOO_MANY_REQUESTS: return "Too Many Requests";
    case HTTP_HEADERS_TOO_LARGE: return "Request Header Fields Too Large";
    case HTTP_INTERNAL_SERVER_ERROR: return "Internal Server Error";
    case HTTP_NOT_IMPLEMENTED: return "Not Implemented";
    case HTTP_BAD_GATEWAY: return "Bad Gateway";
    case HTTP_SERVICE_UNAVAILABLE: return "Service Unavailable";
    case HTTP_VERSION_NOT_SUPPORTED: return "HTTP Version Not Supported";
    }
    return "Unknown";
}

/* RFC 9110, sections 15.3.5 and 15.4.5: what is answered so has no body, and one of these not even a length.
 */
static bool has_body(enum http_status status)
{
    return status >= HTTP_OK && status != HTTP_NO_CONTENT && status != HTTP_NOT_MODIFIED;
}

void http_respond(const struct http_request *request, const struct http_response *response,
                  struct buffer *out)
{
    char head[256];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n", (int)response->status,
                       http_status_text(response->status));
    buffer_append(out, span_of(head, (size_t)len));
    buffer_append(out, span_from_string(response->headers));
    if (has_body(response->status)) {
        if (response->type)
            len = snprintf(head, sizeof head, "Content-Type: %s\r\n", response->type);
        buffer_append(out, span_of(head, response->type ? (size_t)len : 0));
        len = snprintf(head, sizeof head, "Content-Length: %zu\r\n", response->body.len);
        buffer_append(out, span_of(head, (size_t)len));
    }
    if (response->status >= HTTP_OK && response->closes)
        buffer_append(out, SPAN_LITERAL("Connection: close\r\n"));
    buffer_append(out, SPAN_LITERAL("\r\n"));
    bool is_head = request && span_equal(request->method, SPAN_LITERAL("HEAD"));
    if (has_body(response->status) && !is_head)
        buffer_append(out, response->body);
}

#include "net/http.h"

#include <stdio.h>

const char *http_status_text(enum http_status status)
{
    switch (status) {
    case HTTP_SWITCHING_PROTOCOLS: return "Switching Protocols";
    case HTTP_OK: return "OK";
    case HTTP_ACCEPTED: return "Accepted";
    case HTTP_NO_CONTENT: return "No Content";
    case HTTP_BAD_REQUEST: return "Bad Request";
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
    case HTTP_SERVICE_UNAVAILABLE: return "Service Unavailable";
    case HTTP_VERSION_NOT_SUPPORTED: return "HTTP Version Not Supported";
    }
    return "Unknown";
}

void http_respond(const struct http_request *request, const struct http_response *response,
                  struct buffer *out)
{
    char head[256];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n", (int)response->status,
                       http_status_text(response->status));
    buffer_append(out, span_of(head, (size_t)len));
    buffer_append(out, span_from_string(response->headers));
    if (response->status >= 200) {
        bool has_body =
            response->status != HTTP_NO_CONTENT; /* RFC 9110, section 8.6: else not even a length */
        len = has_body ? snprintf(head, sizeof head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                                  response->type, response->body.len)
                       : 0;
        buffer_append(out, span_of(head, (size_t)len));
        buffer_append(out, span_from_string(response->closes ? "Connection: close\r\n" : NULL));
    }
    buffer_append(out, SPAN_LITERAL("\r\n"));
    if (!request || !span_equal(request->method, SPAN_LITERAL("HEAD")))
        buffer_append(out, response->body);
}

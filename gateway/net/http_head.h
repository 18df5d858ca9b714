/* The head of a request, in one piece. Internal to the HTTP files; public: net/http.h. */
#ifndef SLUICE_NET_HTTP_HEAD_H
#define SLUICE_NET_HTTP_HEAD_H

#include "net/http.h"

/* What the head says about the body. */
struct http_framing {
    uint64_t body_bytes; /* Content-Length, or 0 */
    bool chunked;
    bool expects_continue;
};

/* Takes a line with its CRLF from the front of *rest. False: it ends otherwise, or has a character that no
 * line may have. There must be an LF. */
bool http_take_line(struct span *rest, struct span *ret_line);
/* Reads request line and headers up to and with the empty line. SLUICE_INVALID: *ret_why says what is wrong.
 */
enum sluice_error http_head_parse(struct span head, struct http_request *ret_request,
                                  struct http_framing *ret_framing, struct http_refusal *ret_why);

#endif

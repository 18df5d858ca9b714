#include "net/websocket_upgrade.h"

#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>
#include <stdio.h>

enum {
    KEY_BYTES = 16,
    KEY_TEXT_BYTES = 24, /* in base64 */
    ACCEPT_BYTES = 20,
    ACCEPT_TEXT_BYTES = 29, /* in base64, with its NUL */
};

/* Of several values none is meant. */
static struct span only_header(const struct http_request *request, const char *name)
{
    return http_header_count(request, name) == 1 ? http_header(request, name) : SPAN_EMPTY;
}

static bool key_is_valid(struct span key)
{
    uint8_t bytes[KEY_BYTES + 2];
    size_t len = 0;
    return key.len == KEY_TEXT_BYTES &&
           mbedtls_base64_decode(bytes, sizeof bytes, &len, key.data, key.len) == 0 && len == KEY_BYTES;
}

static enum sluice_error refuse(struct http_refusal *ret_why, enum http_status status, const char *text)
{
    *ret_why = (struct http_refusal){status, text};
    return SLUICE_INVALID;
}

enum sluice_error websocket_upgrade_check(const struct http_request *request, const char *protocol,
                                          struct http_refusal *ret_why)
{
    if (request->is_first_version) /* RFC 6455, 4.1 */
        return refuse(ret_why, HTTP_UPGRADE_REQUIRED, "a WebSocket begins with HTTP/1.1");
    if (!http_header_lists(request, "Upgrade", "websocket", true))
        return refuse(ret_why, HTTP_UPGRADE_REQUIRED, "this is a WebSocket: the request lacks its Upgrade");
    if (!span_equal(only_header(request, "Sec-WebSocket-Version"), SPAN_LITERAL("13")))
        return refuse(ret_why, HTTP_UPGRADE_REQUIRED, "the only version of WebSocket is 13");
    if (!http_header_lists(request, "Connection", "Upgrade", true))
        return refuse(ret_why, HTTP_BAD_REQUEST, "the Connection header does not name Upgrade");
    if (!key_is_valid(only_header(request, "Sec-WebSocket-Key")))
        return refuse(ret_why, HTTP_BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64");
    if (!http_header_lists(request, "Sec-WebSocket-Protocol", protocol, false))
        return refuse(ret_why, HTTP_BAD_REQUEST, "Sec-WebSocket-Protocol lacks the subprotocol of this path");
    return SLUICE_OK;
}

void websocket_upgrade_accept(const struct http_request *request, const char *protocol, struct buffer *out)
{
    static const char rfc_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct span key = http_header(request, "Sec-WebSocket-Key");
    uint8_t text[KEY_TEXT_BYTES + sizeof rfc_guid], digest[ACCEPT_BYTES];
    unsigned char accept[ACCEPT_TEXT_BYTES];
    size_t len;
    memcpy(text, key.data, KEY_TEXT_BYTES);
    memcpy(text + KEY_TEXT_BYTES, rfc_guid, sizeof rfc_guid);
    mbedtls_sha1(text, sizeof text - 1, digest);
    mbedtls_base64_encode(accept, sizeof accept, &len, digest, sizeof digest);
    char headers[256];
    snprintf(headers, sizeof headers,
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
             "Sec-WebSocket-Protocol: %s\r\n",
             (const char *)accept, protocol);
    http_respond(request, &(struct http_response){.status = HTTP_SWITCHING_PROTOCOLS, .headers = headers},
                 out);
}

/*
 * Access keys, and whether a request was signed with one: AWS Signature Version 4
 * (base/sigv4.h) in the header Authorization, for the service `lambda` of any
 * region. Host, X-Amz-Date and every other X-Amz-* header must be signed; the body
 * always is. The request's time may be 15 minutes off, as AWS has it: within them,
 * who can read a request can send it again, which TLS keeps them from.
 *
 * Keys are owned by their maker and do not change; any thread may check.
 */
#ifndef SLUICE_APP_ACCESS_KEYS_H
#define SLUICE_APP_ACCESS_KEYS_H

#include "app/config.h"
#include "broker/access.h"
#include "net/http.h"

enum { ACCESS_KEYS_TEXT_BYTES = 512, ACCESS_KEYS_SKEW_S = 15 * 60 };

struct access_keys;

/* Reads the secrets. On failure ret_text, ACCESS_KEYS_TEXT_BYTES long, says why in one sentence. */
enum sluice_error access_keys_new(const struct config *config, struct access_keys **ret_keys, char *ret_text);
void access_keys_free(struct access_keys *keys); /* NULL is allowed */

enum access_key_fault {
    ACCESS_KEY_GOOD,
    ACCESS_KEY_MALFORMED, /* it is no such signature, or leaves out what must be signed */
    ACCESS_KEY_UNKNOWN,
    ACCESS_KEY_EXPIRED, /* or not yet valid */
    ACCESS_KEY_WRONG,   /* another secret, or another request */
};

/* Whether the request has a signature of this kind at all. */
bool access_keys_signed(const struct http_request *request);
/* Who signed it. `now_s` is of the Unix epoch. */
enum access_key_fault access_keys_verify(const struct access_keys *keys, const struct http_request *request,
                                         uint64_t now_s, struct identity *ret_identity);

#endif

/*
 * AWS Signature Version 4, the header variant: the value of a request's
 * Authorization header. Pure functions without clock, state or I/O; any thread.
 * Written after "Signing AWS API requests" of the AWS General Reference and
 * checked against AWS's own vectors (tests/unit/sigv4_test.c). The steps are
 * public one by one because the vectors, and a person who looks for the reason of
 * a refused signature, compare them one by one.
 *
 * What is signed is what is sent: path and query as they stand in the request
 * line, which for service `lambda` are URI-encoded once already, so that the
 * canonical path is encoded twice, as AWS wants it. The caller adds X-Amz-Date and
 * X-Amz-Security-Token to the headers. Outputs are appended to buffers; running
 * out of memory ends the process (base/memory.h). There are no other errors: a
 * request that makes no sense gets a signature that the service refuses.
 */
#ifndef SLUICE_BASE_SIGV4_H
#define SLUICE_BASE_SIGV4_H

#include "base/buffer.h"

enum {
    SIGV4_TIME_BYTES = sizeof "20150830T123600Z",
    SIGV4_SIGNATURE_BYTES = 65, /* 64 hexadecimal digits and the NUL */
};

struct sigv4_header {
    struct span name;
    struct span value;
};

struct sigv4_request {
    struct span method;
    struct span path;
    struct span query;                  /* without the question mark */
    const struct sigv4_header *headers; /* those to sign; Host must be among them */
    size_t header_count;
    struct span body;
    bool keep_path; /* do not resolve "." and ".." and empty segments: only Amazon S3 wants that */
};

/* What a signature is good for. */
struct sigv4_scope {
    const char *time; /* as sigv4_time writes it, and as X-Amz-Date has it */
    struct span region;
    struct span service;
};

struct sigv4_key {
    struct span access_key_id;
    struct span secret_access_key;
};

/* `time_s` is of the Unix epoch. */
void sigv4_time(uint64_t time_s, char ret_time[SIGV4_TIME_BYTES]);
void sigv4_canonical_request(const struct sigv4_request *request, struct buffer *out);
void sigv4_string_to_sign(const struct sigv4_scope *scope, struct span canonical_request, struct buffer *out);
void sigv4_signature(const struct sigv4_scope *scope, struct span secret_access_key,
                     struct span string_to_sign, char ret_signature[SIGV4_SIGNATURE_BYTES]);
/* All of the above: the value of the Authorization header. */
void sigv4_authorization(const struct sigv4_scope *scope, const struct sigv4_key *key,
                         const struct sigv4_request *request, struct buffer *out);

/* Percent-encodes everything but the unreserved characters of RFC 3986, and "/" if `keep_slash`. */
void sigv4_uri_encode(struct span bytes, bool keep_slash, struct buffer *out);

#endif

/*
 * The codec of the worker protocol, both directions: handlers/PROTOCOL.md is the
 * specification. No allocation, no I/O, no state; it depends on wire alone, so
 * that workers (handlers/) link the same code as the gateway (gateway/invoke).
 *
 * A frame is decoded in place: the spans of struct worker_frame point into the
 * bytes that were decoded and live as long as they do. Encoding gives the fixed
 * fields in a small array and leaves byte strings where they are, so that a large
 * event is never copied only to be framed.
 */
#ifndef SLUICE_INVOKE_WORKER_PROTOCOL_H
#define SLUICE_INVOKE_WORKER_PROTOCOL_H

#include "sluice/error.h"
#include "wire/span.h"

#define WORKER_FD_VARIABLE "SLUICE_WORKER_FD"

enum {
    WORKER_PROTOCOL_VERSION = 1,
    WORKER_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024 + 100, /* Lambda's bound, of events and results */
    WORKER_INIT_BYTES_MAX = 1024 * 1024,
    WORKER_CONTEXT_BYTES_MAX = 256 * 1024, /* an uplink's has 65,535 B of properties, in hexadecimal */
    WORKER_ERROR_TYPE_BYTES_MAX = 256,
    WORKER_TEXT_BYTES_MAX = 64 * 1024, /* error messages and log texts */
    WORKER_TOPIC_BYTES_MAX = 65535,
    WORKER_PROPERTIES_BYTES_MAX = 65535,
};

enum worker_frame_type {
    WORKER_INIT = 1,
    WORKER_INVOKE,
    WORKER_SHUTDOWN,
    WORKER_READY,
    WORKER_RESULT,
    WORKER_ERROR,
    WORKER_LOG,
    WORKER_PUBLISH,
    WORKER_PUBLISHED,
};

enum worker_published {
    WORKER_PUBLISHED_STORED,
    WORKER_PUBLISHED_REFUSED, /* it never will be */
    WORKER_PUBLISHED_FULL,    /* not now */
};

enum worker_error_kind {
    WORKER_ERROR_FUNCTION,
    WORKER_ERROR_TRANSPORT,
    WORKER_ERROR_THROTTLED,
    WORKER_ERROR_TIMEOUT,
};

enum worker_log_level {
    WORKER_LOG_DEBUG,
    WORKER_LOG_INFO,
    WORKER_LOG_WARNING,
    WORKER_LOG_ERROR,
};

struct worker_frame {
    enum worker_frame_type type;
    uint64_t invocation; /* 0: none */
    union {
        struct span init; /* JSON text */
        struct {
            uint64_t deadline_ms; /* Unix epoch */
            struct span context;  /* JSON text */
            struct span event;
        } invoke;
        struct {
            uint32_t concurrency; /* 0: none now, another READY follows */
            uint32_t init_ms;
        } ready;
        struct span result;
        struct {
            enum worker_error_kind kind;
            uint32_t retry_after_ms;
            struct span type;
            struct span message;
            struct span payload; /* the function's own error document, or empty */
        } error;
        struct {
            enum worker_log_level level;
            struct span text;
        } log;
        struct {
            bool retain;
            struct span topic;
            struct span properties; /* an MQTT 5 property block, not checked */
            struct span payload;
        } publish;
        enum worker_published published;
    };
};

/* Who sent the frame. */
enum worker_peer {
    WORKER_PEER_GATEWAY,
    WORKER_PEER_WORKER,
};

/* Decodes the frame that `input` begins with. SLUICE_AGAIN: it is not there completely; *ret_len is then the
 * number of bytes that the frame will have, or 0 while not even that is known. SLUICE_INVALID and
 * SLUICE_TOO_LARGE: `sender` broke the protocol, and nothing after this can be understood. */
enum sluice_error worker_frame_decode(struct span input, enum worker_peer sender,
                                      struct worker_frame *ret_frame, size_t *ret_len);

enum {
    WORKER_FRAME_HEAD_BYTES = 25, /* the longest run of fixed fields: INVOKE's */
    WORKER_FRAME_TAIL_COUNT = 3,
};

/* An encoded frame: head, then the tails in order. The tails are the spans of the frame, not copies. */
struct worker_frame_parts {
    uint8_t head[WORKER_FRAME_HEAD_BYTES];
    size_t head_len;
    struct span tails[WORKER_FRAME_TAIL_COUNT]; /* unused ones are empty */
    size_t len;                                 /* of all together */
};

/* SLUICE_TOO_LARGE if a byte string is over its bound. */
enum sluice_error worker_frame_encode(const struct worker_frame *frame, struct worker_frame_parts *ret_parts);

#endif

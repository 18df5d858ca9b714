/*
 * A batch as one event, `{"Records":[...]}` in the shape that AWS Lambda gives a
 * function for Amazon SQS, and the answer to it, `{"batchItemFailures":[...]}`.
 * Handlers written for SQS work as they are; topic and client are
 * messageAttributes. Pure: no I/O, no clock; MD5 is handed in.
 */
#ifndef SLUICE_INVOKE_RECORDS_H
#define SLUICE_INVOKE_RECORDS_H

#include "base/buffer.h"

enum { RECORDS_MD5_HEX_BYTES = 33 }; /* with the NUL */

/* What all records of a function have in common. */
struct records_source {
    struct span event_source; /* "aws:sqs" for handlers that look at it */
    struct span arn;          /* eventSourceARN */
    struct span region;
    void (*md5)(struct span bytes, char ret_hex[RECORDS_MD5_HEX_BYTES]);
    size_t event_bytes_max; /* of the finished event, unless it has only one record; 0: no bound */
};

struct record_attribute {
    struct span name;
    struct span value;
};

struct record {
    struct span message_id; /* what the answer names as itemIdentifier; unique in the batch */
    struct span body;       /* the selected event, JSON text */
    struct span sender_id;  /* the client */
    uint32_t receive_count; /* 1 for the first attempt */
    uint64_t sent_ms;       /* when the gateway took the message in; Unix epoch */
    uint64_t first_receive_ms;
    const struct record_attribute *attributes; /* messageAttributes, all of type String */
    size_t attribute_count;
};

/* Appends to `out`: begin, then each record, then end. */
struct records_writer {
    struct buffer *out;
    const struct records_source *source;
    size_t count;
    struct buffer source_json; /* what is the same in each record; until records_end */
};

/* To be ended by records_end. */
struct records_writer records_begin(struct buffer *out, const struct records_source *source);
/* False: with it the event would be too large, and nothing was added. */
bool records_add(struct records_writer *writer, const struct record *record);
/* `tail`: more members of the event, each with its comma before it; bytes that event_bytes_max does not have.
 */
void records_end(struct records_writer *writer, struct span tail);

/* Which records of a batch failed, by the function's answer (functionResponseType: ReportBatchItemFailures),
 * with Lambda's rules: an empty answer, null, or an empty list: none; an answer that is no JSON object, or an
 * identifier that is empty or not in the batch: all. ret_failed has `count` entries. */
void records_failed(struct span answer, const struct span *message_ids, size_t count, bool *ret_failed);

#endif

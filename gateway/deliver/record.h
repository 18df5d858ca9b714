/*
 * The bytes of a journal file.
 *
 *   segment  = header record*
 *   header   = "SLUICEJ\n" u32 version, u32 number, u32 previous, u64 previous_bytes, u64 first_seq,
 *              u32 CRC-32C of all before
 *   record   = u32 CRC-32C (of the segment's number and all that follows), u32 body bytes, u64 seq,
 *              u8 type (bit 7: the first of its batch), body
 *
 * Integers are big-endian; `n` is a base-128 number, least significant group
 * first; `bytes` is n and as many bytes. A segment's successor seals it: it says
 * in `previous` and `previous_bytes` how much of it was on disk. The number is
 * part of each CRC, so that a block of a deleted file is never taken for a
 * record of the file that got its place.
 *
 *   QUEUE          n queue, u8 kind, n next ordinal, name to the end
 *   QUEUE_DROP     n queue
 *   MESSAGES       n origin queue, n origin packet id (0: none), then messages to the end:
 *                  n targets {n queue, n ordinal, u8 flags, n share with bit 4 of them}, u8 flags, n received
 * ms, n expires ms, bytes topic, bytes payload, bytes properties, bytes client id, bytes principal, then,
 * with bit 4 of a message's flags, u8 publisher's kind, bytes publisher's name (flags: bits 0-1 QoS, bit 2
 * RETAIN; bit 3 of a target's: its PUBREC is known; bit 3 of a message's: the principal is 64 lower-case hex
 * digits, kept as 32 bytes) ACKNOWLEDGED   to the end: n queue, n first ordinal, n count RECEIVED       n
 * queue, n ordinal PACKET_ID_FREE n queue, n packet id
 *
 * Version 2 added bit 4 of both flags; version 1 is read too.
 *
 * Pure functions over the caller's memory. Bytes read are never trusted.
 */
#ifndef SLUICE_DELIVER_RECORD_H
#define SLUICE_DELIVER_RECORD_H

#include "base/buffer.h"
#include "deliver/journal.h"

enum record_type {
    RECORD_QUEUE = 1,
    RECORD_QUEUE_DROP,
    RECORD_MESSAGES,
    RECORD_ACKNOWLEDGED,
    RECORD_RECEIVED,
    RECORD_PACKET_ID_FREE,
};

enum {
    RECORD_VERSION = 2,
    RECORD_VERSION_LAST = 255, /* what a later program may write; more is damage */
    RECORD_HEADER_BYTES = 17,
    RECORD_SEGMENT_HEADER_BYTES = 40,
    RECORD_NUMBER_BYTES = 10, /* the longest n */
};

/* Of seqs and ordinals: what counts up from 0 never gets there, so more is no record of ours. */
#define RECORD_SEQ_MAX (UINT64_C(1) << 62)

struct segment_header {
    uint32_t number;
    uint32_t previous; /* 0: none */
    uint64_t previous_bytes;
    uint64_t first_seq;
};

struct record {
    uint64_t seq;
    uint8_t type; /* enum record_type, or one of a later version */
    bool first_of_batch;
    struct span body;
    size_t bytes; /* of the whole record */
};

void segment_header_write(struct buffer *out, const struct segment_header *header);
/* SLUICE_INVALID: it is none. SLUICE_NOT_FOUND: one of a version that is not known here. */
enum sluice_error segment_header_read(struct span bytes, struct segment_header *ret_header);

/* Room for a record whose body has at most that many bytes; the body is written, then record_end. */
struct writer record_begin(struct buffer *out, size_t body_bytes_max);
/* Closes the record, and returns its bytes. The body must have fitted. */
size_t record_end(struct buffer *out, const struct writer *body, uint32_t segment, uint64_t seq,
                  enum record_type type, bool first_of_batch);
/* The record at the start of `bytes`; false: there is no whole valid one. */
bool record_read(struct span bytes, uint32_t segment, struct record *ret_record);
/* What record_read needs, beyond RECORD_HEADER_BYTES, to know; header is that many bytes. */
uint32_t record_body_bytes(const uint8_t *header);

void write_number(struct writer *writer, uint64_t value);
uint64_t read_number(struct reader *reader);

/* Most bytes that write_message uses. */
size_t message_bytes_max(const struct journal_message *message);
void write_message(struct writer *body, const struct journal_message *message);

/* A message as it stands in a record. */
struct message_view {
    struct message message; /* views; refs 0 */
    struct span targets;    /* walked with read_target */
    size_t target_count;
    char principal[64];
};

/* False at the end of the body or where it is malformed (then reader->failed). */
bool read_message(struct reader *body, struct message_view *ret_view);
/* Start with reader_of(view.targets). */
bool read_target(struct reader *targets, struct journal_target *ret_target);

#endif

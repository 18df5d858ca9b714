/*
 * The topic that a function's result is published to: a template such as
 * "farm/${device}/alerts", filled from the event that the function got. A
 * placeholder ${a.b} is a path into the event; %c is the publisher's Client
 * Identifier. Values are put in literally and make no further levels: one that
 * is missing, empty, neither String nor Number, or has `/ + #` or U+0000 in it
 * gives no topic. Pure functions; they allocate only in the caller's buffer.
 */
#ifndef SLUICE_ROUTE_REPLY_H
#define SLUICE_ROUTE_REPLY_H

#include "base/buffer.h"
#include "sluice/error.h"

/* NULL if the template is well formed, or what is wrong with it, as a part of a sentence. */
const char *reply_template_fault(struct span reply_template);

/* Appends the Topic Name. SLUICE_INVALID: a placeholder has no usable value; nothing is appended.
 * `event` is JSON text; where it is none, only a template without ${...} can be filled. */
enum sluice_error reply_topic(struct span reply_template, struct span event, struct span client_id,
                              struct buffer *out_topic);

/* The same for a message that is passed on: ${topic} is the Topic Name that it has, with all of its levels.
 */
enum sluice_error reply_topic_from(struct span reply_template, struct span source_topic, struct span event,
                                   struct span client_id, struct buffer *out_topic);

/* The same, but the values are put in as they are, levels and all, and the whole may be any text. */
enum sluice_error reply_text(struct span reply_template, struct span event, struct span client_id,
                             struct buffer *out_text);

#endif

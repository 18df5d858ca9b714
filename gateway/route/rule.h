/*
 * Rules in AWS IoT SQL: which messages a function gets, and what of them.
 *
 *     SELECT * | item, ...  FROM 'Topic Filter'  [WHERE condition]
 *     item: * | path | expression AS name
 *
 * Expressions have paths (a.b.c), literals ('text' or "text", 12, 1.5, true,
 * false, null, [a, 1], {'key': a}), = <> < <= > >= IN, AND OR NOT, + - * / %,
 * parentheses, CASE value WHEN value THEN result ... ELSE result END, cast(a AS
 * type), the functions of function.c's table, and members of what they give:
 * decode(a, 'base64').b; get(*, 'a-b') reaches a member whose name is no plain
 * word. A rule is parsed once, at load, with its patterns and its lists.
 *
 * Semantics are AWS's: WHERE does not see aliases; Undefined propagates and is
 * left out of the output; = on different types is false and <> is true; numeric
 * strings count as numbers for < and > and in arithmetic; an Int divided by an
 * Int is an Int; topic(n) counts from 1. tests/unit/sql_cases.tsv has a row for
 * each statement. Otherwise than there, 7.0 is a Decimal, arithmetic has double
 * precision, and Arrays and Objects are compared 32 levels deep; deeper is
 * Undefined. What is selected as it is keeps its bytes: numbers are not rounded
 * on the way. A search for a pattern that takes too long (regex.h) is Undefined.
 *
 * Memory: a rule is the caller's until rule_free; SELECT's output is appended to
 * the caller's buffer. Any thread may evaluate a rule; an input belongs to one.
 * Limits: SQL of RULE_SQL_BYTES_MAX, expressions RULE_DEPTH_MAX deep, and
 * payloads nested as deep as json.h says. Nothing here recurses further.
 */
#ifndef SLUICE_ROUTE_RULE_H
#define SLUICE_ROUTE_RULE_H

#include "base/buffer.h"
#include "base/message.h"
#include "route/random.h"
#include "sluice/error.h"

enum {
    RULE_SQL_BYTES_MAX = 64 * 1024,
    RULE_DEPTH_MAX = 100,
    RULE_ITEMS_MAX = 256, /* of SELECT */
    RULE_ERROR_BYTES = 512,
};

struct rule;

/* Where parsing stopped, and why: what is wrong; what is allowed. Both count from 1. */
struct rule_error {
    unsigned line, column;
    char text[RULE_ERROR_BYTES];
};

/* SLUICE_INVALID: *ret_error says why. */
enum sluice_error rule_parse(struct span sql, struct rule **ret_rule, struct rule_error *ret_error);
void rule_free(struct rule *rule); /* NULL is allowed */

/* The events go where bytes are taken, not only JSON: a bare `SELECT *` without WHERE then selects any
 * payload, as AWS's actions do. */
void rule_take_bytes(struct rule *rule);

/* The FROM filter, as long as the rule lives. */
struct span rule_filter(const struct rule *rule);
/* Whether FROM matches a Topic Name. */
bool rule_topic_matches(const struct rule *rule, struct span topic);

/* One message, as any number of rules look at it: its payload is checked at most once, when the first rule
 * needs it to be JSON and the message does not say so itself. `message` must live as long. */
struct rule_input {
    const struct message *message;
    struct rule_random random; /* without it newuuid() is Undefined */
    enum { RULE_PAYLOAD_UNCHECKED, RULE_PAYLOAD_JSON, RULE_PAYLOAD_NOT_JSON } payload;
    size_t fault_at; /* RULE_PAYLOAD_NOT_JSON: the byte at which it stops being JSON */
};

static inline struct rule_input rule_input_of(const struct message *message, struct rule_random random)
{
    return (struct rule_input){
        .message = message,
        .random = random,
        .payload = message->payload_is_json ? RULE_PAYLOAD_JSON : RULE_PAYLOAD_UNCHECKED,
    };
}

enum rule_outcome {
    RULE_NO_MATCH,
    RULE_MATCH,
    RULE_BAD_PAYLOAD, /* the rule needs JSON (with `*` beside other items, an Object) and it is none */
};

/* Whether the message is for this rule: the payload's form, then WHERE. The topic is taken to match FROM. */
enum rule_outcome rule_matches(const struct rule *rule, struct rule_input *input);

/* Appends what SELECT makes of a message that matched: the function's event. A bare SELECT * gives the
 * payload's bytes as they are. RULE_MATCH, or RULE_BAD_PAYLOAD with nothing appended. */
enum rule_outcome rule_select(const struct rule *rule, struct rule_input *input, struct buffer *out_json);

/* Appends one sentence on why a message is not for this rule, its topic included; nothing if it is. */
void rule_explain(const struct rule *rule, struct rule_input *input, struct buffer *out_text);

/* One sentence on RULE_BAD_PAYLOAD for the log and the dead letter. */
void rule_payload_fault(const struct rule_input *input, char *text, size_t text_bytes);

#endif

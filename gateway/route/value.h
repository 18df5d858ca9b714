/*
 * A value while a rule is evaluated, and AWS IoT SQL's conversions between its
 * types. Passed by value; the text belongs to the payload, the rule or the
 * evaluation's arena, and lives as long as that.
 */
#ifndef SLUICE_ROUTE_VALUE_H
#define SLUICE_ROUTE_VALUE_H

#include "base/arena.h"
#include "base/buffer.h"

enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NULL,
    VALUE_BOOLEAN,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT,
};

struct value {
    enum value_kind kind;
    bool boolean;
    bool is_int; /* AWS's Int: it was written without fraction and exponent, or computed from Ints */
    double number;
    struct span
        text; /* STRING: its characters. ARRAY, OBJECT: JSON. NUMBER: its digits in the payload, or empty */
};

static inline struct value value_undefined(void)
{
    return (struct value){.kind = VALUE_UNDEFINED};
}

static inline struct value value_boolean(bool boolean)
{
    return (struct value){.kind = VALUE_BOOLEAN, .boolean = boolean};
}

static inline struct value value_string(struct span text)
{
    return (struct value){.kind = VALUE_STRING, .text = text};
}

/* A computed number; Undefined if it is not finite. */
struct value value_number(double number, bool is_int);

/* Of checked JSON text without white space around it. */
struct value value_of_json(struct span json, struct arena *arena);

/* Reads digits, sign, fraction and exponent; false if `text` is anything else. */
bool value_parse_number(struct span text, struct value *ret_number);

/* The conversions. False where AWS gives Undefined. A String that stands for a number, in AWS's form
 * -?\d+(\.\d+)?(E-?\d+)?, is a Decimal. */
bool value_to_number(struct value value, struct value *ret_number);
bool value_to_boolean(struct value value, bool *ret_boolean);
bool value_to_text(struct value value, struct arena *arena, struct span *ret_text);

/* Appends it as JSON; it is not Undefined. */
void value_write(struct value value, struct buffer *out);

#endif

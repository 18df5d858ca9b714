/*
 * JSON text (RFC 8259) as the rules see it: checked once, then looked into in
 * place. Nothing is built from it, so a number keeps its digits, a string its
 * escapes and an object its order, and looking costs no memory. (A tree of C
 * doubles would change 64-bit time stamps and lose whether 7.0 was an Int.)
 *
 * All functions but json_check expect text that json_check accepted; they are
 * pure, never recurse, and give spans into that text. Strings and keys stay
 * escaped and in quotes until json_unescape.
 */
#ifndef SLUICE_ROUTE_JSON_H
#define SLUICE_ROUTE_JSON_H

#include "base/arena.h"

enum { JSON_DEPTH_MAX = 256 };

/* Whether `text` is one JSON value with nothing but white space around it: strict grammar, well-formed
 * UTF-8, at most JSON_DEPTH_MAX levels deep. If not, *ret_fault_at is the byte where it stops to be. */
bool json_check(struct span text, size_t *ret_fault_at);

/* Without the white space around it. */
struct span json_trim(struct span text);

/* How many levels of objects and arrays; 0 for a scalar. */
size_t json_depth(struct span text);
/* An object or array without the white space between its parts. */
struct span json_compact(struct span text, struct arena *arena);

/* Walks over the members of an object or the elements of an array. */
struct json_walk {
    struct span rest;
    bool is_object;
};

/* `text` is trimmed and begins with { or [. */
struct json_walk json_walk_of(struct span text);
/* *ret_key is the key with its quotes, or empty in an array. False at the end. */
bool json_next(struct json_walk *walk, struct span *ret_key, struct span *ret_value);

/* The first member of that name; false if `object` is no object or has none. */
bool json_member(struct span object, struct span name, struct span *ret_value);

/* The text that a string in quotes stands for: a part of it where nothing is escaped, else in the arena.
 * An escaped surrogate that stands alone becomes U+FFFD. */
struct span json_unescape(struct span string, struct arena *arena);

enum { JSON_NUMBER_BYTES = 32 };
/* The shortest digits that give `number` (which is finite) again; returns their count. */
size_t json_format_number(double number, char text[static JSON_NUMBER_BYTES]);

#endif

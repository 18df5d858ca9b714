/*
 * Regular expressions for regexp_matches(): PCRE2 as the engine, kept from
 * stalling the loop. A search may take a fixed number of steps and a fixed
 * amount of memory; one that needs more has no result. Where a pattern could
 * spend time that is not counted (back references, \C) it is refused.
 *
 * The syntax is PCRE2's, which is Java's but for: possessive and lazy
 * repetition, look-around and named groups are the same; classes cannot be
 * intersected ([a-z&&[^b]]), \u0041 is written \x{41}, and there are no back
 * references. \d, \w, \s and \b know ASCII, as in Java; a character is a code
 * point.
 *
 * A regex is the caller's until regex_free. Any thread may use it; it is not
 * changed by a search. Memory comes from malloc while compiling and searching.
 */
#ifndef SLUICE_ROUTE_REGEX_H
#define SLUICE_ROUTE_REGEX_H

#include "wire/span.h"

enum {
    REGEX_PATTERN_BYTES_MAX = 1024,
    REGEX_FAULT_BYTES = 128,
};

struct regex;

/* NULL: `pattern` (UTF-8) is none; *ret_fault says why, as a part of a sentence. */
struct regex *regex_compile(struct span pattern, char ret_fault[static REGEX_FAULT_BYTES]);
void regex_free(struct regex *regex); /* NULL is allowed */

/* Whether `text` contains a match. False: that took too long, or `text` is not UTF-8. */
bool regex_search(const struct regex *regex, struct span text, bool *ret_found);

#endif

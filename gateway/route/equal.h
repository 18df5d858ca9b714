/*
 * Whether two values are equal, as AWS IoT SQL's `=` and IN have it: numbers by
 * their value, Arrays item by item, Objects whatever the order of their keys.
 * A pure function but for the arena; it recurses EQUAL_DEPTH_MAX levels deep.
 */
#ifndef SLUICE_ROUTE_EQUAL_H
#define SLUICE_ROUTE_EQUAL_H

#include "route/value.h"

enum { EQUAL_DEPTH_MAX = 32 };

enum equality {
    EQUALITY_UNDEFINED, /* one is Undefined, or they are nested deeper than EQUAL_DEPTH_MAX */
    EQUALITY_HOLDS,
    EQUALITY_FAILS, /* different types, too */
};

enum equality value_equal(struct value a, struct value b, struct arena *arena);

#endif

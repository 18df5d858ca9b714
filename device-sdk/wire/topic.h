/*
 * Topic Names and Topic Filters: validation, and matching of one against one.
 * Pure functions over spans; they never allocate and never recurse. The
 * Server's subscription trie (gateway/broker) splits topics with the same
 * topic_next_level, so both agree on what a level is.
 */
#ifndef SLUICE_WIRE_TOPIC_H
#define SLUICE_WIRE_TOPIC_H

#include "span.h"

/* Well-formed UTF-8 without U+0000 and surrogates [MQTT-1.5.4-1, MQTT-1.5.4-2]. */
bool utf8_valid(struct span text);

/* 1 to 65,535 bytes of valid UTF-8 without wildcards [MQTT-3.3.2-2, MQTT-4.7.3-1]. */
bool topic_name_valid(struct span name);

/* As above, with `+` and `#` only where they may stand [MQTT-4.7.1-1, MQTT-4.7.1-2].
 * A `$share/...` filter is not taken apart here: see topic_filter_share. */
bool topic_filter_valid(struct span filter);

/* Splits `$share/NAME/FILTER`. False if `filter` is no Shared Subscription (then the outputs are
 * untouched). A Shared Subscription with a bad name or an empty or invalid inner filter gives true with
 * *ret_name empty [MQTT-4.8.2-1, MQTT-4.8.2-2]. */
bool topic_filter_share(struct span filter, struct span *ret_name, struct span *ret_filter);

/* Whether a valid filter matches a valid name; a filter that begins with a wildcard does not match a
 * name that begins with `$` [MQTT-4.7.2-1]. */
bool topic_matches(struct span filter, struct span name);

/* Whether every Topic Name that `inner` matches is matched by `outer` too (both valid filters). */
bool topic_filter_covers(struct span outer, struct span inner);

/* Takes the first level off *rest. False when there are no more levels. Start with *done = false. */
bool topic_next_level(struct span *rest, bool *done, struct span *ret_level);

/* Levels in a valid name or filter: slashes plus one. */
size_t topic_level_count(struct span topic);

#endif

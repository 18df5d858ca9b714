/*
 * A value of a configuration that is JSON for somebody else: a part of the tree
 * becomes JSON text. Plain words that are JSON (true, null, 1.5) are
 * that, all others strings; text at the top is JSON itself, as Serverless
 * Framework takes it. Internal to the configuration's own files. Bounded in bytes
 * and depth, whatever aliases the tree has.
 */
#ifndef SLUICE_APP_CONFIG_JSON_H
#define SLUICE_APP_CONFIG_JSON_H

#include "app/config_variables.h"

enum { CONFIG_JSON_BYTES_MAX = 8192 /* EventBridge's bound of an input */ };

/* The text, in the arena; NULL: it is no JSON, or too large. */
char *config_json(struct config_variables *variables, const struct config_node *node, struct arena *arena);

#endif

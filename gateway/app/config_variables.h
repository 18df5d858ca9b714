/*
 * Serverless Framework's variables in a configuration's tree: ${self:a.b}, ${opt:stage}, ${sls:stage},
 * ${env:NAME}, ${param:name}, ${file(other.yml):a.b}, ${aws:region}, each with what is taken where it has no
 * value behind commas: ${env:NAME, self:custom.name, 'text'}. They nest. A value that is one variable becomes
 * what that is, also a list or a mapping; within text it is text.
 *
 * Values are resolved one by one as they are asked for, and each once: what nobody reads needs no value. A
 * circle, a value that is not there, and text beyond bounds are reported at the place of the variable; what
 * comes out of another file has that place too. `${name}` without a colon is no variable: reply topics have
 * them. Internal to the configuration's own files; everything is in the arena.
 */
#ifndef SLUICE_APP_CONFIG_VARIABLES_H
#define SLUICE_APP_CONFIG_VARIABLES_H

#include "app/config_tree.h"

struct config_variables;

/* `root` may be NULL. `file` is the configuration's, from whose folder others are found; `stage` is the
 * --stage option, or NULL. All of them outlive the variables, which are in the arena. */
struct config_variables *config_variables_new(struct arena *arena, struct config_node *root, const char *file,
                                              const char *stage, struct config_problems *problems);
/* The node itself if it has no variables. NULL: there is no value, and it was reported. */
struct config_node *config_variables_resolve(struct config_variables *variables, struct config_node *node);

#endif

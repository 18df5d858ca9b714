/*
 * AWS SAM's template.yaml as a configuration: its tree becomes the one that a
 * serverless.yml would be, places kept, before anything reads it. Taken are
 * functions (AWS::Serverless::Function) with their Globals, Conditions, the events
 * IoTRule, Schedule, ScheduleV2, Api and HttpApi, and the intrinsics in them
 * (app/config_intrinsics.h); a variable of the environment that only AWS can give a
 * value is left out with a warning. What the gateway needs besides is in `Metadata:
 * {gateway: ...}`, and what a function does (`reply` and the like) in its own
 * Metadata.gateway. Other resources, and properties of functions that are for AWS,
 * are named in warnings. Internal to the configuration's own files.
 */
#ifndef SLUICE_APP_CONFIG_SAM_H
#define SLUICE_APP_CONFIG_SAM_H

#include "app/config_tree.h"

/* Whether it is a template: it has Resources. */
bool config_sam_is_template(const struct config_node *root);
/* The new tree, in the arena like the old one, of which it uses parts. */
struct config_node *config_sam_convert(struct arena *arena, const struct config_node *root,
                                       struct config_problems *problems);

#endif

/*
 * CloudFormation's intrinsic functions in a template's tree, as far as a box can
 * know what they give: !Ref of parameters (their Default), of resources (their name)
 * and of AWS::Region and the like, !Sub, !GetAtt X.Arn, !Join, !Split, !Select,
 * !FindInMap, and !If with the template's Conditions; each also as Fn::X. What
 * AWS::NoValue stands for is left out.
 *
 * Everything is in the arena that was handed in. What has no value is an error at
 * its place or, where that is asked for, a warning, and is left out too. Bounded in
 * depth, nodes and bytes, whatever aliases a template has. Internal to the
 * configuration's own files.
 */
#ifndef SLUICE_APP_CONFIG_INTRINSICS_H
#define SLUICE_APP_CONFIG_INTRINSICS_H

#include "app/config_tree.h"

struct config_intrinsics {
    struct arena *arena;
    const struct config_node *root; /* what has Resources, Parameters, Conditions and Mappings; or NULL */
    struct config_problems *problems;
    bool is_lenient;    /* what has no value is a warning */
    size_t nodes_count; /* these two are its own */
    size_t bytes_count;
};

/* Whether a node is one. */
bool config_intrinsics_is(const struct config_node *node);
/* A copy with its intrinsics applied; NULL: there is no value. */
struct config_node *config_intrinsics_apply(struct config_intrinsics *all, const struct config_node *node);
/* Whether the template's condition of that name holds. */
bool config_intrinsics_condition(struct config_intrinsics *all, const struct config_node *name);

#endif

/*
 * The table of everything that may stand in a configuration, and how one row of
 * it is read. Internal to the configuration's own files; config.h is for others.
 *
 * A row's path is as people write it: `gateway.limits.packetBytes`; `[]` is an
 * element of a list, `NAME` the key of a named item, `*` any key that no other
 * row has. Offsets are into the struct of the innermost item, or struct config.
 */
#ifndef SLUICE_APP_CONFIG_TABLE_H
#define SLUICE_APP_CONFIG_TABLE_H

#include "app/config.h"

enum parameter_type {
    PARAMETER_GROUP,       /* a mapping of further rows, of the same struct */
    PARAMETER_ITEMS,       /* a list of mappings: pointer and count of structs */
    PARAMETER_NAMED_ITEMS, /* a mapping of mappings: the same, of struct config_function */
    PARAMETER_TEXT,
    PARAMETER_PATH,    /* a file's, relative to the configuration file */
    PARAMETER_PATHS,   /* struct config_strings of paths */
    PARAMETER_COUNT,   /* uint64_t; its unit is what is counted */
    PARAMETER_SECONDS, /* decimal; uint64_t milliseconds */
    PARAMETER_BOOLEAN,
    PARAMETER_CHOICE,      /* enum: the index in `allowed` */
    PARAMETER_FLAG,        /* bool: true for the last word of `allowed` */
    PARAMETER_LISTEN,      /* struct config_listen; `allowed` is the host of a port alone */
    PARAMETER_ANONYMOUS,   /* a list of listeners' names */
    PARAMETER_ORIGINS,     /* struct config_strings of origins */
    PARAMETER_WHO,         /* text, as access rules have it */
    PARAMETER_FILTERS,     /* struct config_strings of Topic Filters */
    PARAMETER_PATTERNS,    /* struct config_strings of patterns of app/package.h */
    PARAMETER_CLIENT_IDS,  /* struct config_strings of patterns */
    PARAMETER_ENVIRONMENT, /* struct config_strings of NAME=value */
    PARAMETER_SQL,         /* text, and the rule that follows it in struct config_event */
    PARAMETER_REPLY,       /* text, a template of route/reply.h */
    PARAMETER_RATES,       /* struct config_strings of schedules, and the array that follows it */
    PARAMETER_JSON,        /* a value of any form, as JSON text */
    PARAMETER_NOTED,       /* taken, and of no effect here; `allowed` may bound it */
    PARAMETER_NOT_HERE,    /* taken with a warning: it means something to AWS, or to another version */
};

struct parameter {
    const char *path;
    enum parameter_type type;
    size_t offset;
    size_t item_bytes;       /* of ITEMS and NAMED_ITEMS */
    const char *unit;        /* of a number, for people */
    const char *fallback;    /* its default as one would write it; NULL: none */
    double minimum, maximum; /* of a number; the first also of how many ITEMS there must be */
    const char *allowed;     /* words with ` | ` between them, or see the types */
    const char *short_for;   /* of a GROUP: its member that a value in its place is for */
    bool required;           /* where its group is there */
    const char *text;        /* one line */
};

enum { CONFIG_PATH_BYTES = 256 };

extern const struct parameter config_parameters[];
extern const size_t config_parameter_count;

/* The row of a path, or the `*` beside it, or NULL. */
const struct parameter *parameter_find(const char *path);
/* Bytes of the part of a path that is its group's; 0 at the top. */
size_t parameter_group_len(const char *path);
/* Bytes of the part of a path that is its innermost item's, as in `gateway.access[]`; 0: struct config. */
size_t parameter_item_len(const char *path);
/* Whether `sluice reload` takes it up; the others need a restart. */
bool parameter_reloads(const struct parameter *parameter);
/* What may stand there, for an error or the reference: type and bounds. */
void parameter_allowed(const struct parameter *parameter, char *text, size_t text_bytes);

/* ---- Problems ---- */

struct config_problem {
    struct config_place place;
    bool is_warning;
    char *text;
};

struct config_problems {
    struct arena *arena;
    struct config_problem *items;
    size_t count;
    size_t capacity;
    size_t error_count;
};

void config_error(struct config_problems *problems, struct config_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(struct config_problems *problems, struct config_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- The steps of loading ---- */

struct config_node;
struct config_variables;

/* Reads a tree (NULL: there is none, and only defaults are set) into `config`, whose arena holds what it
 * makes. */
void config_read(struct config *config, struct config_node *root, struct config_variables *variables,
                 struct config_problems *problems);
/* After reading: settles what depends on several parameters, and checks it. */
void config_settle(struct config *config, struct config_problems *problems);
/* The same for a function that is an uplink. */
void config_settle_uplink(const struct config *config, struct config_function *function,
                          struct config_problems *problems);
/* A part of config_settle: whom the destinations of all functions mean. */
void config_settle_destinations(struct config *config, struct config_problems *problems);
/* The same for an event that is a schedule. */
void config_settle_schedule(struct config *config, const struct config_function *function,
                            struct config_event *event, struct config_problems *problems);
/* A part of config_settle: makes config->routes of the events of HTTP. */
void config_settle_routes(struct config *config, struct config_problems *problems);
/* A path that stands in `file`, as the current folder sees it. */
char *config_resolve(const char *file, struct arena *arena, const char *path);

#endif

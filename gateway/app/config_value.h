/*
 * One scalar of a configuration: from its words to the field of its row. The
 * same code reads the file's words and the table's defaults. Internal to the
 * configuration's own files.
 */
#ifndef SLUICE_APP_CONFIG_VALUE_H
#define SLUICE_APP_CONFIG_VALUE_H

#include "app/config_table.h"

struct config_scalar {
    struct config *config;
    const struct parameter *parameter;
    struct span text;
    struct config_place place;
    struct config_problems *problems;
    void *field; /* where the row's offset leads */
};

/* Reports what is wrong, and then leaves the field alone. */
void config_scalar_read(const struct config_scalar *scalar);
/* Appends `text`, which becomes the configuration's. */
void config_strings_add(struct config *config, struct config_strings *strings, char *text);

#endif

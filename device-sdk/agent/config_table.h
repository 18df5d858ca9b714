/* The rows that agent/config.c reads the configuration by. */
#ifndef SLUICE_AGENT_CONFIG_TABLE_H
#define SLUICE_AGENT_CONFIG_TABLE_H

#include "agent/config.h"

enum config_type {
    CONFIG_TEXT,     /* max: bytes, with the NUL */
    CONFIG_TOPIC,    /* the same, but a Topic Name with %c, %h and %%; min 0: or empty */
    CONFIG_NUMBER,   /* uint32_t, min to max */
    CONFIG_DURATION, /* uint32_t of milliseconds: 500ms 10s 5min 1h */
    CONFIG_SIZE,     /* uint32_t of bytes: 4096 64k 1M */
    CONFIG_CHOICE,   /* uint32_t: the place of the word in `choices` */
    CONFIG_REAL,     /* double */
};

struct config_row {
    const char *section, *key;
    enum config_type type;
    size_t offset; /* in struct agent_config, or in struct source for sections with a name */
    uint32_t min, max;
    const char *choices;   /* words with spaces between them */
    const char *otherwise; /* the default, as one would write it; NULL: none */
    const char *help;
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;

/* Sets what `row` describes, at `place`, from text; false: the text is not allowed. */
bool config_set(const struct config_row *row, void *place, const char *text);
/* What is allowed, for a sentence: "a number from 1 to 65535". */
void config_allowed(const struct config_row *row, char *ret_text, size_t capacity);

#endif

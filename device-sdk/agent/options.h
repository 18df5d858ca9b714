/* The command line of sluice-agent. Errors go to standard error and are counted in the configuration. */
#ifndef SLUICE_AGENT_OPTIONS_H
#define SLUICE_AGENT_OPTIONS_H

#include "agent/config.h"

struct options {
    bool help, list, once, check;
    uint64_t for_ms;   /* 0: until told to end */
    const char *stats; /* a file, "-", or NULL */
};

/* Reads the file that --config names, then lets the other options change what it said. */
void options_parse(struct options *options, struct agent_config *config, char **arguments);
void options_print_help(void);

#endif

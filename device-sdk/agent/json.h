/* What the agent writes as JSON, to a stream of stdio. */
#ifndef SLUICE_AGENT_JSON_H
#define SLUICE_AGENT_JSON_H

#include "sluice/device.h"

#include <stdio.h>

/* A String; what is no text in bytes of any kind, as of a command's output, becomes spaces and question
 * marks. */
void json_write_string(FILE *out, const char *text);
/* "name":value, as a frame's JSON has it; `text` is the value of a channel of texts. */
void json_write_value(FILE *out, const struct sluice_channel *channel, double value, const char *text);

#endif

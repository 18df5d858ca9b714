/* What the agent writes as JSON, to a stream of stdio. */
#ifndef SLUICE_AGENT_JSON_H
#define SLUICE_AGENT_JSON_H

#include "sluice/device.h"

#include <stdio.h>

/* A String; bytes that are not printable ASCII, as of a command's output, become spaces and question marks.
 */
void json_write_string(FILE *out, const char *text);
/* "name":value, as a frame's JSON has it. */
void json_write_value(FILE *out, const struct sluice_channel *channel, double value);

#endif

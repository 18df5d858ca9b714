#include "agent/json.h"

void json_write_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fputc('\\', out);
        if (byte == '\n')
            fputs("\\n", out);
        else
            fputc(byte < ' ' ? ' ' : byte > '~' ? '?' : byte, out);
    }
    fputc('"', out);
}

void json_write_value(FILE *out, const struct sluice_channel *channel, double value)
{
    json_write_string(out, channel->name);
    fputc(':', out);
    if (channel->type == SLUICE_BOOLEAN)
        fputs(value != 0 ? "true" : "false", out);
    else if (channel->type == SLUICE_FLOAT)
        fprintf(out, "%.9g", value);
    else
        fprintf(out, "%.*f", channel->decimals, value);
}

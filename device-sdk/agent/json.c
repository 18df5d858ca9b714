#include "agent/json.h"

#include "wire/topic.h"

void json_write_string(FILE *out, const char *text)
{
    bool is_utf8 = utf8_valid(span_from_string(text));
    fputc('"', out);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fputc('\\', out);
        if (byte == '\n')
            fputs("\\n", out);
        else
            fputc(byte < ' ' ? ' ' : byte > '~' && !is_utf8 ? '?' : byte, out);
    }
    fputc('"', out);
}

void json_write_value(FILE *out, const struct sluice_channel *channel, double value, const char *text)
{
    json_write_string(out, channel->name);
    fputc(':', out);
    if (channel->type == SLUICE_TEXT)
        json_write_string(out, text);
    else if (channel->type == SLUICE_BOOLEAN)
        fputs(value != 0 ? "true" : "false", out);
    else if (channel->type == SLUICE_FLOAT)
        fprintf(out, "%.9g", value);
    else
        fprintf(out, "%.*f", channel->decimals, value);
}

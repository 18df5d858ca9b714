#include "agent/config_table.h"

#include "wire/topic.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member)     offsetof(struct agent_config, member)
#define SIZE(member)   sizeof(((struct agent_config *)0)->member)
#define SOURCE(member) offsetof(struct source, member)
#define YES_NO         "no yes"

enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS, MEGABYTE = 1024 * 1024 };

/* clang-format off */
const struct config_row config_rows[] = {
    {"gateway", "host", CONFIG_TEXT, AT(host), 0, SIZE(host), NULL, "", "name or address of the gateway; its certificate must carry it"},
    {"gateway", "port", CONFIG_NUMBER, AT(port), 1, 65535, NULL, "8883", "its port for MQTT over TLS"},
    {"gateway", "ca", CONFIG_TEXT, AT(ca), 0, SIZE(ca), NULL, "", "PEM file of who signs the gateway's certificate"},
    {"gateway", "certificate", CONFIG_TEXT, AT(certificate), 0, SIZE(certificate), NULL, "", "PEM file of this device's certificate"},
    {"gateway", "key", CONFIG_TEXT, AT(key), 0, SIZE(key), NULL, "", "PEM file of its private key"},
    {"gateway", "signer", CONFIG_TEXT, AT(signer), 0, SIZE(signer), NULL, "", "where the key is elsewhere: a shell command that signs the hash on its input, as DER"},
    {"gateway", "session_file", CONFIG_TEXT, AT(session_file), 0, SIZE(session_file), NULL, "", "file that keeps the TLS session over restarts; none: each start is a full handshake"},
    {"gateway", "client_id", CONFIG_TEXT, AT(client_id), 0, SIZE(client_id), NULL, "%h", "MQTT Client Identifier; %h is the host name of this machine"},
    {"gateway", "topic", CONFIG_TOPIC, AT(topic), 1, SIZE(topic), NULL, "farm/%c/telemetry", "Topic Name for telemetry; %c is the client_id, %h the host name"},
    {"gateway", "events", CONFIG_TOPIC, AT(events), 0, SIZE(events), NULL, "farm/%c/events", "Topic Name for events, see [watch]; empty: none are published"},
    {"gateway", "commands", CONFIG_TOPIC, AT(commands), 0, SIZE(commands), NULL, "", "commands are taken on this topic and their name, as farm/%c/commands; empty: none are"},
    {"gateway", "keep_alive", CONFIG_DURATION, AT(keep_alive_ms), 1000, 65535000, NULL, "5min", "an idle connection is tested this often"},

    {"sampling", "interval", CONFIG_DURATION, AT(interval_ms), 100, DAY_MS, NULL, "10s", "time between samples"},
    {"sampling", "flush", CONFIG_DURATION, AT(flush_ms), 1, DAY_MS, NULL, "60s", "samples are published when the first of them is this old"},
    {"sampling", "connect", CONFIG_DURATION, AT(connect_ms), 0, DAY_MS, NULL, "0s", "connects this often, delivers and disconnects; 0s: stays connected"},
    {"sampling", "outbox", CONFIG_SIZE, AT(outbox_bytes), 4096, 1024u * MEGABYTE, NULL, "256k", "memory for what the gateway has not acknowledged"},
    {"sampling", "outbox_file", CONFIG_TEXT, AT(outbox_file), 0, SIZE(outbox_file), NULL, "", "file that keeps it over power cuts and restarts; none: in memory only"},
    {"sampling", "outbox_file_size", CONFIG_SIZE, AT(outbox_file_bytes), 32768, 256u * MEGABYTE, NULL, "1M", "its size, taken at the first start"},
    {"sampling", "outbox_commit", CONFIG_DURATION, AT(outbox_commit_ms), 0, HOUR_MS, NULL, "10s", "what waits so long is written to the file; 0s: each message at once"},
    {"sampling", "when_full", CONFIG_CHOICE, AT(when_full), 0, 0, "drop-oldest thin-out refuse", "drop-oldest", "what happens when the outbox is full"},
    {"sampling", "linger", CONFIG_DURATION, AT(linger_ms), 0, HOUR_MS, NULL, "10s", "time to deliver what is left when the agent is told to end, or with connect"},

    {"sensors", "hwmon", CONFIG_CHOICE, AT(hwmon), 0, 0, YES_NO, "yes", "hardware monitors"},
    {"sensors", "iio", CONFIG_CHOICE, AT(iio), 0, 0, YES_NO, "yes", "industrial I/O: converters, environment, motion"},
    {"sensors", "thermal", CONFIG_CHOICE, AT(thermal), 0, 0, YES_NO, "yes", "thermal zones"},
    {"sensors", "power", CONFIG_CHOICE, AT(power), 0, 0, YES_NO, "yes", "power supplies and batteries"},
    {"sensors", "proc", CONFIG_CHOICE, AT(proc), 0, 0, YES_NO, "yes", "load, processor, memory, network, disk"},
    {"sensors", "exclude", CONFIG_TEXT, AT(exclude), 0, SIZE(exclude), NULL, "", "names to leave out, with * and ?, as --list shows them"},
    {"sensors", "root", CONFIG_TEXT, AT(root), 0, SIZE(root), NULL, "", "directory under which the board's /sys and /proc are, as in a container"},

    {"file", "path", CONFIG_TEXT, SOURCE(target), 0, TARGET_BYTES, NULL, NULL, "a file whose first line has a number in it, or is a text"},
    {"file", "value", CONFIG_CHOICE, SOURCE(gives_text), 0, 0, "number text", "number", "text: the line itself, as of a state; up to 127 bytes of UTF-8"},
    {"file", "unit", CONFIG_TEXT, SOURCE(unit), 0, 33, NULL, "", "its unit, as SenML has them: Cel %RH Pa V A W m/s"},
    {"file", "decimals", CONFIG_NUMBER, SOURCE(decimals), 0, 9, NULL, "2", "places after the point that are kept"},
    {"file", "scale", CONFIG_REAL, SOURCE(scale), 0, 0, NULL, "1", "value = (number + offset) * scale"},
    {"file", "offset", CONFIG_REAL, SOURCE(offset), 0, 0, NULL, "0", "see scale"},

    {"command", "run", CONFIG_TEXT, SOURCE(target), 0, TARGET_BYTES, NULL, NULL, "a shell command whose output has a number in it, or is a text"},
    {"command", "value", CONFIG_CHOICE, SOURCE(gives_text), 0, 0, "number text", "number", "as in [file]; so are the next four"},
    {"command", "unit", CONFIG_TEXT, SOURCE(unit), 0, 33, NULL, "", ""},
    {"command", "decimals", CONFIG_NUMBER, SOURCE(decimals), 0, 9, NULL, "2", ""},
    {"command", "scale", CONFIG_REAL, SOURCE(scale), 0, 0, NULL, "1", ""},
    {"command", "offset", CONFIG_REAL, SOURCE(offset), 0, 0, NULL, "0", ""},
    {"command", "timeout", CONFIG_DURATION, SOURCE(timeout_ms), 1, HOUR_MS, NULL, "2s", "it is killed after this, and gives no value"},

    {"gpio", "chip", CONFIG_TEXT, SOURCE(target), 0, TARGET_BYTES, NULL, NULL, "the chip's device: /dev/gpiochip0"},
    {"gpio", "line", CONFIG_NUMBER, SOURCE(gpio_line), 0, 65535, NULL, NULL, "the line's number on it, as gpioinfo shows it"},
    {"gpio", "report", CONFIG_CHOICE, SOURCE(gpio_report), 0, 0, "level count urgent", "level", "the level; its rising edges since the last sample; the level, and each edge is sent at once"},
    {"gpio", "bias", CONFIG_CHOICE, SOURCE(gpio_bias), 0, 0, "as-is pull-up pull-down disabled", "as-is", "the line's resistor"},
    {"gpio", "active_low", CONFIG_CHOICE, SOURCE(gpio_active_low), 0, 0, YES_NO, "no", "yes: 0 V is 1"},
    {"gpio", "debounce", CONFIG_DURATION, SOURCE(gpio_debounce_ms), 0, 1000, NULL, "0ms", "edges that follow within this are one; not for level"},
    {"gpio", "unit", CONFIG_TEXT, SOURCE(unit), 0, 33, NULL, "", "as in [file]; scale is for count"},
    {"gpio", "decimals", CONFIG_NUMBER, SOURCE(decimals), 0, 9, NULL, "0", ""},
    {"gpio", "scale", CONFIG_REAL, SOURCE(scale), 0, 0, NULL, "1", ""},

    {"buffer", "device", CONFIG_TEXT, SOURCE(target), 0, 64, NULL, NULL, "an IIO device, by what its file 'name' says, or as iio:device0"},
    {"buffer", "rate", CONFIG_REAL, SOURCE(buffer_rate), 0, 0, NULL, "0", "scans a second; 0: as the device has it"},
    {"buffer", "trigger", CONFIG_TEXT, SOURCE(buffer_trigger), 0, 64, NULL, "", "the IIO trigger that starts each scan; none: as the device has it"},
    {"buffer", "take", CONFIG_CHOICE, SOURCE(buffer_take), 0, 0, "mean last min max", "mean", "what a sample has of the scans since the one before"},

    {"action", "run", CONFIG_TEXT, SOURCE(target), 0, TARGET_BYTES, NULL, NULL, "a shell command to be run when the gateway asks"},
    {"action", "timeout", CONFIG_DURATION, SOURCE(timeout_ms), 1, HOUR_MS, NULL, "30s", "it is killed after this"},

    {"watch", "above", CONFIG_REAL, SOURCE(above), 0, 0, NULL, NULL, "a value over this is urgent"},
    {"watch", "below", CONFIG_REAL, SOURCE(below), 0, 0, NULL, NULL, "a value under this is urgent"},
    {"watch", "hysteresis", CONFIG_REAL, SOURCE(hysteresis), 0, 0, NULL, "0", "how far within the limit a value is back again"},
};
/* clang-format on */
const size_t config_row_count = sizeof config_rows / sizeof config_rows[0];

struct suffix {
    const char *text;
    double factor;
};

static const struct suffix duration_suffixes[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", HOUR_MS}, {NULL, 0}};
static const struct suffix size_suffixes[] = {{"", 1}, {"k", 1024}, {"M", MEGABYTE}, {NULL, 0}};
static const struct suffix no_suffixes[] = {{"", 1}, {NULL, 0}};

static bool parse_real(const char *text, const struct suffix *suffixes, double *ret_value)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number))
        return false;
    while (*end == ' ')
        end++;
    for (; suffixes->text; suffixes++)
        if (strcmp(end, suffixes->text) == 0) {
            *ret_value = number * suffixes->factor;
            return true;
        }
    return false;
}

static bool set_number(const struct config_row *row, uint32_t *place, const char *text,
                       const struct suffix *suffixes)
{
    double value;
    if (!parse_real(text, suffixes, &value) || value < row->min || value > row->max || value != floor(value))
        return false;
    *place = (uint32_t)value;
    return true;
}

static bool set_choice(const char *choices, uint32_t *place, const char *text)
{
    size_t len = strlen(text);
    for (uint32_t i = 0; len > 0 && *choices; i++) {
        size_t word = strcspn(choices, " ");
        if (word == len && strncmp(choices, text, len) == 0) {
            *place = i;
            return true;
        }
        choices += word + (choices[word] == ' ');
    }
    return false;
}

/* With what is yet to be replaced, none of which makes a Topic Name of what is none. */
static bool is_topic(const char *text)
{
    for (const char *at = text; (at = strchr(at, '%')); at += 2)
        if (at[1] == '\0' || !strchr("ch%", at[1]))
            return false;
    return topic_name_valid(span_from_string(text));
}

static bool set_text(const struct config_row *row, char *place, const char *text)
{
    size_t len = strlen(text);
    bool may_be_empty = row->type == CONFIG_TEXT || row->min == 0;
    if (len >= row->max || (len == 0 && !may_be_empty) ||
        (len > 0 && row->type == CONFIG_TOPIC && !is_topic(text)))
        return false;
    memcpy(place, text, len + 1);
    return true;
}

bool config_set(const struct config_row *row, void *place, const char *text)
{
    switch (row->type) {
    case CONFIG_TEXT:
    case CONFIG_TOPIC: return set_text(row, place, text);
    case CONFIG_NUMBER: return set_number(row, place, text, no_suffixes);
    case CONFIG_DURATION: return set_number(row, place, text, duration_suffixes);
    case CONFIG_SIZE: return set_number(row, place, text, size_suffixes);
    case CONFIG_CHOICE: return set_choice(row->choices, place, text);
    case CONFIG_REAL: return parse_real(text, no_suffixes, place);
    }
    return false;
}

static void format_duration(uint32_t ms, char *ret_text, size_t capacity)
{
    const struct suffix *suffix = duration_suffixes + 3;
    while (suffix > duration_suffixes && (ms == 0 || ms % (uint32_t)suffix->factor != 0))
        suffix--;
    snprintf(ret_text, capacity, "%u%s", ms / (uint32_t)suffix->factor, suffix->text);
}

void config_allowed(const struct config_row *row, char *ret_text, size_t capacity)
{
    char min[24], max[24];
    switch (row->type) {
    case CONFIG_TEXT: snprintf(ret_text, capacity, "a text of at most %u bytes", row->max - 1); return;
    case CONFIG_TOPIC:
        snprintf(ret_text, capacity, "a Topic Name of at most %u bytes, with %%c, %%h and %%%% in it%s",
                 row->max - 1, row->min == 0 ? ", or nothing" : "");
        return;
    case CONFIG_NUMBER: snprintf(ret_text, capacity, "a number from %u to %u", row->min, row->max); return;
    case CONFIG_DURATION:
        format_duration(row->min, min, sizeof min);
        format_duration(row->max, max, sizeof max);
        snprintf(ret_text, capacity, "a time from %s to %s, with ms, s, min or h", min, max);
        return;
    case CONFIG_SIZE:
        snprintf(ret_text, capacity, "a size from %u to %u bytes, or with k or M", row->min, row->max);
        return;
    case CONFIG_CHOICE: snprintf(ret_text, capacity, "one of: %s", row->choices); return;
    case CONFIG_REAL: snprintf(ret_text, capacity, "a number"); return;
    }
}

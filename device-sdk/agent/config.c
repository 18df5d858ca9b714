#include "agent/config.h"

#include "agent/config_table.h"
#include "agent/iio_buffer.h"
#include "wire/topic.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = PATH_MAX + 128 };

/* Where a value was found, for errors. */
struct place {
    const char *file; /* NULL: an option of the command line */
    unsigned line;    /* 0: the file as a whole */
};

__attribute__((format(printf, 3, 4))) static void complain(struct agent_config *config, struct place place,
                                                           const char *format, ...)
{
    config->error_count++;
    if (place.line)
        fprintf(stderr, "%s:%u: ", place.file, place.line);
    else
        fprintf(stderr, "%s: ", place.file ? place.file : "sluice-agent");
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static void set_defaults(const char *section, void *object)
{
    for (size_t i = 0; i < config_row_count; i++)
        if (config_rows[i].otherwise && strcmp(config_rows[i].section, section) == 0)
            config_set(&config_rows[i], (char *)object + config_rows[i].offset, config_rows[i].otherwise);
}

void config_init(struct agent_config *config)
{
    memset(config, 0, sizeof *config);
    set_defaults("gateway", config);
    set_defaults("sampling", config);
    set_defaults("sensors", config);
}

static const struct config_row *find_row(const char *section, const char *key)
{
    for (size_t i = 0; i < config_row_count; i++)
        if (strcmp(config_rows[i].section, section) == 0 && strcmp(config_rows[i].key, key) == 0)
            return &config_rows[i];
    return NULL;
}

static void set(struct agent_config *config, struct place place, const struct config_row *row, void *object,
                const char *text)
{
    if (config_set(row, (char *)object + row->offset, text))
        return;
    char allowed[160];
    config_allowed(row, allowed, sizeof allowed);
    complain(config, place, "%s: '%s' is not allowed; allowed is %s", row->key, text, allowed);
}

/* ---- the file ---- */

struct parser {
    struct agent_config *config;
    struct place place;
    char section[16];      /* empty: none yet, or an unknown one */
    struct source *source; /* of a section with a name, else NULL */
};

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* Sections with a name, by enum source_kind, and the key that they cannot be without. */
static const struct {
    const char *section, *target;
} kinds[] = {
    [SOURCE_FILE] = {"file", "path"},    [SOURCE_COMMAND] = {"command", "run"},
    [SOURCE_GPIO] = {"gpio", "chip"},    [SOURCE_BUFFER] = {"buffer", "device"},
    [SOURCE_ACTION] = {"action", "run"}, [SOURCE_WATCH] = {"watch", NULL},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* KIND_COUNT: the section has no name. */
static size_t kind_of(const char *section)
{
    size_t kind = 0;
    while (kind < KIND_COUNT && strcmp(kinds[kind].section, section) != 0)
        kind++;
    return kind;
}

/* What measures has its names in common. */
static bool share_names(enum source_kind a, enum source_kind b)
{
    return a == b || (a <= SOURCE_BUFFER && b <= SOURCE_BUFFER);
}

static void start_source(struct parser *parser, enum source_kind kind, const char *name)
{
    struct agent_config *config = parser->config;
    for (size_t i = 0; i < config->source_count; i++)
        if (share_names(config->sources[i].kind, kind) && strcmp(config->sources[i].name, name) == 0)
            complain(config, parser->place, "the name '%s' is taken by line %u", name,
                     config->sources[i].line);
    if (*name == '\0' || strlen(name) >= sizeof config->sources[0].name) {
        complain(config, parser->place, "a [%s NAME] section needs a name of 1 to %zu bytes", parser->section,
                 sizeof config->sources[0].name - 1);
        parser->section[0] = '\0';
        return;
    }
    if (config->source_count == SOURCES_MAX) {
        complain(config, parser->place, "more than %d sections with a name", SOURCES_MAX);
        parser->section[0] = '\0';
        return;
    }
    if (kind == SOURCE_ACTION && strpbrk(name, "/+#"))
        complain(config, parser->place, "the name of an action is a topic level, without / + #");
    parser->source = &config->sources[config->source_count++];
    *parser->source = (struct source){.kind = kind,
                                      .above = INFINITY,
                                      .below = -INFINITY,
                                      .gpio_line = UINT32_MAX,
                                      .line = parser->place.line};
    memcpy(parser->source->name, name, strlen(name) + 1);
    set_defaults(parser->section, parser->source);
}

/* `text` is what stands after the opening bracket. */
static void start_section(struct parser *parser, char *text)
{
    static const char *const sections[] = {"gateway", "sampling", "sensors", "file", "command",
                                           "gpio",    "buffer",   "action",  "watch"};
    char *end = strchr(text, ']');
    parser->section[0] = '\0';
    parser->source = NULL;
    if (!end || *trim(end + 1)) {
        complain(parser->config, parser->place, "a section is [NAME] and nothing else in the line");
        return;
    }
    *end = '\0';
    text = trim(text);
    size_t len = strcspn(text, " \t");
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (strlen(sections[i]) == len && strncmp(text, sections[i], len) == 0)
            snprintf(parser->section, sizeof parser->section, "%s", sections[i]);
    bool has_name = text[len] != '\0';
    size_t kind = kind_of(parser->section);
    if (!parser->section[0] || (has_name && kind == KIND_COUNT)) {
        complain(
            parser->config, parser->place,
            "there is no section [%s]; there are [gateway] [sampling] [sensors] [file NAME] [command NAME] "
            "[gpio NAME] [buffer NAME] [action NAME] [watch NAME]",
            text);
        parser->section[0] = '\0';
    } else if (kind < KIND_COUNT) {
        start_source(parser, (enum source_kind)kind, trim(text + len));
    }
}

static void complain_of_key(struct parser *parser, const char *key)
{
    char keys[256] = "";
    for (size_t i = 0; i < config_row_count; i++)
        if (strcmp(config_rows[i].section, parser->section) == 0)
            snprintf(keys + strlen(keys), sizeof keys - strlen(keys), " %s", config_rows[i].key);
    complain(parser->config, parser->place, "there is no key '%s' in [%s]; there are%s", key, parser->section,
             keys);
}

static void read_line(struct parser *parser, char *line)
{
    line = trim(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return;
    if (*line == '[') {
        start_section(parser, line + 1);
        return;
    }
    char *equals = strchr(line, '=');
    if (!equals) {
        complain(parser->config, parser->place, "this is no 'key = value', no [section] and no # comment");
        return;
    }
    if (!parser->section[0])
        return; /* the section has been complained of; a key before the first one is checked by the caller */
    *equals = '\0';
    char *key = trim(line);
    const struct config_row *row = find_row(parser->section, key);
    if (row)
        set(parser->config, parser->place, row, parser->source ? (void *)parser->source : parser->config,
            trim(equals + 1));
    else
        complain_of_key(parser, key);
}

void config_read(struct agent_config *config, const char *file)
{
    struct parser parser = {.config = config, .place = {file, 0}};
    FILE *stream = fopen(file, "re");
    if (!stream) {
        complain(config, parser.place, "cannot be read: %s", strerror(errno));
        return;
    }
    char line[LINE_BYTES];
    bool has_section = false;
    while (fgets(line, sizeof line, stream)) {
        parser.place.line++;
        bool whole = strchr(line, '\n') || feof(stream);
        if (!whole) {
            complain(config, parser.place, "the line is longer than %d bytes", LINE_BYTES - 2);
            for (int c; (c = fgetc(stream)) != EOF && c != '\n';)
                continue;
            continue;
        }
        const char *text = line + strspn(line, " \t");
        has_section |= *text == '[';
        if (!has_section && !strchr("\r\n#;", *text))
            complain(config, parser.place, "a [section] must come first");
        else
            read_line(&parser, line);
    }
    if (ferror(stream)) {
        parser.place.line = 0;
        complain(config, parser.place, "cannot be read: %s", strerror(errno));
    }
    fclose(stream);
}

/* ---- the command line ---- */

static bool is_option(const struct config_row *row)
{
    return strcmp(row->section, "gateway") == 0 || strcmp(row->section, "sampling") == 0;
}

static void option_name(const struct config_row *row, char ret_name[32])
{
    snprintf(ret_name, 32, "%s", row->key);
    for (char *c = ret_name; (c = strchr(c, '_'));)
        *c = '-';
}

bool config_option(struct agent_config *config, const char *option, const char *value)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        char name[32];
        option_name(row, name);
        if (!is_option(row) || strcmp(name, option) != 0)
            continue;
        if (value)
            set(config, (struct place){NULL, 0}, row, config, value);
        else
            complain(config, (struct place){NULL, 0}, "--%s needs a value", option);
        return true;
    }
    return false;
}

bool config_parse_interval(const char *text, uint32_t *ret_ms, char *ret_allowed, size_t capacity)
{
    const struct config_row *row = find_row("sampling", "interval");
    config_allowed(row, ret_allowed, capacity);
    return config_set(row, ret_ms, text);
}

void config_print_options(void)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        char name[32];
        option_name(row, name);
        if (is_option(row))
            printf("  --%-16s %s%s%s%s\n", name, row->help, *row->otherwise ? " (default " : "",
                   row->otherwise, *row->otherwise ? ")" : "");
    }
}

/* ---- the whole ---- */

/* Replaces %c and %h in place; false: it grew too long, or there is another %. */
static bool expand(char *text, size_t capacity, const char *client_id, const char *host_name)
{
    char out[TOPIC_BYTES];
    size_t len = 0;
    for (const char *from = text; *from; from++) {
        char one[2] = {*from, '\0'};
        const char *piece = one;
        if (*from == '%') {
            from++;
            piece = *from == 'c' ? client_id : *from == 'h' ? host_name : *from == '%' ? "%" : NULL;
        }
        size_t piece_len = piece ? strlen(piece) : 0;
        if (!piece || len + piece_len >= capacity || len + piece_len >= sizeof out)
            return false;
        memcpy(out + len, piece, piece_len);
        len += piece_len;
    }
    out[len] = '\0';
    memcpy(text, out, len + 1);
    return true;
}

/* Limits that overlap would keep an alarm back, or never let it end. */
static void check_watch(struct agent_config *config, const struct source *watch)
{
    const struct place place = {NULL, 0};
    if (isinf(watch->above) && isinf(watch->below))
        complain(config, place, "[watch %s] in line %u has neither 'above' nor 'below'", watch->name,
                 watch->line);
    else if (watch->above <= watch->below)
        complain(config, place, "[watch %s] in line %u: its above is %g and its below %g; above must be more",
                 watch->name, watch->line, watch->above, watch->below);
    else if (watch->hysteresis < 0 || watch->hysteresis >= watch->above - watch->below)
        complain(config, place,
                 "[watch %s] in line %u: its hysteresis is %g; allowed is from 0 to less than the distance "
                 "from below to above",
                 watch->name, watch->line, watch->hysteresis);
}

static void check_sources(struct agent_config *config)
{
    size_t buffer_count = 0;
    for (size_t i = 0; i < config->source_count; i++) {
        const struct source *source = &config->sources[i];
        const char *section = kinds[source->kind].section, *target = kinds[source->kind].target;
        if (target && source->target[0] == '\0')
            complain(config, (struct place){NULL, 0}, "[%s %s] in line %u has no '%s'", section, source->name,
                     source->line, target);
        if (source->kind == SOURCE_GPIO && source->gpio_line == UINT32_MAX)
            complain(config, (struct place){NULL, 0}, "[%s %s] in line %u has no 'line'", section,
                     source->name, source->line);
        if (source->kind == SOURCE_BUFFER && ++buffer_count > BUFFERS_MAX)
            complain(config, (struct place){NULL, 0}, "[%s %s] in line %u is one too many; allowed are %d",
                     section, source->name, source->line, BUFFERS_MAX);
        if (source->kind == SOURCE_WATCH)
            check_watch(config, source);
    }
}

/* `text` becomes a Topic Name, or stays empty where it may. */
static void finish_topic(struct agent_config *config, const char *key, char text[TOPIC_BYTES],
                         const char *host_name)
{
    if (!expand(text, TOPIC_BYTES, config->client_id, host_name) ||
        (text[0] != '\0' && !topic_name_valid(span_from_string(text))))
        complain(config, (struct place){NULL, 0},
                 "%s: '%s', with client_id and host name in it, is no Topic Name of at most %d bytes", key,
                 text, TOPIC_BYTES - 1);
}

void config_finish(struct agent_config *config, bool for_connecting)
{
    const struct place place = {NULL, 0};
    char host_name[256] = "localhost";
    gethostname(host_name, sizeof host_name - 1);
    if (!expand(config->client_id, sizeof config->client_id, NULL, host_name))
        complain(config, place, "client_id: only %%h and %%%% can stand in '%s'", config->client_id);
    finish_topic(config, "topic", config->topic, host_name);
    finish_topic(config, "events", config->events, host_name);
    finish_topic(config, "commands", config->commands, host_name);
    if (config->client_id[0] == '\0' || !utf8_valid(span_from_string(config->client_id)))
        complain(config, place, "client_id: '%s' is not allowed; allowed are 1 to 255 bytes of UTF-8",
                 config->client_id);
    check_sources(config);
    const struct {
        const char *key, *value;
    } needed[] = {{"host", config->host},
                  {"ca", config->ca},
                  {"certificate", config->certificate},
                  {"key", config->signer[0] ? config->signer : config->key}};
    if (config->signer[0] && config->key[0])
        complain(config, place, "there are key and signer; allowed is one of them");
    for (size_t i = 0; for_connecting && i < sizeof needed / sizeof needed[0]; i++)
        if (needed[i].value[0] == '\0')
            complain(config, place, "%s is missing: set it in [gateway] or by --%s", needed[i].key,
                     needed[i].key);
}

#include "app/config_value.h"

#include "app/package.h"
#include "route/reply.h"
#include "wire/topic.h"

#include <math.h>
#include <stdlib.h>

/* ---- Helpers ---- */

static void refuse(const struct config_scalar *scalar)
{
    char allowed[256];
    parameter_allowed(scalar->parameter, allowed, sizeof allowed);
    config_error(scalar->problems, scalar->place, "%s is '%.*s'; allowed: %s", scalar->parameter->path,
                 (int)(scalar->text.len < 128 ? scalar->text.len : 128), (const char *)scalar->text.data,
                 allowed);
}

static char *keep(const struct config_scalar *scalar)
{
    return arena_string(&scalar->config->arena, scalar->text);
}

static void set_text(const struct config_scalar *scalar, char *text)
{
    *(char **)scalar->field = text;
}

void config_strings_add(struct config *config, struct config_strings *strings, char *text)
{
    /* Lists are short and an arena does not resize: each power of two is a new copy. */
    if ((strings->count & (strings->count - 1)) == 0) {
        char **items = arena_take(&config->arena, (strings->count ? strings->count * 2 : 1) * sizeof *items);
        if (strings->count > 0)
            memcpy(items, strings->items, strings->count * sizeof *items);
        strings->items = items;
    }
    strings->items[strings->count++] = text;
}

/* Digits with at most one point between them, and nothing else. */
static bool parse_decimal(struct span text, double *ret_number)
{
    char digits[32];
    size_t points = 0;
    bool is_negative = span_starts_with(text, SPAN_LITERAL("-"));
    if (is_negative)
        text = span_skip(text, 1);
    if (text.len == 0 || text.len >= sizeof digits || text.data[0] == '.' || text.data[text.len - 1] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool is_point = text.data[i] == '.';
        points += is_point;
        if (!is_point && (text.data[i] < '0' || text.data[i] > '9'))
            return false;
    }
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    *ret_number = is_negative ? -strtod(digits, NULL) : strtod(digits, NULL);
    return points <= 1;
}

/* The place of the text among words with ` | ` between them; false if it is none of them. */
static bool find_word(const char *words, struct span text, size_t *ret_index, bool *ret_is_last)
{
    for (size_t index = 0; words; index++) {
        const char *bar = strstr(words, " | ");
        size_t len = bar ? (size_t)(bar - words) : strlen(words);
        if (span_equal(span_of(words, len), text)) {
            *ret_index = index;
            *ret_is_last = !bar;
            return true;
        }
        words = bar ? bar + strlen(" | ") : NULL;
    }
    return false;
}

/* ---- One function a type ---- */

static void read_text(const struct config_scalar *scalar)
{
    if (scalar->text.len == 0)
        refuse(scalar);
    else
        set_text(scalar, keep(scalar));
}

static void read_path(const struct config_scalar *scalar)
{
    if (scalar->text.len == 0)
        refuse(scalar);
    else
        set_text(scalar, config_resolve(scalar->config->file, &scalar->config->arena, keep(scalar)));
}

static void read_path_of_list(const struct config_scalar *scalar)
{
    if (scalar->text.len == 0)
        refuse(scalar);
    else
        config_strings_add(scalar->config, scalar->field,
                           config_resolve(scalar->config->file, &scalar->config->arena, keep(scalar)));
}

/* Seconds are stored as milliseconds; what would be a part of one is refused, like a part of a count. */
static void read_number(const struct config_scalar *scalar)
{
    const struct parameter *parameter = scalar->parameter;
    double number = 0, scale = parameter->type == PARAMETER_SECONDS ? 1000 : 1;
    bool is_number = parse_decimal(scalar->text, &number);
    double stored = nearbyint(number * scale);
    bool is_whole = fabs(stored - number * scale) < 1e-6;
    if (!is_number || !is_whole || number < parameter->minimum || number > parameter->maximum)
        refuse(scalar);
    else
        *(uint64_t *)scalar->field = stored < 0 ? UINT64_MAX : (uint64_t)stored; /* only -1 is allowed so */
}

static void read_boolean(const struct config_scalar *scalar)
{
    bool is_true = span_equal(scalar->text, SPAN_LITERAL("true"));
    if (!is_true && !span_equal(scalar->text, SPAN_LITERAL("false")))
        refuse(scalar);
    else
        *(bool *)scalar->field = is_true;
}

static void read_choice(const struct config_scalar *scalar)
{
    size_t index;
    bool is_last;
    if (!find_word(scalar->parameter->allowed, scalar->text, &index, &is_last))
        refuse(scalar);
    else if (scalar->parameter->type == PARAMETER_FLAG)
        *(bool *)scalar->field = is_last;
    else
        memcpy(scalar->field, &(unsigned){(unsigned)index}, sizeof(unsigned)); /* the size of these enums */
}

static bool parse_port(struct span text, uint16_t *ret_port)
{
    double port;
    if (!parse_decimal(text, &port) || port < 0 || port > UINT16_MAX || port != trunc(port))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Splits HOST:PORT, [IPv6]:PORT or PORT; *ret_host is empty for a port alone. */
static bool split_address(struct span text, struct span *ret_host, uint16_t *ret_port)
{
    const uint8_t *colon = text.len > 0 ? memrchr(text.data, ':', text.len) : NULL;
    size_t host_len = colon ? (size_t)(colon - text.data) : 0;
    struct span host = {text.data, host_len};
    if (colon && host_len == 0)
        return false;
    bool in_brackets = host_len > 2 && host.data[0] == '[' && host.data[host_len - 1] == ']';
    if (in_brackets)
        host = span_of(host.data + 1, host_len - 2);
    else if (host_len > 0 && (memchr(host.data, ':', host_len) || memchr(host.data, '[', host_len)))
        return false; /* an IPv6 address needs its brackets, or nobody knows where the port begins */
    *ret_host = host;
    return parse_port(span_skip(text, colon ? host_len + 1 : 0), ret_port);
}

static void read_listen(const struct config_scalar *scalar)
{
    struct config_listen *listen = scalar->field;
    struct span host;
    uint16_t port;
    if (!split_address(scalar->text, &host, &port)) {
        refuse(scalar);
        return;
    }
    if (host.len == 0)
        host = span_from_string(scalar->parameter->allowed);
    listen->host = arena_string(&scalar->config->arena, host);
    listen->port = port;
    listen->place = scalar->place;
}

static void read_anonymous(const struct config_scalar *scalar)
{
    if (span_equal(scalar->text, SPAN_LITERAL("mqtt")))
        scalar->config->mqtt.anonymous = true;
    else if (span_equal(scalar->text, SPAN_LITERAL("mqtts")))
        scalar->config->mqtts.anonymous = true;
    else if (span_equal(scalar->text, SPAN_LITERAL("https")))
        scalar->config->https.anonymous = true;
    else if (span_equal(scalar->text, SPAN_LITERAL("http")))
        scalar->config->http.anonymous = true;
    else
        refuse(scalar);
}

/* What a browser sends: a path, a slash at the end or a capital letter would never be equal to it. */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    size_t scheme_len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    if (!host || text + scheme_len != host || scheme_len == 0)
        return false;
    host += strlen("://");
    size_t host_len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.:[]");
    return host_len > 0 && host[host_len] == '\0';
}

static void read_origin(const struct config_scalar *scalar)
{
    char *text = keep(scalar);
    if (strcmp(text, "same") != 0 && strcmp(text, "none") != 0 && !is_origin(text))
        refuse(scalar);
    else
        config_strings_add(scalar->config, scalar->field, text);
}

static void read_who(const struct config_scalar *scalar)
{
    static const char *const prefixes[] = {"device:", "user:", "token:"};
    bool is_named = false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct span prefix = span_from_string(prefixes[i]);
        is_named |= span_starts_with(scalar->text, prefix) && scalar->text.len > prefix.len;
    }
    if (!is_named && !span_equal(scalar->text, SPAN_LITERAL("anonymous")))
        refuse(scalar);
    else
        set_text(scalar, keep(scalar));
}

static void read_filter(const struct config_scalar *scalar)
{
    if (!topic_filter_valid(scalar->text))
        refuse(scalar);
    else
        config_strings_add(scalar->config, scalar->field, keep(scalar));
}

static void read_client_id(const struct config_scalar *scalar)
{
    if (scalar->text.len == 0 || !utf8_valid(scalar->text))
        refuse(scalar);
    else
        config_strings_add(scalar->config, scalar->field, keep(scalar));
}

static void read_sql(const struct config_scalar *scalar)
{
    struct config_event *event =
        (struct config_event *)((char *)scalar->field - offsetof(struct config_event, sql));
    struct rule_error error;
    if (rule_parse(scalar->text, &event->rule, &error) != SLUICE_OK)
        config_error(scalar->problems, scalar->place, "SQL %u:%u: %s", error.line, error.column, error.text);
    else
        event->sql = keep(scalar);
}

static void read_rate(const struct config_scalar *scalar)
{
    struct config_event *event =
        (struct config_event *)((char *)scalar->field - offsetof(struct config_event, rates));
    struct schedule schedule;
    char fault[SCHEDULE_FAULT_BYTES];
    if (schedule_parse(scalar->text, &schedule, fault) != SLUICE_OK) {
        config_error(scalar->problems, scalar->place, "%s: %s", scalar->parameter->path, fault);
        return;
    }
    size_t count = event->rates.count;
    for (size_t i = 0; i < count; i++) {
        if (span_equal(span_from_string(event->rates.items[i]), scalar->text)) {
            config_error(scalar->problems, scalar->place, "%s has %s twice; allowed: once",
                         scalar->parameter->path, event->rates.items[i]);
            return;
        }
    }
    struct schedule *schedules = arena_take(&scalar->config->arena, (count + 1) * sizeof *schedules);
    if (count > 0)
        memcpy(schedules, event->schedules, count * sizeof *schedules);
    schedules[count] = schedule;
    event->schedules = schedules;
    config_strings_add(scalar->config, &event->rates, keep(scalar));
}

static void read_pattern(const struct config_scalar *scalar)
{
    char *pattern = keep(scalar);
    const char *fault = package_pattern_fault(pattern);
    if (fault)
        config_error(scalar->problems, scalar->place, "%s has '%.64s', of which %s", scalar->parameter->path,
                     pattern, fault);
    else
        config_strings_add(scalar->config, scalar->field, pattern);
}

static void read_reply(const struct config_scalar *scalar)
{
    const char *fault = reply_template_fault(scalar->text);
    if (fault)
        config_error(scalar->problems, scalar->place, "%s is no topic template; %s", scalar->parameter->path,
                     fault);
    else
        set_text(scalar, keep(scalar));
}

void config_scalar_read(const struct config_scalar *scalar)
{
    static void (*const readers[])(const struct config_scalar *) = {
        [PARAMETER_TEXT] = read_text,           [PARAMETER_PATH] = read_path,
        [PARAMETER_COUNT] = read_number,        [PARAMETER_SECONDS] = read_number,
        [PARAMETER_BOOLEAN] = read_boolean,     [PARAMETER_CHOICE] = read_choice,
        [PARAMETER_FLAG] = read_choice,         [PARAMETER_LISTEN] = read_listen,
        [PARAMETER_ANONYMOUS] = read_anonymous, [PARAMETER_WHO] = read_who,
        [PARAMETER_FILTERS] = read_filter,      [PARAMETER_SQL] = read_sql,
        [PARAMETER_REPLY] = read_reply,         [PARAMETER_RATES] = read_rate,
        [PARAMETER_ORIGINS] = read_origin,      [PARAMETER_CLIENT_IDS] = read_client_id,
        [PARAMETER_PATHS] = read_path_of_list,  [PARAMETER_PATTERNS] = read_pattern,
    };
    readers[scalar->parameter->type](scalar);
}

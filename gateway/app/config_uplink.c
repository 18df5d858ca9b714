#include "app/config_table.h"

#include "base/buffer.h"
#include "wire/topic.h"

#include <ctype.h>

enum {
    TIMEOUT_MS = 30 * 1000, /* a PUBACK from far away, behind a hundred others on a thin line */
    HOST_BYTES_MAX = 253,   /* what DNS allows */
    PROPERTY_BYTES = 65535, /* that the worker's context has room for in any case */
};

/* What follows the scheme, or NULL. */
static const char *host_of(const char *url, bool *ret_encrypted)
{
    *ret_encrypted = strncmp(url, "mqtts://", 8) == 0;
    if (*ret_encrypted)
        return url + 8;
    return strncmp(url, "mqtt://", 7) == 0 ? url + 7 : NULL;
}

static bool port_valid(const char *port)
{
    unsigned value = 0;
    for (size_t len = 0; port[len]; len++) {
        if (!isdigit((unsigned char)port[len]) || len == 5)
            return false;
        value = value * 10 + (unsigned)(port[len] - '0');
    }
    return value > 0 && value <= UINT16_MAX;
}

/* HOST, HOST:PORT, or an IPv6 address in brackets. */
static bool authority_valid(const char *host)
{
    bool bracketed = host[0] == '[';
    size_t len = bracketed
                     ? strspn(host + 1, "0123456789abcdefABCDEF:.") + 1
                     : strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    if (len < 1 + (size_t)bracketed || len > HOST_BYTES_MAX || (bracketed && host[len] != ']'))
        return false;
    const char *rest = host + len + bracketed;
    return *rest == '\0' || (*rest == ':' && port_valid(rest + 1));
}

static void settle_connection(const struct config_function *function, struct config_problems *problems)
{
    const struct config_uplink *uplink = &function->uplink;
    bool encrypted;
    const char *host = host_of(uplink->url, &encrypted);
    if (!host || !authority_valid(host))
        config_error(problems, function->place,
                     "functions.%s: uplink.url is '%s'; allowed: mqtt://HOST:PORT or mqtts://HOST:PORT",
                     function->name, uplink->url);
    if (!encrypted && (uplink->ca || uplink->certificate || uplink->key))
        config_error(problems, function->place,
                     "functions.%s: uplink.ca, certificate and key need a url of mqtts://", function->name);
    if (!uplink->certificate != !uplink->key)
        config_error(problems, function->place, "functions.%s: uplink.certificate and uplink.key go together",
                     function->name);
    if (uplink->password && !uplink->user)
        config_error(problems, function->place, "functions.%s: uplink.password needs uplink.user",
                     function->name);
    if (host && !encrypted && uplink->password)
        config_warning(problems, function->place,
                       "functions.%s: the password is readable on the way to %s; mqtts:// hides it",
                       function->name, uplink->url);
    if (uplink->keep_alive_ms % 1000 != 0)
        config_error(problems, function->place,
                     "functions.%s: uplink.keepAlive is no whole number of seconds", function->name);
}

static void settle_properties(const struct config *config, const struct config_function *function,
                              struct config_problems *problems)
{
    if (function->uplink.version_5 && config->limits.property_bytes > PROPERTY_BYTES)
        config_warning(
            problems, function->place,
            "functions.%s: gateway.limits.propertyBytes is %llu; of the properties of a message %d "
            "bytes are sure to go up, and one with too many becomes a dead letter",
            function->name, (unsigned long long)config->limits.property_bytes, PROPERTY_BYTES);
}

/* A message is forwarded as one, and has no result. */
static void settle_shape(const struct config_function *function, struct config_problems *problems)
{
    if (function->lambda || function->handler || function->endpoint || function->reply)
        config_error(problems, function->place,
                     "functions.%s: an uplink has no lambda, handler, endpoint or reply", function->name);
    for (size_t i = 0; i < function->event_count; i++) {
        if (function->events[i].batch_size > 0)
            config_error(problems, function->events[i].place,
                         "functions.%s: an uplink takes messages one by one; allowed: no batchSize",
                         function->name);
    }
}

/* Whether some topic matches both filters. */
static bool filters_overlap(struct span a, struct span b)
{
    bool a_done = false, b_done = false;
    for (;;) {
        struct span a_level = SPAN_EMPTY, b_level = SPAN_EMPTY;
        bool a_more = topic_next_level(&a, &a_done, &a_level);
        bool b_more = topic_next_level(&b, &b_done, &b_level);
        bool a_rest = a_more && span_equal(a_level, SPAN_LITERAL("#"));
        bool b_rest = b_more && span_equal(b_level, SPAN_LITERAL("#"));
        if (a_rest || b_rest || (!a_more && !b_more))
            return true;
        bool wild = span_equal(a_level, SPAN_LITERAL("+")) || span_equal(b_level, SPAN_LITERAL("+"));
        if (a_more != b_more || (!wild && !span_equal(a_level, b_level)))
            return false;
    }
}

/* Whether what matches `from` may become, by the template, what matches `filter`. A placeholder is taken for
 * any text of its level; ${topic} for the topics of `from`, and for all that may follow where other text
 * stands beside it. */
static bool may_reach(const char *up_template, struct span from, struct span filter)
{
    struct buffer up = {0};
    bool done = false, open = false;
    struct span rest = span_from_string(up_template), level;
    while (!open && topic_next_level(&rest, &done, &level)) {
        bool filled = memchr(level.data, '$', level.len) || memchr(level.data, '%', level.len);
        bool is_topic = span_equal(level, SPAN_LITERAL("${topic}"));
        open = filled && !is_topic && strstr(up_template, "${topic}");
        if (buffer_len(&up) > 0)
            buffer_append(&up, SPAN_LITERAL("/"));
        buffer_append(&up, is_topic ? from : open ? SPAN_LITERAL("#") : filled ? SPAN_LITERAL("+") : level);
    }
    bool overlap = filters_overlap(buffer_span(&up), filter);
    buffer_fini(&up);
    return overlap;
}

static void settle_down(const struct config_function *function, struct config_problems *problems)
{
    const struct config_uplink *uplink = &function->uplink;
    for (size_t i = 0; i < uplink->down_count; i++) {
        const struct config_down *down = &uplink->down[i];
        if (!down->filter)
            continue;
        if (!topic_filter_valid(span_from_string(down->filter)) || down->filter[0] == '$')
            config_error(
                problems, down->place,
                "functions.%s: uplink.down has the filter '%s'; allowed: a Topic Filter that does not "
                "begin with `$`",
                function->name, down->filter);
        for (size_t j = 0; !uplink->version_5 && uplink->topic && j < function->event_count; j++) {
            const struct rule *rule = function->events[j].rule;
            if (rule && may_reach(uplink->topic, rule_filter(rule), span_from_string(down->filter)))
                config_error(
                    problems, down->place,
                    "functions.%s: what goes up as %s would come down again by the filter %s, and MQTT "
                    "3.1.1 cannot tell; allowed: filters apart from it, or version 5",
                    function->name, uplink->topic, down->filter);
        }
    }
}

void config_settle_uplink(const struct config *config, struct config_function *function,
                          struct config_problems *problems)
{
    settle_connection(function, problems);
    settle_properties(config, function, problems);
    settle_shape(function, problems);
    settle_down(function, problems);
    function->runtime = NULL;
    function->reserved_concurrency = function->uplink.inflight_count;
    function->provisioned_concurrency = 0; /* its one worker is always there */
    if (function->timeout_ms == 0)
        function->timeout_ms = TIMEOUT_MS;
    for (size_t i = 0; i < function->event_count; i++) {
        if (function->events[i].rule)
            rule_take_bytes(function->events[i].rule);
    }
}

#include "broker/access.h"

#include "base/memory.h"
#include "wire/topic.h"

#include <assert.h>

#define DEVICE_PREFIX SPAN_LITERAL("device:")

struct rule {
    struct rule *next;
    enum access_action action;
    char *who;
    char *filter;
};

struct access {
    struct rule *rules;
    struct rule **end;
};

struct grant {
    struct grant *next;
    enum access_action action;
    struct span filter;
    uint8_t bytes[];
};

struct grants {
    bool everything;
    struct grant *list;
};

bool identity_same(const struct identity *a, const struct identity *b)
{
    if (a->kind != b->kind || strcmp(a->name, b->name) != 0)
        return false;
    return a->kind != IDENTITY_CERTIFICATE || a->name[0] || strcmp(a->fingerprint, b->fingerprint) == 0;
}

struct access *access_new(void)
{
    struct access *access = memory_new(sizeof *access);
    access->end = &access->rules;
    return access;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    struct rule *next;
    for (struct rule *rule = access->rules; rule; rule = next) {
        next = rule->next;
        memory_free(rule->who);
        memory_free(rule->filter);
        memory_free(rule);
    }
    memory_free(access);
}

bool access_who_valid(const char *who)
{
    struct span text = span_from_string(who);
    if (span_equal(text, SPAN_LITERAL("anonymous")))
        return true;
    return span_starts_with(text, DEVICE_PREFIX) && text.len > DEVICE_PREFIX.len && utf8_valid(text);
}

enum sluice_error access_allow(struct access *access, const char *who, enum access_action action,
                               const char *filter)
{
    if (!access_who_valid(who) || !topic_filter_valid(span_from_string(filter)))
        return SLUICE_INVALID;
    struct rule *rule = memory_new(sizeof *rule);
    rule->action = action;
    rule->who = memory_string(span_from_string(who));
    rule->filter = memory_string(span_from_string(filter));
    *access->end = rule;
    access->end = &rule->next;
    return SLUICE_OK;
}

/* `*` stands for any run of characters. On a mismatch only the last `*` has to give, so this is linear in
 * practice and bounded by the product of the lengths. */
static bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *star_text = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            star_text = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool rule_is_for(const struct rule *rule, const struct identity *identity)
{
    if (identity->kind == IDENTITY_ANONYMOUS)
        return strcmp(rule->who, "anonymous") == 0;
    return span_starts_with(span_from_string(rule->who), DEVICE_PREFIX) && identity->name[0] &&
           glob_matches(rule->who + DEVICE_PREFIX.len, identity->name);
}

/* What `%` and this letter stand for; empty where they give nothing. Any other letter is no substitution. */
static bool substitution(char letter, const struct identity *identity, struct span client_id,
                         struct span *ret_value)
{
    struct span name = span_from_string(identity->name);
    if (letter == 'u')
        *ret_value = name;
    else if (letter == 'c')
        *ret_value =
            identity->kind == IDENTITY_CERTIFICATE && !span_equal(name, client_id) ? SPAN_EMPTY : client_id;
    else
        return false;
    for (size_t i = 0; i < ret_value->len; i++) {
        if (strchr("+#/", ret_value->data[i]))
            *ret_value = SPAN_EMPTY;
    }
    return true;
}

/* Writes the rule's filter with its substitutions. False: one of them gives nothing, or it is too long. */
static bool substitute(const char *filter, const struct identity *identity, struct span client_id,
                       struct writer *out)
{
    for (const char *at = filter; *at; at++) {
        struct span value;
        if (*at != '%' || !substitution(at[1], identity, client_id, &value)) {
            write_u8(out, (uint8_t)*at);
            continue;
        }
        if (value.len == 0)
            return false;
        write_bytes(out, value);
        at++;
    }
    return !out->failed;
}

struct grants *grants_new(const struct access *access, const struct identity *identity, struct span client_id)
{
    struct grants *grants = memory_new(sizeof *grants);
    grants->everything = identity->kind == IDENTITY_INTERNAL;
    struct grant **end = &grants->list;
    for (const struct rule *rule = access ? access->rules : NULL; rule; rule = rule->next) {
        uint8_t bytes[1024];
        struct writer out = writer_of(bytes, sizeof bytes);
        if (!rule_is_for(rule, identity) || !substitute(rule->filter, identity, client_id, &out))
            continue;
        struct span filter = writer_span(&out);
        assert(filter.data); /* substitute gives nothing empty */
        struct grant *grant = memory_new(sizeof *grant + filter.len);
        memcpy(grant->bytes, filter.data, filter.len);
        grant->filter = span_of(grant->bytes, filter.len);
        grant->action = rule->action;
        *end = grant;
        end = &grant->next;
    }
    return grants;
}

void grants_free(struct grants *grants)
{
    if (!grants)
        return;
    struct grant *next;
    for (struct grant *grant = grants->list; grant; grant = next) {
        next = grant->next;
        memory_free(grant);
    }
    memory_free(grants);
}

bool grants_topic(const struct grants *grants, enum access_action action, struct span topic)
{
    for (const struct grant *grant = grants->list; grant; grant = grant->next) {
        if (grant->action == action && topic_matches(grant->filter, topic))
            return true;
    }
    return grants->everything;
}

bool grants_filter(const struct grants *grants, enum access_action action, struct span filter)
{
    for (const struct grant *grant = grants->list; grant; grant = grant->next) {
        if (grant->action == action && topic_filter_covers(grant->filter, filter))
            return true;
    }
    return grants->everything;
}

#include "broker/access.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "wire/topic.h"

struct rule {
    struct rule *next;
    enum access_action action; /* or CLIENT_ID */
    char *who;
    char *filter; /* of CLIENT_ID: a pattern */
};

enum { SUBSTITUTED_BYTES = 1024 }; /* longest filter or pattern with its substitutions */

/* The third thing that a rule may allow; it makes no grants. */
#define CLIENT_ID ((enum access_action)(ACCESS_SUBSCRIBE + 1))

struct access {
    struct rule *rules;
    struct rule **end;
};

/* In one piece, because each session has its own. */
struct grants {
    bool everything;
    uint32_t list_bytes;
    uint8_t list[]; /* of each: action, length of the filter in two bytes, filter */
};

bool identity_name_valid(struct span name)
{
    if (name.len == 0 || name.len >= IDENTITY_NAME_BYTES || !utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f)
            return false;
    }
    return true;
}

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

/* What the `who` of an identity with a name begins with. */
static struct span prefix_of(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_CERTIFICATE: return SPAN_LITERAL("device:");
    case IDENTITY_USER: return SPAN_LITERAL("user:");
    case IDENTITY_TOKEN: return SPAN_LITERAL("token:");
    default: return SPAN_EMPTY;
    }
}

bool access_who_valid(const char *who)
{
    static const enum identity_kind named[] = {IDENTITY_CERTIFICATE, IDENTITY_USER, IDENTITY_TOKEN};
    struct span text = span_from_string(who);
    if (span_equal(text, SPAN_LITERAL("anonymous")))
        return true;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        struct span prefix = prefix_of(named[i]);
        if (span_starts_with(text, prefix) && text.len > prefix.len)
            return utf8_valid(text);
    }
    return false;
}

static void add_rule(struct access *access, const char *who, enum access_action action, const char *filter)
{
    struct rule *rule = memory_new(sizeof *rule);
    rule->action = action;
    rule->who = memory_string(span_from_string(who));
    rule->filter = memory_string(span_from_string(filter));
    *access->end = rule;
    access->end = &rule->next;
}

enum sluice_error access_allow(struct access *access, const char *who, enum access_action action,
                               const char *filter)
{
    if (!access_who_valid(who) || !topic_filter_valid(span_from_string(filter)))
        return SLUICE_INVALID;
    add_rule(access, who, action, filter);
    return SLUICE_OK;
}

enum sluice_error access_allow_client_id(struct access *access, const char *who, const char *pattern)
{
    if (!access_who_valid(who) || !pattern[0] || !utf8_valid(span_from_string(pattern)))
        return SLUICE_INVALID;
    add_rule(access, who, CLIENT_ID, pattern);
    return SLUICE_OK;
}

/* ---- Matching ---- */

/* On a mismatch only the last `*` has to give, so this is linear in
 * practice and bounded by the product of the lengths. */
bool access_pattern_matches(struct span pattern, struct span text)
{
    size_t at = 0, text_at = 0, star = SIZE_MAX, star_text = 0;
    while (text_at < text.len) {
        if (at < pattern.len && pattern.data[at] == '*') {
            star = at++;
            star_text = text_at;
        } else if (at < pattern.len && pattern.data[at] == text.data[text_at]) {
            at++;
            text_at++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            text_at = ++star_text;
        } else {
            return false;
        }
    }
    while (at < pattern.len && pattern.data[at] == '*')
        at++;
    return at == pattern.len;
}

bool access_who_is(const char *who, const struct identity *identity)
{
    if (identity->kind == IDENTITY_ANONYMOUS)
        return strcmp(who, "anonymous") == 0;
    struct span prefix = prefix_of(identity->kind), pattern = span_from_string(who);
    return prefix.len > 0 && span_starts_with(pattern, prefix) && identity->name[0] &&
           access_pattern_matches(span_skip(pattern, prefix.len), span_from_string(identity->name));
}

/* What `%` and this letter stand for; empty where they give nothing. Any other letter is no substitution. */
static bool substitution(char letter, const struct identity *identity, struct span client_id,
                         struct span *ret_value)
{
    if (letter == 'u')
        *ret_value = span_from_string(identity->name);
    else if (letter == 'c')
        *ret_value = client_id;
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

bool access_client_id(const struct access *access, const struct identity *identity, struct span client_id)
{
    bool is_certificate = identity->kind == IDENTITY_CERTIFICATE, is_bound = is_certificate;
    if (is_certificate && span_equal(span_from_string(identity->name), client_id))
        return true;
    for (const struct rule *rule = access ? access->rules : NULL; rule; rule = rule->next) {
        uint8_t bytes[SUBSTITUTED_BYTES];
        struct writer out = writer_of(bytes, sizeof bytes);
        if (rule->action != CLIENT_ID || !access_who_is(rule->who, identity))
            continue;
        is_bound = true;
        if (strchr(identity->name, '*')) /* in a pattern it would be a wildcard */
            continue;
        if (substitute(rule->filter, identity, SPAN_EMPTY, &out) &&
            access_pattern_matches(writer_span(&out), client_id))
            return true;
    }
    return !is_bound;
}

static void add_grant(struct buffer *list, enum access_action action, struct span filter)
{
    const uint8_t head[] = {(uint8_t)action, (uint8_t)(filter.len >> 8), (uint8_t)filter.len};
    buffer_append(list, span_of(head, sizeof head));
    buffer_append(list, filter);
}

static struct grants *pack_grants(struct span list, bool everything)
{
    struct grants *grants = memory_new(sizeof *grants + list.len);
    grants->everything = everything;
    grants->list_bytes = (uint32_t)list.len;
    if (list.data)
        memcpy(grants->list, list.data, list.len);
    return grants;
}

struct grants *grants_new(const struct access *access, const struct identity *identity, struct span client_id)
{
    struct buffer list = {0};
    if (!access_client_id(access, identity, client_id))
        client_id = SPAN_EMPTY; /* it opens nothing */
    for (const struct rule *rule = access ? access->rules : NULL; rule; rule = rule->next) {
        uint8_t bytes[SUBSTITUTED_BYTES];
        struct writer out = writer_of(bytes, sizeof bytes);
        if (rule->action == CLIENT_ID || !access_who_is(rule->who, identity) ||
            !substitute(rule->filter, identity, client_id, &out))
            continue;
        struct span filter = writer_span(&out);
        bool is_sys = filter.len > 0 && filter.data[0] == '$';
        if (is_sys && rule->filter[0] != '$')
            continue; /* whoever calls itself $SYS does not see the gateway's own topics by that */
        add_grant(&list, rule->action, filter);
    }
    struct grants *grants = pack_grants(buffer_span(&list), identity->kind == IDENTITY_INTERNAL);
    buffer_fini(&list);
    return grants;
}

void grants_free(struct grants *grants)
{
    memory_free(grants);
}

static bool any_grant(const struct grants *grants, enum access_action action, struct span topic,
                      bool (*covers)(struct span filter, struct span topic))
{
    struct reader list = reader_of(span_of(grants->list, grants->list_bytes));
    while (reader_left(&list) > 0) {
        bool is_for = read_u8(&list) == action;
        struct span filter = read_u16_bytes(&list);
        if (is_for && covers(filter, topic))
            return true;
    }
    return grants->everything;
}

bool grants_topic(const struct grants *grants, enum access_action action, struct span topic)
{
    return any_grant(grants, action, topic, topic_matches);
}

bool grants_filter(const struct grants *grants, enum access_action action, struct span filter)
{
    return any_grant(grants, action, filter, topic_filter_covers);
}

#include "base/memory.h"
#include "route/parser.h"
#include "wire/topic.h"

/* The name after AS; without AS the last one of a path. */
static bool parse_item_name(struct parser *parser, const struct expression *expression, struct span *ret_name)
{
    if (!parser_accept(parser, "AS")) {
        if (expression->kind == EXPRESSION_PATH) {
            *ret_name = expression->names[expression->name_count - 1];
            return true;
        }
        parser_fail_expected(parser, "AS and a name: only a path is selected without one");
        return false;
    }
    struct token name = parser->token;
    if (name.kind != TOKEN_STRING && (name.kind != TOKEN_NAME || parser_is_keyword(&name))) {
        parser_fail_expected(parser, "a name after AS");
        return false;
    }
    parser_advance(parser);
    *ret_name = name.kind == TOKEN_STRING ? parser_string_text(parser, &name) : name.text;
    return true;
}

static bool parse_item(struct parser *parser)
{
    struct rule *rule = parser->rule;
    size_t offset = parser->token.offset;
    if (parser_accept(parser, "*")) {
        if (rule->selects_all)
            parser_fail_at(parser, offset, "`*` is selected twice; once is allowed");
        rule->selects_all = rule->needs_json = true;
        return !parser->failed;
    }
    if (rule->item_count == RULE_ITEMS_MAX) {
        parser_fail_at(parser, offset, "too many items; at most %d", RULE_ITEMS_MAX);
        return false;
    }
    struct rule_item item;
    item.expression = parse_expression(parser);
    if (!item.expression || !parse_item_name(parser, item.expression, &item.name))
        return false;
    for (size_t i = 0; i < rule->item_count; i++)
        if (span_equal(rule->items[i].name, item.name))
            parser_fail_at(parser, offset,
                           "the name %.*s is selected twice; give one of them another with AS",
                           (int)(item.name.len < 64 ? item.name.len : 64), item.name.data);
    rule->items[rule->item_count++] = item;
    return !parser->failed;
}

static bool parse_select(struct parser *parser)
{
    if (!parser_expect(parser, "SELECT", "SELECT"))
        return false;
    do {
        if (!parse_item(parser))
            return false;
    } while (parser_accept(parser, ","));
    return true;
}

/* Up to the first wildcard, and without the slash before `#`: `a/#` matches `a` too. */
static struct span literal_prefix(struct span filter)
{
    size_t len = 0;
    while (len < filter.len && filter.data[len] != '+' && filter.data[len] != '#')
        len++;
    bool before_hash = len < filter.len && filter.data[len] == '#' && len > 0;
    return span_of(filter.data, before_hash ? len - 1 : len);
}

static bool parse_from(struct parser *parser)
{
    if (!parser_expect(parser, "FROM", "`,` or FROM"))
        return false;
    struct token token = parser->token;
    if (token.kind != TOKEN_STRING) {
        parser_fail_expected(parser, "a Topic Filter in quotes, as in FROM 'farm/+/telemetry'");
        return false;
    }
    struct span filter = parser_string_text(parser, &token), share, inner;
    if (!topic_filter_valid(filter)) {
        parser_fail_at(parser, token.offset,
                       "'%.*s' is no Topic Filter; `+` is a whole level, `#` the whole last one",
                       (int)(filter.len < 128 ? filter.len : 128), filter.data);
        return false;
    }
    if (topic_filter_share(filter, &share, &inner)) {
        parser_fail_at(parser, token.offset,
                       "a rule has no Shared Subscription; write the filter without $share/NAME/");
        return false;
    }
    parser_advance(parser);
    parser->rule->filter = filter;
    parser->rule->filter_prefix = literal_prefix(filter);
    return true;
}

static bool parse_where(struct parser *parser)
{
    if (parser_accept(parser, "WHERE")) {
        parser->rule->where = parse_expression(parser);
        if (!parser->rule->where)
            return false;
    }
    if (parser->token.kind == TOKEN_END)
        return true;
    parser_fail_expected(parser, parser->rule->where ? "an operator or the end" : "WHERE or the end");
    return false;
}

enum sluice_error rule_parse(struct span sql, struct rule **ret_rule, struct rule_error *ret_error)
{
    struct rule_error error;
    struct rule_item items[RULE_ITEMS_MAX];
    struct rule *rule = memory_new(sizeof *rule);
    struct parser parser = {.scanner = {sql, 0}, .rule = rule, .error = &error};
    if (sql.len > RULE_SQL_BYTES_MAX || !utf8_valid(sql)) {
        parser.scanner.text = SPAN_EMPTY;
        parser_fail_at(&parser, 0, "the SQL is not UTF-8 text of at most %d bytes", RULE_SQL_BYTES_MAX);
    } else {
        parser.scanner.text = arena_copy(&rule->arena, sql);
        rule->items = items;
        parser_advance(&parser);
    }
    if (!parser.failed && parse_select(&parser) && parse_from(&parser) && parse_where(&parser)) {
        size_t items_bytes = rule->item_count * sizeof *items;
        rule->items = memcpy(arena_take(&rule->arena, items_bytes), items, items_bytes);
        *ret_rule = rule;
        return SLUICE_OK;
    }
    *ret_error = error;
    rule_free(rule);
    return SLUICE_INVALID;
}

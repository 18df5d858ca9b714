#include "base/memory.h"
#include "route/expression.h"
#include "route/token.h"
#include "wire/topic.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/*
 * Recursive descent over the tokens of token.h, with the operators' levels from
 * function.c's table. The first error stops it: fail() records where and why,
 * and every function from there on gives NULL or false to its caller.
 *
 * `depth` counts the parentheses, calls and prefix operators that are open, and
 * bounds the recursion here; an expression's own depth, which a chain of
 * operators deepens without nesting, bounds the recursion of evaluate().
 */
struct parser {
    struct scanner scanner;
    struct token token; /* the next one */
    struct rule *rule;
    struct rule_error *error;
    bool failed;
    size_t depth;
};

static void fail_at(struct parser *parser, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail_at(struct parser *parser, size_t offset, const char *format, ...)
{
    if (parser->failed)
        return;
    parser->failed = true;
    parser->error->line = parser->error->column = 1;
    for (size_t i = 0; i < offset; i++) {
        uint8_t byte = parser->scanner.text.data[i];
        if (byte == '\n') {
            parser->error->line++;
            parser->error->column = 1;
        } else if ((byte & 0xC0) != 0x80) { /* columns count characters */
            parser->error->column++;
        }
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->error->text, sizeof parser->error->text, format, arguments);
    va_end(arguments);
}

/* What the next token is, for an error. */
static const char *describe(const struct parser *parser, char text[static 48])
{
    int len = parser->token.text.len < 24 ? (int)parser->token.text.len : 24;
    switch (parser->token.kind) {
    case TOKEN_END: return "the end";
    case TOKEN_OPEN_STRING: return "a text without its closing quote";
    case TOKEN_OTHER: snprintf(text, 48, "the character `%.*s`", len, parser->token.text.data); break;
    case TOKEN_STRING: snprintf(text, 48, "the text '%.*s'", len, parser->token.text.data); break;
    default: snprintf(text, 48, "`%.*s`", len, parser->token.text.data); break;
    }
    if (parser->token.kind == TOKEN_OTHER &&
        (parser->token.text.data[0] < 0x20 || parser->token.text.data[0] > 0x7e))
        return "a character that is not part of SQL";
    return text;
}

static void fail_expected(struct parser *parser, const char *expected)
{
    char found[48];
    fail_at(parser, parser->token.offset, "expected %s, found %s", expected, describe(parser, found));
}

static void advance(struct parser *parser)
{
    parser->token = scanner_next(&parser->scanner);
}

static bool accept(struct parser *parser, const char *text)
{
    if (!token_is(&parser->token, text))
        return false;
    advance(parser);
    return true;
}

static bool expect(struct parser *parser, const char *text, const char *expected)
{
    if (accept(parser, text))
        return true;
    fail_expected(parser, expected);
    return false;
}

static bool is_keyword(const struct token *token)
{
    static const char *const keywords[] = {"SELECT", "FROM", "WHERE", "AS",  "AND", "OR",   "NOT",   "CASE",
                                           "WHEN",   "THEN", "ELSE",  "END", "IN",  "TRUE", "FALSE", "NULL"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (token_is(token, keywords[i]))
            return true;
    return false;
}

/* A string token's characters: a doubled quote is one. */
static struct span string_text(struct parser *parser, const struct token *token)
{
    uint8_t *text = arena_take(&parser->rule->arena, token->text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < token->text.len; i++) {
        text[len++] = token->text.data[i];
        if (token->text.data[i] == (uint8_t)token->quote)
            i++;
    }
    return span_of(text, len);
}

/* ---- Expressions ---- */

static const struct expression *parse_operators(struct parser *parser, uint8_t level);

static const struct expression *parse_expression(struct parser *parser)
{
    return parse_operators(parser, 0);
}

static const struct expression *literal(struct parser *parser, struct value value)
{
    struct expression *expression = arena_new(&parser->rule->arena, sizeof *expression);
    expression->kind = EXPRESSION_LITERAL;
    expression->literal = value;
    return expression;
}

static const struct expression *application(struct parser *parser, const struct function *function,
                                            const struct expression *const *arguments, size_t count)
{
    struct expression *expression = arena_new(&parser->rule->arena, sizeof *expression);
    const struct expression **kept = arena_new(&parser->rule->arena, count * sizeof *kept);
    for (size_t i = 0; i < count; i++) {
        kept[i] = arguments[i];
        if (expression->depth < arguments[i]->depth)
            expression->depth = arguments[i]->depth;
    }
    expression->depth++;
    if (expression->depth > RULE_DEPTH_MAX) {
        fail_at(parser, parser->token.offset,
                "the expression is too deep; at most %d operators or calls within each other",
                RULE_DEPTH_MAX);
        return NULL;
    }
    expression->kind = EXPRESSION_APPLY;
    expression->function = function;
    expression->arguments = kept;
    expression->argument_count = count;
    return expression;
}

static const struct expression *parse_star(struct parser *parser, const struct function *function)
{
    struct expression *expression = arena_new(&parser->rule->arena, sizeof *expression);
    expression->kind = function->takes_bytes ? EXPRESSION_BYTES : EXPRESSION_PAYLOAD;
    parser->rule->needs_json |= !function->takes_bytes;
    advance(parser);
    return expression;
}

static void check_argument_count(struct parser *parser, const struct function *function, size_t offset,
                                 size_t count)
{
    if (count >= function->arguments_min && count <= function->arguments_max)
        return;
    if (function->arguments_min == function->arguments_max)
        fail_at(parser, offset, "%s() has %zu arguments; it takes %d", function->name, count,
                function->arguments_min);
    else
        fail_at(parser, offset, "%s() has %zu arguments; it takes %d to %d", function->name, count,
                function->arguments_min, function->arguments_max);
}

/* After the opening parenthesis, through the closing one. */
static const struct expression *parse_call(struct parser *parser, const struct function *function,
                                           size_t offset)
{
    const struct expression *arguments[FUNCTION_ARGUMENTS_MAX];
    size_t count = 0;
    while (!token_is(&parser->token, ")")) {
        if (count > 0 && !expect(parser, ",", "`,` or `)` after an argument"))
            return NULL;
        if (count == FUNCTION_ARGUMENTS_MAX) {
            fail_at(parser, parser->token.offset, "too many arguments; at most %d", FUNCTION_ARGUMENTS_MAX);
            return NULL;
        }
        bool is_star = count == 0 && function->takes_payload && token_is(&parser->token, "*");
        arguments[count] = is_star ? parse_star(parser, function) : parse_expression(parser);
        if (!arguments[count++])
            return NULL;
    }
    advance(parser);
    check_argument_count(parser, function, offset, count);
    return parser->failed ? NULL : application(parser, function, arguments, count);
}

static const struct expression *parse_path(struct parser *parser, struct token first)
{
    struct span names[RULE_DEPTH_MAX];
    size_t count = 0;
    names[count++] = first.text;
    while (accept(parser, ".")) {
        if (parser->token.kind != TOKEN_NAME) {
            fail_expected(parser, "a name after `.`");
            return NULL;
        }
        if (count == RULE_DEPTH_MAX) {
            fail_at(parser, parser->token.offset, "the path is too long; at most %d names", RULE_DEPTH_MAX);
            return NULL;
        }
        names[count++] = parser->token.text;
        advance(parser);
    }
    struct expression *expression = arena_new(&parser->rule->arena, sizeof *expression);
    struct span *kept = arena_take(&parser->rule->arena, count * sizeof *kept);
    memcpy(kept, names, count * sizeof *kept);
    *expression = (struct expression){.kind = EXPRESSION_PATH, .names = kept, .name_count = count};
    parser->rule->needs_json = true;
    return expression;
}

static const struct expression *parse_case(struct parser *parser)
{
    const struct expression *arguments[FUNCTION_ARGUMENTS_MAX];
    size_t count = 0;
    if (token_is(&parser->token, "WHEN")) {
        fail_expected(parser, "the value that WHEN compares with, as in CASE value WHEN 1 THEN 'one' END");
        return NULL;
    }
    if (!(arguments[count++] = parse_expression(parser)))
        return NULL;
    while (accept(parser, "WHEN")) {
        if (count + 3 > FUNCTION_ARGUMENTS_MAX) {
            fail_at(parser, parser->token.offset, "too many WHEN; at most %d",
                    FUNCTION_ARGUMENTS_MAX / 2 - 1);
            return NULL;
        }
        if (!(arguments[count++] = parse_expression(parser)) || !expect(parser, "THEN", "THEN") ||
            !(arguments[count++] = parse_expression(parser)))
            return NULL;
    }
    if (count < 3) {
        fail_expected(parser, "WHEN");
        return NULL;
    }
    if (accept(parser, "ELSE") && !(arguments[count++] = parse_expression(parser)))
        return NULL;
    if (!expect(parser, "END", "WHEN, ELSE or END"))
        return NULL;
    return application(parser, function_find(FUNCTION_CASE, SPAN_LITERAL("CASE")), arguments, count);
}

static const struct expression *parse_named(struct parser *parser)
{
    struct token name = parser->token;
    advance(parser);
    if (token_is(&name, "TRUE") || token_is(&name, "FALSE"))
        return literal(parser, value_boolean(token_is(&name, "TRUE")));
    if (token_is(&name, "NULL"))
        return literal(parser, (struct value){.kind = VALUE_NULL});
    if (token_is(&name, "CASE"))
        return parse_case(parser);
    if (!accept(parser, "("))
        return parse_path(parser, name);
    const struct function *function = function_find(FUNCTION_NAMED, name.text);
    if (function)
        return parse_call(parser, function, name.offset);
    char names[RULE_ERROR_BYTES - 80];
    function_names(names, sizeof names);
    int len = name.text.len < 32 ? (int)name.text.len : 32;
    fail_at(parser, name.offset, "there is no function %.*s(); allowed: %s", len, name.text.data, names);
    return NULL;
}

static const struct expression *parse_operand(struct parser *parser)
{
    struct token token = parser->token;
    struct value number;
    const struct function *prefix = function_find(FUNCTION_UNARY, token.text);
    if (token.kind == TOKEN_STRING) {
        advance(parser);
        return literal(parser, value_string(string_text(parser, &token)));
    }
    if (token.kind == TOKEN_NUMBER && value_parse_number(token.text, &number)) {
        if (!isfinite(number.number)) {
            fail_at(parser, token.offset, "this number is too large; allowed: up to 1.79e308");
            return NULL;
        }
        advance(parser);
        return literal(parser, number);
    }
    if (prefix && (token.kind == TOKEN_NAME || token.kind == TOKEN_SYMBOL)) {
        advance(parser);
        const struct expression *operand = parse_operators(parser, prefix->level);
        return operand ? application(parser, prefix, &operand, 1) : NULL;
    }
    bool starts_value = token_is(&token, "TRUE") || token_is(&token, "FALSE") || token_is(&token, "NULL") ||
                        token_is(&token, "CASE");
    if (token.kind == TOKEN_NAME && (starts_value || !is_keyword(&token)))
        return parse_named(parser);
    if (accept(parser, "(")) {
        const struct expression *inner = parse_expression(parser);
        return inner && expect(parser, ")", "an operator or `)`") ? inner : NULL;
    }
    fail_expected(parser, "a value: a path, 'text', a number, true, false, null, CASE, a function or `(`");
    return NULL;
}

static const struct function *next_operator(const struct parser *parser)
{
    if (parser->token.kind != TOKEN_NAME && parser->token.kind != TOKEN_SYMBOL)
        return NULL;
    return function_find(FUNCTION_BINARY, parser->token.text);
}

/* An operand and all operators behind it that bind at least as closely as `level`. */
static const struct expression *parse_operators(struct parser *parser, uint8_t level)
{
    if (parser->depth == RULE_DEPTH_MAX) {
        fail_at(parser, parser->token.offset, "nested too deep; at most %d levels", RULE_DEPTH_MAX);
        return NULL;
    }
    parser->depth++;
    const struct expression *left = parse_operand(parser);
    const struct function *binary;
    while (left && (binary = next_operator(parser)) && binary->level >= level) {
        advance(parser);
        const struct expression *right = parse_operators(parser, (uint8_t)(binary->level + 1));
        left = right ? application(parser, binary, (const struct expression *[]){left, right}, 2) : NULL;
    }
    parser->depth--;
    return left;
}

/* ---- Clauses ---- */

/* The name after AS; without AS the last one of a path. */
static bool parse_item_name(struct parser *parser, const struct expression *expression, struct span *ret_name)
{
    if (!accept(parser, "AS")) {
        if (expression->kind == EXPRESSION_PATH) {
            *ret_name = expression->names[expression->name_count - 1];
            return true;
        }
        fail_expected(parser, "AS and a name: only a path is selected without one");
        return false;
    }
    struct token name = parser->token;
    if (name.kind != TOKEN_STRING && (name.kind != TOKEN_NAME || is_keyword(&name))) {
        fail_expected(parser, "a name after AS");
        return false;
    }
    advance(parser);
    *ret_name = name.kind == TOKEN_STRING ? string_text(parser, &name) : name.text;
    return true;
}

static bool parse_item(struct parser *parser)
{
    struct rule *rule = parser->rule;
    size_t offset = parser->token.offset;
    if (accept(parser, "*")) {
        if (rule->selects_all)
            fail_at(parser, offset, "`*` is selected twice; once is allowed");
        rule->selects_all = rule->needs_json = true;
        return !parser->failed;
    }
    if (rule->item_count == RULE_ITEMS_MAX) {
        fail_at(parser, offset, "too many items; at most %d", RULE_ITEMS_MAX);
        return false;
    }
    struct rule_item item;
    item.expression = parse_expression(parser);
    if (!item.expression || !parse_item_name(parser, item.expression, &item.name))
        return false;
    for (size_t i = 0; i < rule->item_count; i++)
        if (span_equal(rule->items[i].name, item.name))
            fail_at(parser, offset, "the name %.*s is selected twice; give one of them another with AS",
                    (int)(item.name.len < 64 ? item.name.len : 64), item.name.data);
    rule->items[rule->item_count++] = item;
    return !parser->failed;
}

static bool parse_select(struct parser *parser)
{
    if (!expect(parser, "SELECT", "SELECT"))
        return false;
    do {
        if (!parse_item(parser))
            return false;
    } while (accept(parser, ","));
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
    if (!expect(parser, "FROM", "`,` or FROM"))
        return false;
    struct token token = parser->token;
    if (token.kind != TOKEN_STRING) {
        fail_expected(parser, "a Topic Filter in quotes, as in FROM 'farm/+/telemetry'");
        return false;
    }
    struct span filter = string_text(parser, &token), share, inner;
    if (!topic_filter_valid(filter)) {
        fail_at(parser, token.offset,
                "'%.*s' is no Topic Filter; `+` is a whole level, `#` the whole last one",
                (int)(filter.len < 128 ? filter.len : 128), filter.data);
        return false;
    }
    if (topic_filter_share(filter, &share, &inner)) {
        fail_at(parser, token.offset,
                "a rule has no Shared Subscription; write the filter without $share/NAME/");
        return false;
    }
    advance(parser);
    parser->rule->filter = filter;
    parser->rule->filter_prefix = literal_prefix(filter);
    return true;
}

static bool parse_where(struct parser *parser)
{
    if (accept(parser, "WHERE")) {
        parser->rule->where = parse_expression(parser);
        if (!parser->rule->where)
            return false;
    }
    if (parser->token.kind == TOKEN_END)
        return true;
    fail_expected(parser, parser->rule->where ? "an operator or the end" : "WHERE or the end");
    return false;
}

enum sluice_error rule_parse(struct span sql, struct rule **ret_rule, struct rule_error *ret_error)
{
    struct rule_error error;
    struct rule *rule = memory_new(sizeof *rule);
    struct parser parser = {.scanner = {sql, 0}, .rule = rule, .error = &error};
    if (sql.len > RULE_SQL_BYTES_MAX || !utf8_valid(sql)) {
        parser.scanner.text = SPAN_EMPTY;
        fail_at(&parser, 0, "the SQL is not UTF-8 text of at most %d bytes", RULE_SQL_BYTES_MAX);
    } else {
        parser.scanner.text = arena_copy(&rule->arena, sql);
        rule->items = arena_new(&rule->arena, RULE_ITEMS_MAX * sizeof *rule->items);
        advance(&parser);
    }
    if (!parser.failed && parse_select(&parser) && parse_from(&parser) && parse_where(&parser)) {
        *ret_rule = rule;
        return SLUICE_OK;
    }
    *ret_error = error;
    rule_free(rule);
    return SLUICE_INVALID;
}

#include "route/parser.h"

#include <math.h>
#include <stdio.h>

static const struct expression *parse_operators(struct parser *parser, uint8_t level);

const struct expression *parse_expression(struct parser *parser)
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
                                            struct regex *regex, const struct expression *const *arguments,
                                            size_t count)
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
        parser_fail_at(parser, parser->token.offset,
                       "the expression is too deep; at most %d operators or calls within each other",
                       RULE_DEPTH_MAX);
        return NULL;
    }
    expression->kind = EXPRESSION_APPLY;
    expression->function = function;
    expression->regex = regex;
    expression->arguments = kept;
    expression->argument_count = count;
    return expression;
}

static const struct expression *parse_star(struct parser *parser, const struct function *function)
{
    struct expression *expression = arena_new(&parser->rule->arena, sizeof *expression);
    expression->kind = function->form == FUNCTION_OF_BYTES ? EXPRESSION_BYTES : EXPRESSION_PAYLOAD;
    parser->rule->needs_json |= function->form == FUNCTION_OF_PAYLOAD;
    parser_advance(parser);
    return expression;
}

static void check_argument_count(struct parser *parser, const struct function *function, size_t offset,
                                 size_t count)
{
    if (count >= function->arguments_min && count <= function->arguments_max)
        return;
    if (function->arguments_min == function->arguments_max)
        parser_fail_at(parser, offset, "%s() has %zu arguments; it takes %d", function->name, count,
                       function->arguments_min);
    else
        parser_fail_at(parser, offset, "%s() has %zu arguments; it takes %d to %d", function->name, count,
                       function->arguments_min, function->arguments_max);
}

struct arguments {
    const struct expression *items[FUNCTION_ARGUMENTS_MAX];
    size_t count;
};

/* Before an argument: whether there is one and room for it. False at the closing bracket, too. */
static bool next_argument(struct parser *parser, struct arguments *arguments, const char *closing,
                          const char *expected)
{
    if (parser->failed || token_is(&parser->token, closing))
        return false;
    if (arguments->count > 0 && !parser_expect(parser, ",", expected))
        return false;
    if (arguments->count < FUNCTION_ARGUMENTS_MAX)
        return true;
    parser_fail_at(parser, parser->token.offset, "too many arguments; at most %d", FUNCTION_ARGUMENTS_MAX);
    return false;
}

static void add_argument(struct arguments *arguments, const struct expression *argument)
{
    if (argument)
        arguments->items[arguments->count++] = argument;
}

/* Compiles a literal pattern; one that depends on the message is compiled with each. */
static struct regex *prepare_pattern(struct parser *parser, const struct expression *pattern, size_t offset)
{
    if (pattern->kind != EXPRESSION_LITERAL || pattern->literal.kind != VALUE_STRING)
        return NULL;
    char fault[REGEX_FAULT_BYTES];
    struct regex_link *link = arena_new(&parser->rule->arena, sizeof *link);
    link->regex = regex_compile(pattern->literal.text, fault);
    if (!link->regex) {
        parser_fail_at(parser, offset, "this is no regular expression: %s", fault);
        return NULL;
    }
    link->next = parser->rule->regexes;
    parser->rule->regexes = link;
    return link->regex;
}

/* After the opening parenthesis, through the closing one. */
static const struct expression *parse_call(struct parser *parser, const struct function *function,
                                           size_t offset)
{
    struct arguments arguments = {.count = 0};
    bool takes_star = function->form == FUNCTION_OF_PAYLOAD || function->form == FUNCTION_OF_BYTES;
    size_t last_offset = offset;
    while (next_argument(parser, &arguments, ")", "`,` or `)` after an argument")) {
        last_offset = parser->token.offset;
        bool is_star = arguments.count == 0 && takes_star && token_is(&parser->token, "*");
        add_argument(&arguments, is_star ? parse_star(parser, function) : parse_expression(parser));
    }
    if (parser->failed)
        return NULL;
    parser_advance(parser);
    check_argument_count(parser, function, offset, arguments.count);
    struct regex *regex = NULL;
    if (!parser->failed && function->form == FUNCTION_OF_PATTERN)
        regex = prepare_pattern(parser, arguments.items[1], last_offset);
    return parser->failed ? NULL : application(parser, function, regex, arguments.items, arguments.count);
}

/* After `cast(`. */
static const struct expression *parse_cast(struct parser *parser)
{
    const struct expression *value = parse_expression(parser);
    if (!value || !parser_expect(parser, "AS", "an operator or AS and a type, as in cast(a AS Int)"))
        return NULL;
    const struct function *type = function_find(FUNCTION_TYPE, parser->token.text);
    if (!type || parser->token.kind != TOKEN_NAME) {
        char names[RULE_ERROR_BYTES - 80], expected[RULE_ERROR_BYTES - 64];
        function_names(FUNCTION_TYPE, names, sizeof names);
        snprintf(expected, sizeof expected, "a type: %s", names);
        parser_fail_expected(parser, expected);
        return NULL;
    }
    parser_advance(parser);
    return parser_expect(parser, ")", "`)` after the type") ? application(parser, type, NULL, &value, 1)
                                                            : NULL;
}

/* A literal if all of its parts are: it is made once, and not for each message. */
static const struct expression *container(struct parser *parser, const struct function *function,
                                          const struct arguments *arguments)
{
    struct arena *arena = &parser->rule->arena;
    struct value *values = arena_new(arena, arguments->count * sizeof *values);
    for (size_t i = 0; i < arguments->count; i++) {
        if (arguments->items[i]->kind != EXPRESSION_LITERAL)
            return application(parser, function, NULL, arguments->items, arguments->count);
        values[i] = arguments->items[i]->literal;
    }
    return literal(parser, function->apply(&(struct function_call){
                               .arena = arena, .arguments = values, .argument_count = arguments->count}));
}

/* After `[`. */
static const struct expression *parse_array(struct parser *parser)
{
    struct arguments arguments = {.count = 0};
    while (next_argument(parser, &arguments, "]", "`,` or `]`"))
        add_argument(&arguments, parse_expression(parser));
    parser_accept(parser, "]");
    return parser->failed ? NULL
                          : container(parser, function_find(FUNCTION_ARRAY, SPAN_LITERAL("[")), &arguments);
}

/* 'key': value */
static bool parse_pair(struct parser *parser, struct arguments *arguments)
{
    struct token key = parser->token;
    if (key.kind != TOKEN_STRING) {
        parser_fail_expected(parser, "a key in quotes, as in {'a': 1}");
        return false;
    }
    parser_advance(parser);
    if (!parser_expect(parser, ":", "`:` after the key"))
        return false;
    struct span name = parser_string_text(parser, &key);
    for (size_t i = 0; i < arguments->count; i += 2)
        if (span_equal(arguments->items[i]->literal.text, name))
            parser_fail_at(parser, key.offset, "this key is there already");
    add_argument(arguments, literal(parser, value_string(name)));
    add_argument(arguments, parse_expression(parser));
    return !parser->failed;
}

/* After `{`. */
static const struct expression *parse_object(struct parser *parser)
{
    struct arguments arguments = {.count = 0};
    while (next_argument(parser, &arguments, "}", "`,` or `}`") && parse_pair(parser, &arguments))
        ;
    parser_accept(parser, "}");
    return parser->failed ? NULL
                          : container(parser, function_find(FUNCTION_OBJECT, SPAN_LITERAL("{")), &arguments);
}

static const struct expression *parse_path(struct parser *parser, struct token first)
{
    struct span names[RULE_DEPTH_MAX];
    size_t count = 0;
    names[count++] = first.text;
    while (parser_accept(parser, ".")) {
        if (parser->token.kind != TOKEN_NAME) {
            parser_fail_expected(parser, "a name after `.`");
            return NULL;
        }
        if (count == RULE_DEPTH_MAX) {
            parser_fail_at(parser, parser->token.offset, "the path is too long; at most %d names",
                           RULE_DEPTH_MAX);
            return NULL;
        }
        names[count++] = parser->token.text;
        parser_advance(parser);
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
        parser_fail_expected(parser,
                             "the value that WHEN compares with, as in CASE value WHEN 1 THEN 'one' END");
        return NULL;
    }
    if (!(arguments[count++] = parse_expression(parser)))
        return NULL;
    while (parser_accept(parser, "WHEN")) {
        if (count + 3 > FUNCTION_ARGUMENTS_MAX) {
            parser_fail_at(parser, parser->token.offset, "too many WHEN; at most %d",
                           FUNCTION_ARGUMENTS_MAX / 2 - 1);
            return NULL;
        }
        if (!(arguments[count++] = parse_expression(parser)) || !parser_expect(parser, "THEN", "THEN") ||
            !(arguments[count++] = parse_expression(parser)))
            return NULL;
    }
    if (count < 3) {
        parser_fail_expected(parser, "WHEN");
        return NULL;
    }
    if (parser_accept(parser, "ELSE") && !(arguments[count++] = parse_expression(parser)))
        return NULL;
    if (!parser_expect(parser, "END", "WHEN, ELSE or END"))
        return NULL;
    return application(parser, function_find(FUNCTION_CASE, SPAN_LITERAL("CASE")), NULL, arguments, count);
}

static const struct expression *parse_named(struct parser *parser)
{
    struct token name = parser->token;
    parser_advance(parser);
    if (token_is(&name, "TRUE") || token_is(&name, "FALSE"))
        return literal(parser, value_boolean(token_is(&name, "TRUE")));
    if (token_is(&name, "NULL"))
        return literal(parser, (struct value){.kind = VALUE_NULL});
    if (token_is(&name, "CASE"))
        return parse_case(parser);
    if (!parser_accept(parser, "("))
        return parse_path(parser, name);
    const struct function *function = function_find(FUNCTION_NAMED, name.text);
    if (function && function->form == FUNCTION_OF_TYPE)
        return parse_cast(parser);
    if (function)
        return parse_call(parser, function, name.offset);
    char names[RULE_ERROR_BYTES - 80];
    function_names(FUNCTION_NAMED, names, sizeof names);
    int len = name.text.len < 32 ? (int)name.text.len : 32;
    parser_fail_at(parser, name.offset, "there is no function %.*s(); allowed: %s", len, name.text.data,
                   names);
    return NULL;
}

static const struct expression *parse_operand(struct parser *parser)
{
    struct token token = parser->token;
    struct value number;
    const struct function *prefix = function_find(FUNCTION_UNARY, token.text);
    if (token.kind == TOKEN_STRING) {
        parser_advance(parser);
        return literal(parser, value_string(parser_string_text(parser, &token)));
    }
    if (token.kind == TOKEN_NUMBER && value_parse_number(token.text, &number)) {
        if (!isfinite(number.number)) {
            parser_fail_at(parser, token.offset, "this number is too large; allowed: up to 1.79e308");
            return NULL;
        }
        parser_advance(parser);
        if (number.is_int && token.text.data[0] != '0')
            number.text = token.text; /* so that none of many digits is lost */
        return literal(parser, number);
    }
    if (prefix && (token.kind == TOKEN_NAME || token.kind == TOKEN_SYMBOL)) {
        parser_advance(parser);
        const struct expression *operand = parse_operators(parser, prefix->level);
        return operand ? application(parser, prefix, NULL, &operand, 1) : NULL;
    }
    bool starts_value = token_is(&token, "TRUE") || token_is(&token, "FALSE") || token_is(&token, "NULL") ||
                        token_is(&token, "CASE");
    if (token.kind == TOKEN_NAME && (starts_value || !parser_is_keyword(&token)))
        return parse_named(parser);
    if (parser_accept(parser, "["))
        return parse_array(parser);
    if (parser_accept(parser, "{"))
        return parse_object(parser);
    if (parser_accept(parser, "(")) {
        const struct expression *inner = parse_expression(parser);
        return inner && parser_expect(parser, ")", "an operator or `)`") ? inner : NULL;
    }
    parser_fail_expected(
        parser, "a value: a path, 'text', a number, true, false, null, CASE, a function, `(`, `[` or `{`");
    return NULL;
}

/* An operand and the members behind it, as in get(a, 0).b; a path has taken its own. */
static const struct expression *parse_members(struct parser *parser)
{
    const struct expression *left = parse_operand(parser);
    while (left && parser_accept(parser, ".")) {
        if (parser->token.kind != TOKEN_NAME) {
            parser_fail_expected(parser, "a name after `.`");
            return NULL;
        }
        const struct expression *name = literal(parser, value_string(parser->token.text));
        parser_advance(parser);
        left = application(parser, function_find(FUNCTION_MEMBER, SPAN_LITERAL(".")), NULL,
                           (const struct expression *[]){left, name}, 2);
    }
    return left;
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
        parser_fail_at(parser, parser->token.offset, "nested too deep; at most %d levels", RULE_DEPTH_MAX);
        return NULL;
    }
    parser->depth++;
    const struct expression *left = parse_members(parser);
    const struct function *binary;
    while (left && (binary = next_operator(parser)) && binary->level >= level) {
        parser_advance(parser);
        const struct expression *right = parse_operators(parser, (uint8_t)(binary->level + 1));
        left =
            right ? application(parser, binary, NULL, (const struct expression *[]){left, right}, 2) : NULL;
    }
    parser->depth--;
    return left;
}

#include "route/parser.h"

#include <stdarg.h>
#include <stdio.h>

void parser_fail_at(struct parser *parser, size_t offset, const char *format, ...)
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

void parser_fail_expected(struct parser *parser, const char *expected)
{
    char found[48];
    parser_fail_at(parser, parser->token.offset, "expected %s, found %s", expected, describe(parser, found));
}

void parser_advance(struct parser *parser)
{
    parser->token = scanner_next(&parser->scanner);
}

bool parser_accept(struct parser *parser, const char *text)
{
    if (!token_is(&parser->token, text))
        return false;
    parser_advance(parser);
    return true;
}

bool parser_expect(struct parser *parser, const char *text, const char *expected)
{
    if (parser_accept(parser, text))
        return true;
    parser_fail_expected(parser, expected);
    return false;
}

bool parser_is_keyword(const struct token *token)
{
    static const char *const keywords[] = {"SELECT", "FROM", "WHERE", "AS",  "AND", "OR",   "NOT",   "CASE",
                                           "WHEN",   "THEN", "ELSE",  "END", "IN",  "TRUE", "FALSE", "NULL"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (token_is(token, keywords[i]))
            return true;
    return false;
}

/* A string token's characters: a doubled quote is one. */
struct span parser_string_text(struct parser *parser, const struct token *token)
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

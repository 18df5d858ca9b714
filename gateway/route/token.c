#include "route/token.h"

#include <strings.h>

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool starts_name(uint8_t byte)
{
    return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || byte == '_';
}

static size_t name_len(struct span text)
{
    size_t len = 0;
    while (len < text.len && (starts_name(text.data[len]) || is_digit(text.data[len])))
        len++;
    return len;
}

static size_t digits_len(struct span text)
{
    size_t len = 0;
    while (len < text.len && is_digit(text.data[len]))
        len++;
    return len;
}

static size_t number_len(struct span text)
{
    size_t len = digits_len(text);
    size_t fraction = len < text.len && text.data[len] == '.' ? digits_len(span_skip(text, len + 1)) : 0;
    len += fraction > 0 ? fraction + 1 : 0;
    if (len < text.len && (text.data[len] | 0x20) == 'e') {
        size_t sign = len + 1 < text.len && (text.data[len + 1] == '-' || text.data[len + 1] == '+');
        size_t exponent = digits_len(span_skip(text, len + 1 + sign));
        len += exponent > 0 ? 1 + sign + exponent : 0;
    }
    return len;
}

static size_t symbol_len(struct span text)
{
    if (span_starts_with(text, SPAN_LITERAL("<>")) || span_starts_with(text, SPAN_LITERAL("<=")) ||
        span_starts_with(text, SPAN_LITERAL(">=")))
        return 2;
    return text.data[0] != 0 && strchr("*,.:()[]{}=<>+-/%", text.data[0]) ? 1 : 0;
}

/* Bytes of the string up to the quote that ends it, or the text's length if none does. */
static size_t string_len(struct span text, uint8_t quote)
{
    size_t at = 0;
    while (at < text.len) {
        if (text.data[at] != quote)
            at++;
        else if (at + 1 < text.len && text.data[at + 1] == quote)
            at += 2;
        else
            break;
    }
    return at;
}

static struct token string_token(struct scanner *scanner, struct span rest)
{
    struct span inner = span_skip(rest, 1);
    size_t len = string_len(inner, rest.data[0]);
    bool is_open = len == inner.len;
    struct token token = {is_open ? TOKEN_OPEN_STRING : TOKEN_STRING, span_of(inner.data, len),
                          (char)rest.data[0], scanner->at};
    scanner->at += is_open ? rest.len : len + 2;
    return token;
}

struct token scanner_next(struct scanner *scanner)
{
    while (scanner->at < scanner->text.len && is_space(scanner->text.data[scanner->at]))
        scanner->at++;
    struct span rest = span_skip(scanner->text, scanner->at);
    struct token token = {.kind = TOKEN_END, .offset = scanner->at};
    if (rest.len == 0)
        return token;
    if (rest.data[0] == '\'' || rest.data[0] == '"')
        return string_token(scanner, rest);
    size_t len = 0;
    if (starts_name(rest.data[0])) {
        token.kind = TOKEN_NAME;
        len = name_len(rest);
    } else if (is_digit(rest.data[0])) {
        token.kind = TOKEN_NUMBER;
        len = number_len(rest);
    } else if ((len = symbol_len(rest)) > 0) {
        token.kind = TOKEN_SYMBOL;
    } else {
        token.kind = TOKEN_OTHER;
        len = 1;
    }
    token.text = span_of(rest.data, len);
    scanner->at += len;
    return token;
}

bool token_is(const struct token *token, const char *text)
{
    return (token->kind == TOKEN_NAME || token->kind == TOKEN_SYMBOL) && token->text.len == strlen(text) &&
           strncasecmp((const char *)token->text.data, text, token->text.len) == 0;
}

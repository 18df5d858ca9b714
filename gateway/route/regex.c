#define PCRE2_CODE_UNIT_WIDTH 8
#include "route/regex.h"

#include <pcre2.h>
#include <stdio.h>

/*
 * PCRE2's own match limit counts anew for each place at which a match is tried,
 * so it bounds no search of a long text. Therefore the pattern has a callout
 * before each of its items, which counts over the whole search: itself, and how
 * far it is from where the last one was, which is what a repetition in between
 * has gone over. The limits of heap and depth are PCRE2's.
 */
enum {
    STEPS_MAX = 2000000, /* some milliseconds */
    STEPS_PER_ITEM = 16, /* what a callout costs, in characters gone over */
    HEAP_KIB_MAX = 1024,
    DEPTH_MAX = 10000,
    NESTING_MAX = 50, /* of parentheses */
    TOO_MANY_STEPS = -1000,
};

struct steps {
    size_t position;
    size_t count;
};

static int on_item(pcre2_callout_block *item, void *ctx)
{
    struct steps *steps = ctx;
    size_t position = item->current_position;
    size_t distance = position > steps->position ? position - steps->position : steps->position - position;
    steps->position = position;
    steps->count += STEPS_PER_ITEM + distance;
    return steps->count > STEPS_MAX ? TOO_MANY_STEPS : 0;
}

static pcre2_code *compile(struct span pattern, char ret_fault[static REGEX_FAULT_BYTES])
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        snprintf(ret_fault, REGEX_FAULT_BYTES, "there is no memory for it");
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    int error;
    PCRE2_SIZE fault_at;
    static const uint8_t nothing[1];
    pcre2_code *code =
        pcre2_compile(pattern.len > 0 ? pattern.data : nothing, pattern.len,
                      PCRE2_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C, &error, &fault_at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        char text[REGEX_FAULT_BYTES - 32];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        snprintf(ret_fault, REGEX_FAULT_BYTES, "%s, at its byte %zu", text, fault_at + 1);
    }
    return code;
}

struct regex *regex_compile(struct span pattern, char ret_fault[static REGEX_FAULT_BYTES])
{
    if (pattern.len > REGEX_PATTERN_BYTES_MAX) {
        snprintf(ret_fault, REGEX_FAULT_BYTES, "it has %zu bytes; at most %d", pattern.len,
                 REGEX_PATTERN_BYTES_MAX);
        return NULL;
    }
    pcre2_code *code = compile(pattern, ret_fault);
    uint32_t back_reference = 0;
    if (code)
        pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back_reference);
    if (back_reference > 0) {
        snprintf(ret_fault, REGEX_FAULT_BYTES, "it has a back reference, whose time has no bound");
        pcre2_code_free(code);
        return NULL;
    }
    return (struct regex *)code;
}

void regex_free(struct regex *regex)
{
    pcre2_code_free((pcre2_code *)regex);
}

bool regex_search(const struct regex *regex, struct span text, bool *ret_found)
{
    const pcre2_code *code = (const pcre2_code *)regex;
    struct steps steps = {0};
    int result = PCRE2_ERROR_NOMEMORY;
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    if (context && found) {
        static const uint8_t nothing[1];
        pcre2_set_callout(context, on_item, &steps);
        pcre2_set_heap_limit(context, HEAP_KIB_MAX);
        pcre2_set_depth_limit(context, DEPTH_MAX);
        result = pcre2_match(code, text.len > 0 ? text.data : nothing, text.len, 0, 0, found, context);
    }
    pcre2_match_data_free(found);
    pcre2_match_context_free(context);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
        return false;
    *ret_found = result >= 0;
    return true;
}

#include "app/config_variables.h"

#include "app/file.h"
#include "base/buffer.h"

#include <ctype.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 64, /* of variables that lead to others, nested or one after another */
    TEXT_BYTES_MAX = 64 * 1024,
};

struct loaded_file {
    struct loaded_file *next;
    const char *path;
    struct config_node *root;
};

struct config_variables {
    struct arena *arena;
    struct config_node *root;
    const char *file;
    const char *stage;
    struct config_problems *problems;
    struct loaded_file *files;
    unsigned depth;
};

/* One variable as it is evaluated: where errors belong, and its own words. */
struct variable {
    struct config_variables *all;
    struct config_place place;
    struct span text;
};

/* What a source says: a value, that it has none, or an error that was reported. */
enum outcome { VALUE, NO_VALUE, FAILED };

struct config_variables *config_variables_new(struct arena *arena, struct config_node *root, const char *file,
                                              const char *stage, struct config_problems *problems)
{
    struct config_variables *variables = arena_new(arena, sizeof *variables);
    *variables = (struct config_variables){
        .arena = arena, .root = root, .file = file, .stage = stage, .problems = problems};
    return variables;
}

static enum outcome fail(const struct variable *variable, const char *why)
{
    config_error(variable->all->problems, variable->place, "the variable %.*s %s",
                 (int)(variable->text.len < 128 ? variable->text.len : 128),
                 (const char *)variable->text.data, why);
    return FAILED;
}

static struct config_node *new_text(const struct variable *variable, struct span text, bool is_plain)
{
    return config_tree_text(variable->all->arena, text, is_plain, variable->place);
}

/* ---- Words ---- */

static struct span trim(struct span text)
{
    while (text.len > 0 && isspace(text.data[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Bytes of the variable that `text` begins with, its braces included; 0: it begins with none. An open one
 * takes all. */
static size_t variable_len(struct span text)
{
    if (!span_starts_with(text, SPAN_LITERAL("${")))
        return 0;
    size_t at = 2, depth = 1;
    while (at < text.len && isalnum(text.data[at]))
        at++;
    if (at < text.len && text.data[at] != ':' && text.data[at] != '(' &&
        !(at == 2 && span_starts_with(span_skip(text, at), SPAN_LITERAL("${"))))
        return 0;
    uint8_t quote = 0;
    for (; at < text.len && depth > 0; at++) {
        uint8_t byte = text.data[at];
        if (quote)
            quote = byte == quote ? 0 : quote;
        else if (byte == '\'' || byte == '"')
            quote = byte;
        else if (span_starts_with(span_skip(text, at), SPAN_LITERAL("${")))
            depth++;
        else if (byte == '}')
            depth--;
    }
    return at;
}

static size_t find_variable(struct span text)
{
    size_t at = 0;
    while (at < text.len && variable_len(span_skip(text, at)) == 0)
        at++;
    return at;
}

/* Takes what stands before the next comma that is not in quotes or another variable. */
static struct span take_alternative(struct span *rest)
{
    size_t at = 0;
    uint8_t quote = 0;
    while (at < rest->len && (quote || rest->data[at] != ',')) {
        uint8_t byte = rest->data[at];
        size_t nested = quote ? 0 : variable_len(span_skip(*rest, at));
        if (quote ? byte == quote : byte == '\'' || byte == '"')
            quote = quote ? 0 : byte;
        at += nested ? nested : 1;
    }
    struct span alternative = trim(span_of(rest->data, at));
    *rest = span_skip(*rest, at < rest->len ? at + 1 : at);
    return alternative;
}

static struct span take_until(struct span *rest, char mark)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, mark, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    struct span part = {rest->data, len};
    *rest = span_skip(*rest, end ? len + 1 : len);
    return part;
}

/* ---- Looking into trees ---- */

static struct config_node *list_item(const struct config_node *list, struct span number)
{
    char digits[8];
    if (list->kind != CONFIG_LIST || number.len == 0 || number.len >= sizeof digits)
        return NULL;
    for (size_t i = 0; i <= number.len; i++)
        digits[i] = (char)(i < number.len ? number.data[i] : 0);
    size_t index = strspn(digits, "0123456789") == number.len ? strtoul(digits, NULL, 10) : SIZE_MAX;
    return index < list->count ? list->pairs[index].value : NULL;
}

/* What stands at `a.b.0` below a node; empty is the node itself. */
static enum outcome look_up(struct config_variables *all, struct config_node *node, struct span address,
                            struct config_node **ret_value)
{
    while (node && address.len > 0) {
        node = config_variables_resolve(all, node);
        if (!node)
            return FAILED;
        struct span name = take_until(&address, '.');
        node = node->kind == CONFIG_LIST ? list_item(node, name) : config_tree_member(node, name);
    }
    if (!node)
        return NO_VALUE;
    *ret_value = config_variables_resolve(all, node);
    return *ret_value ? VALUE : FAILED;
}

/* The same from the configuration's root, by a path in two parts. */
static enum outcome look_up_in(struct config_variables *all, const char *group, const char *item,
                               struct span address, struct config_node **ret_value)
{
    struct config_node *node = all->root ? config_tree_member(all->root, span_from_string(group)) : NULL;
    if (!node)
        return NO_VALUE;
    enum outcome outcome = look_up(all, node, span_from_string(item), &node);
    return outcome == VALUE ? look_up(all, node, address, ret_value) : outcome;
}

/* ---- Sources ---- */

static enum outcome from_self(const struct variable *variable, struct span parameter, struct span address,
                              struct config_node **ret_value)
{
    (void)parameter;
    return look_up(variable->all, variable->all->root, address, ret_value);
}

static enum outcome from_option(const struct variable *variable, struct span parameter, struct span address,
                                struct config_node **ret_value)
{
    (void)parameter;
    const char *stage = variable->all->stage;
    if (!stage || !span_equal(address, SPAN_LITERAL("stage")))
        return NO_VALUE;
    *ret_value = new_text(variable, span_from_string(stage), false);
    return VALUE;
}

static enum outcome from_environment(const struct variable *variable, struct span parameter,
                                     struct span address, struct config_node **ret_value)
{
    (void)parameter;
    const char *value = getenv(arena_string(variable->all->arena, address));
    if (!value)
        return NO_VALUE;
    *ret_value = new_text(variable, span_from_string(value), true);
    return VALUE;
}

/* The option, or provider.stage, or dev: as Serverless Framework has it. */
static enum outcome from_framework(const struct variable *variable, struct span parameter,
                                   struct span address, struct config_node **ret_value)
{
    if (!span_equal(address, SPAN_LITERAL("stage")))
        return NO_VALUE;
    enum outcome outcome = from_option(variable, parameter, address, ret_value);
    if (outcome == NO_VALUE)
        outcome = look_up_in(variable->all, "provider", "stage", SPAN_EMPTY, ret_value);
    if (outcome != NO_VALUE)
        return outcome;
    *ret_value = new_text(variable, SPAN_LITERAL("dev"), false);
    return VALUE;
}

/* Parameters of the stage, then those of every stage. */
static enum outcome from_parameters(const struct variable *variable, struct span parameter,
                                    struct span address, struct config_node **ret_value)
{
    struct config_node *stage;
    enum outcome outcome = from_framework(variable, parameter, SPAN_LITERAL("stage"), &stage);
    if (outcome == VALUE && stage->kind != CONFIG_TEXT)
        outcome = NO_VALUE;
    if (outcome != VALUE)
        return outcome;
    const char *const stages[] = {(const char *)stage->text.data, "default"};
    for (size_t i = 0; i < 2; i++) {
        struct config_node *node;
        outcome = look_up_in(variable->all, "params", stages[i], address, ret_value);
        if (outcome != NO_VALUE)
            return outcome;
        outcome = look_up_in(variable->all, "stages", stages[i], SPAN_LITERAL("params"), &node);
        if (outcome == VALUE)
            outcome = look_up(variable->all, node, address, ret_value);
        if (outcome != NO_VALUE)
            return outcome;
    }
    return NO_VALUE;
}

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);
    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

/* The file's tree, or its text as it is; NULL: reported. */
static struct config_node *load_file(const struct variable *variable, const char *path)
{
    struct config_variables *all = variable->all;
    struct buffer text = {0};
    struct config_node *root = NULL;
    if (file_read(path, CONFIG_FILE_BYTES_MAX, &text) != SLUICE_OK)
        fail(variable, "names a file that cannot be read, or is too large");
    else if (ends_with(path, ".yml") || ends_with(path, ".yaml") || ends_with(path, ".json"))
        root = config_tree_parse(all->arena,
                                 &(struct config_tree_source){buffer_span(&text), path, variable->place},
                                 all->problems);
    else if (ends_with(path, "js") || ends_with(path, "ts"))
        fail(variable, "names a program, which the gateway does not run; allowed: YAML, JSON and text");
    else
        root = new_text(variable, buffer_span(&text), false);
    buffer_fini(&text);
    return root;
}

static enum outcome from_file(const struct variable *variable, struct span parameter, struct span address,
                              struct config_node **ret_value)
{
    struct config_variables *all = variable->all;
    const char *path = config_resolve(all->file, all->arena, arena_string(all->arena, trim(parameter)));
    struct loaded_file *file = all->files;
    while (file && strcmp(file->path, path) != 0)
        file = file->next;
    if (!file) {
        struct config_node *root = load_file(variable, path);
        if (!root)
            return FAILED;
        file = arena_new(all->arena, sizeof *file);
        *file = (struct loaded_file){all->files, path, root};
        all->files = file;
    }
    return look_up(all, file->root, address, ret_value);
}

/* Also as CloudFormation has it: ${AWS::Region}. */
static enum outcome from_aws(const struct variable *variable, struct span parameter, struct span address,
                             struct config_node **ret_value)
{
    (void)parameter;
    if (span_equal(address, SPAN_LITERAL("accountId")) || span_equal(address, SPAN_LITERAL(":AccountId"))) {
        *ret_value = new_text(variable, SPAN_LITERAL("000000000000"), false);
        return VALUE;
    }
    if (!span_equal(address, SPAN_LITERAL("region")) && !span_equal(address, SPAN_LITERAL(":Region")))
        return NO_VALUE;
    enum outcome outcome = look_up_in(variable->all, "provider", "region", SPAN_EMPTY, ret_value);
    if (outcome == NO_VALUE)
        *ret_value = new_text(variable, SPAN_LITERAL("us-east-1"), false);
    return outcome == NO_VALUE ? VALUE : outcome;
}

/* ---- Evaluating ---- */

static bool expand(const struct variable *variable, struct span text, struct buffer *out);
static enum outcome evaluate(const struct variable *variable, struct config_node **ret_value);

/* `type:address` or `type(parameter):address`, its own variables resolved. */
static enum outcome from_source(const struct variable *variable, struct span words,
                                struct config_node **ret_value)
{
    static const struct {
        const char *type;
        enum outcome (*read)(const struct variable *variable, struct span parameter, struct span address,
                             struct config_node **ret_value);
    } sources[] = {{"self", from_self},     {"opt", from_option}, {"env", from_environment},
                   {"sls", from_framework}, {"file", from_file},  {"param", from_parameters},
                   {"aws", from_aws},       {"AWS", from_aws}};
    struct span rest = words, parameter = SPAN_EMPTY;
    size_t type_len = 0;
    if (!words.data) /* nothing between two commas */
        return NO_VALUE;
    while (type_len < words.len && isalnum(words.data[type_len]))
        type_len++;
    struct span type = {words.data, type_len};
    rest = span_skip(rest, type_len);
    if (rest.len > 0 && rest.data[0] == '(') {
        rest = span_skip(rest, 1);
        parameter = take_until(&rest, ')');
    }
    if (rest.len > 0 && rest.data[0] == ':')
        rest = span_skip(rest, 1);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        if (span_equal(type, span_from_string(sources[i].type)))
            return sources[i].read(variable, parameter, trim(rest), ret_value);
    }
    return NO_VALUE; /* of the cloud's: a default may follow */
}

/* 'text', "text", a number, true, false or null. */
static bool is_literal(struct span words, struct span *ret_text, bool *ret_is_plain)
{
    bool is_quoted = words.len >= 2 && (words.data[0] == '\'' || words.data[0] == '"') &&
                     words.data[words.len - 1] == words.data[0];
    bool is_number = words.len > 0;
    for (size_t i = 0; i < words.len; i++)
        is_number = is_number && (isdigit(words.data[i]) || words.data[i] == '.' || words.data[i] == '-');
    bool is_word = span_equal(words, SPAN_LITERAL("true")) || span_equal(words, SPAN_LITERAL("false")) ||
                   span_equal(words, SPAN_LITERAL("null"));
    *ret_text = is_quoted ? span_of(words.data + 1, words.len - 2) : words;
    *ret_is_plain = !is_quoted;
    return is_quoted || is_number || is_word;
}

static enum outcome evaluate_alternative(const struct variable *variable, struct span words,
                                         struct config_node **ret_value)
{
    struct span text;
    bool is_plain;
    struct variable nested = *variable;
    if (words.len > 0 && variable_len(words) == words.len) {
        nested.text = words;
        return evaluate(&nested, ret_value);
    }
    if (is_literal(words, &text, &is_plain)) {
        *ret_value = new_text(variable, text, is_plain);
        return VALUE;
    }
    struct buffer expanded = {0};
    enum outcome outcome = FAILED;
    if (expand(variable, words, &expanded))
        outcome = from_source(variable, buffer_span(&expanded), ret_value);
    buffer_fini(&expanded);
    return outcome;
}

/* The first alternative that has a value. */
static enum outcome first_value(const struct variable *variable, struct config_node **ret_value)
{
    if (variable->text.data[variable->text.len - 1] != '}')
        return fail(variable, "has no closing `}`");
    struct span rest = span_of(variable->text.data + 2, variable->text.len - 3);
    enum outcome outcome = NO_VALUE;
    while (outcome == NO_VALUE && rest.len > 0)
        outcome = evaluate_alternative(variable, take_alternative(&rest), ret_value);
    return outcome;
}

static enum outcome evaluate(const struct variable *variable, struct config_node **ret_value)
{
    if (variable->all->depth == DEPTH_MAX)
        return fail(variable, "leads over too many others; allowed: 64");
    variable->all->depth++;
    enum outcome outcome = first_value(variable, ret_value);
    variable->all->depth--;
    return outcome;
}

static enum outcome evaluate_needed(const struct variable *variable, struct config_node **ret_value)
{
    enum outcome outcome = evaluate(variable, ret_value);
    if (outcome != NO_VALUE)
        return outcome;
    return fail(variable, "has no value here; allowed: self, opt:stage, sls:stage, env, param, file or aws "
                          "with something that is there, or a default, as in ${env:NAME, 'text'}");
}

/* Appends text with its variables resolved, all of which must be text. */
static bool expand(const struct variable *variable, struct span text, struct buffer *out)
{
    while (text.len > 0) {
        size_t before = find_variable(text);
        buffer_append(out, span_of(text.data, before));
        text = span_skip(text, before);
        struct variable inner = {variable->all, variable->place, {text.data, variable_len(text)}};
        struct config_node *value;
        if (inner.text.len == 0)
            break;
        if (evaluate_needed(&inner, &value) != VALUE)
            return false;
        if (value->kind != CONFIG_TEXT) {
            fail(&inner, "is a list or a mapping; allowed within text: a single value");
            return false;
        }
        buffer_append(out, value->text);
        if (buffer_len(out) > TEXT_BYTES_MAX) {
            fail(&inner, "makes the text too large; allowed: 65536 bytes");
            return false;
        }
        text = span_skip(text, inner.text.len);
    }
    return true;
}

/* A node with variables: what one alone is, or the text that they are part of. */
static struct config_node *resolve(struct config_variables *all, struct config_node *node)
{
    struct variable variable = {all, node->place, node->text};
    struct config_node *value = NULL;
    if (variable_len(node->text) == node->text.len) {
        if (evaluate_needed(&variable, &value) != VALUE || !value)
            return NULL;
        return value->kind == CONFIG_TEXT ? new_text(&variable, value->text, value->is_plain) : value;
    }
    struct buffer text = {0};
    if (expand(&variable, node->text, &text))
        value = new_text(&variable, buffer_span(&text), node->is_plain);
    buffer_fini(&text);
    return value;
}

struct config_node *config_variables_resolve(struct config_variables *variables, struct config_node *node)
{
    if (node->resolved)
        return node->resolved;
    struct config_node *value = node;
    if (node->is_resolving) {
        fail(&(struct variable){variables, node->place, node->text}, "leads back to itself");
        return NULL;
    }
    if (node->kind == CONFIG_TEXT && find_variable(node->text) < node->text.len) {
        node->is_resolving = true;
        value = resolve(variables, node);
        node->is_resolving = false;
    }
    node->resolved = value;
    return value;
}

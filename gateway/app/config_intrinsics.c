#include "app/config_intrinsics.h"

#include "base/buffer.h"

#include <ctype.h>

enum {
    DEPTH_MAX = 32,
    NODES_MAX = 100000, /* aliases within aliases would be many more */
    BYTES_MAX = 4 * 1024 * 1024,
    ARGUMENTS_MAX = 10,
};

/* One intrinsic as it is applied. */
struct call {
    struct config_intrinsics *all;
    const char *name;
    const struct config_node *node;     /* whose place problems have */
    const struct config_node *argument; /* a list has this many, as the table says */
    int depth;
};

static struct config_node *apply(struct config_intrinsics *all, const struct config_node *node, int depth);

/* ---- Values ---- */

static const struct config_node *root_member(const struct config_intrinsics *all, const char *section,
                                             struct span name)
{
    const struct config_node *group =
        all->root ? config_tree_member(all->root, span_from_string(section)) : NULL;
    return group ? config_tree_member(group, name) : NULL;
}

static int shown(struct span text)
{
    return (int)(text.len < 128 ? text.len : 128);
}

/* There is no value: gives NULL. */
static struct config_node *report(const struct call *call, struct span what)
{
    static const char text[] = "%.*s has no value here; allowed: a parameter with a Default, a resource of "
                               "this template, its Arn, a map's "
                               "value, or AWS::Region and the like";
    if (call->all->is_lenient)
        config_warning(call->all->problems, call->node->place, "%.*s has no value here; it is left out",
                       shown(what), (const char *)what.data);
    else
        config_error(call->all->problems, call->node->place, text, shown(what), (const char *)what.data);
    return NULL;
}

static struct config_node *misused(const struct call *call, const char *allowed)
{
    if (call->all->is_lenient)
        config_warning(call->all->problems, call->node->place, "this is no %s and left out; allowed: %s",
                       call->name, allowed);
    else
        config_error(call->all->problems, call->node->place, "this is no %s; allowed: %s", call->name,
                     allowed);
    return NULL;
}

/* Whether so much more may be made. */
static bool afford(struct config_intrinsics *all, struct config_place place, size_t bytes)
{
    bool is_first = all->nodes_count <= NODES_MAX && all->bytes_count <= BYTES_MAX;
    all->nodes_count++;
    all->bytes_count += bytes;
    if (all->nodes_count <= NODES_MAX && all->bytes_count <= BYTES_MAX)
        return true;
    if (is_first)
        config_error(all->problems, place, "this is too much; allowed: %d levels, %d values, %d bytes",
                     DEPTH_MAX, NODES_MAX, BYTES_MAX);
    return false;
}

static struct config_node *text_node(const struct call *call, struct span text)
{
    if (!afford(call->all, call->node->place, text.len))
        return NULL;
    return config_tree_text(call->all->arena, text, true, call->node->place);
}

static struct config_node *buffer_node(const struct call *call, struct buffer *text)
{
    struct config_node *made = text_node(call, buffer_len(text) > 0 ? buffer_span(text) : SPAN_LITERAL(""));
    buffer_fini(text);
    return made;
}

static struct config_node *list_node(const struct call *call, size_t capacity)
{
    struct config_node *made = arena_new(call->all->arena, sizeof *made);
    *made = (struct config_node){.kind = CONFIG_LIST, .place = call->node->place};
    made->pairs = arena_new(call->all->arena, (capacity > 0 ? capacity : 1) * sizeof *made->pairs);
    return made;
}

static struct config_node *argument_at(const struct call *call, size_t index)
{
    return apply(call->all, call->argument->pairs[index].value, call->depth + 1);
}

/* The argument's text; false: it has none. */
static bool argument_text(const struct call *call, size_t index, struct span *ret_text)
{
    const struct config_node *value = argument_at(call, index);
    if (value && value->kind == CONFIG_TEXT)
        *ret_text = value->text;
    return value && value->kind == CONFIG_TEXT;
}

/* ---- Lists and text ---- */

/* a,b,c as a list of three. */
static struct config_node *split(const struct call *call, struct span separator, struct span text)
{
    struct config_node *list = list_node(call, separator.len > 0 ? text.len + 1 : 1);
    while (true) {
        const uint8_t *end = text.len > 0 && separator.len > 0
                                 ? memmem(text.data, text.len, separator.data, separator.len)
                                 : NULL;
        size_t len = end ? (size_t)(end - text.data) : text.len;
        struct config_node *part = text_node(call, span_of(text.data, len));
        if (!part)
            return NULL;
        list->pairs[list->count++].value = part;
        if (!end)
            return list;
        text = span_skip(text, len + separator.len);
    }
}

static struct config_node *apply_split(const struct call *call)
{
    struct span separator, text;
    if (!argument_text(call, 0, &separator) || !argument_text(call, 1, &text) || separator.len == 0 ||
        !afford(call->all, call->node->place, text.len * sizeof(struct config_pair)))
        return misused(call, "a separator and text");
    return split(call, separator, text);
}

static struct config_node *apply_join(const struct call *call)
{
    struct span separator;
    const struct config_node *list = argument_at(call, 1);
    struct buffer text = {0};
    bool good = argument_text(call, 0, &separator) && list && list->kind == CONFIG_LIST;
    for (size_t i = 0; good && i < list->count; i++) {
        good = list->pairs[i].value->kind == CONFIG_TEXT &&
               buffer_len(&text) + list->pairs[i].value->text.len <= BYTES_MAX;
        buffer_append(&text, i > 0 ? separator : SPAN_EMPTY);
        buffer_append(&text, good ? list->pairs[i].value->text : SPAN_EMPTY);
    }
    if (good)
        return buffer_node(call, &text);
    buffer_fini(&text);
    return misused(call, "a separator and a list of texts");
}

static struct config_node *apply_select(const struct call *call)
{
    struct span digits = SPAN_EMPTY;
    const struct config_node *list = argument_at(call, 1);
    size_t index = 0;
    bool good = argument_text(call, 0, &digits) && digits.len > 0 && digits.len < 6 && list &&
                list->kind == CONFIG_LIST;
    for (size_t i = 0; good && i < digits.len; i++) {
        good = isdigit(digits.data[i]);
        index = index * 10 + digits.data[i] - '0';
    }
    if (!good || index >= list->count)
        return misused(call, "a number from 0 on, and a list that has so many");
    return list->pairs[index].value;
}

/* ---- Names ---- */

/* A parameter's Default; lists of text are split. */
static struct config_node *parameter_value(const struct call *call, const struct config_node *parameter)
{
    const struct config_node *value = config_tree_member(parameter, SPAN_LITERAL("Default"));
    const struct config_node *type = config_tree_member(parameter, SPAN_LITERAL("Type"));
    if (!value || value->kind != CONFIG_TEXT)
        return NULL;
    bool is_list = type && type->kind == CONFIG_TEXT &&
                   (span_equal(type->text, SPAN_LITERAL("CommaDelimitedList")) ||
                    span_starts_with(type->text, SPAN_LITERAL("List<")));
    if (!is_list)
        return text_node(call, value->text);
    bool fits = afford(call->all, call->node->place, value->text.len * sizeof(struct config_pair));
    return fits ? split(call, SPAN_LITERAL(","), value->text) : NULL;
}

/* What !Ref name or ${name} is; NULL: nothing that there is here. */
static struct config_node *reference(const struct call *call, struct span name)
{
    static const struct {
        const char *name, *value;
    } pseudo[] = {{"AWS::Region", "us-east-1"},
                  {"AWS::AccountId", "000000000000"},
                  {"AWS::Partition", "aws"},
                  {"AWS::URLSuffix", "amazonaws.com"},
                  {"AWS::StackName", "sluice"}};
    for (size_t i = 0; i < sizeof pseudo / sizeof *pseudo; i++) {
        if (span_equal(name, span_from_string(pseudo[i].name)))
            return text_node(call, span_from_string(pseudo[i].value));
    }
    const struct config_node *parameter = root_member(call->all, "Parameters", name);
    if (parameter)
        return parameter_value(call, parameter);
    return root_member(call->all, "Resources", name) ? text_node(call, name) : NULL;
}

static struct config_node *apply_ref(const struct call *call)
{
    if (call->argument->kind != CONFIG_TEXT)
        return misused(call, "a name");
    if (span_equal(call->argument->text, SPAN_LITERAL("AWS::NoValue")))
        return NULL;
    struct config_node *value = reference(call, call->argument->text);
    return value ? value : report(call, call->argument->text);
}

/* The ARN of one of the template's resources, as the gateway names functions. */
static struct config_node *arn(const struct call *call, struct span name)
{
    struct buffer text = {0};
    if (!root_member(call->all, "Resources", name))
        return NULL;
    buffer_append(&text, SPAN_LITERAL("arn:aws:lambda:us-east-1:000000000000:function:"));
    buffer_append(&text, name);
    return buffer_node(call, &text);
}

/* Of `X.Arn`; NULL: there is none. */
static struct config_node *attribute(const struct call *call, struct span path)
{
    struct span end = SPAN_LITERAL(".Arn");
    bool is_arn = path.data && path.len > end.len && span_equal(span_skip(path, path.len - end.len), end);
    return is_arn ? arn(call, span_of(path.data, path.len - end.len)) : NULL;
}

static struct config_node *apply_get_att(const struct call *call)
{
    struct span name, member;
    struct buffer path = {0};
    if (call->argument->kind == CONFIG_TEXT) {
        buffer_append(&path, call->argument->text);
    } else if (call->argument->kind == CONFIG_LIST && call->argument->count == 2 &&
               argument_text(call, 0, &name) && argument_text(call, 1, &member)) {
        buffer_append(&path, name);
        buffer_append(&path, SPAN_LITERAL("."));
        buffer_append(&path, member);
    } else {
        return misused(call, "a resource and Arn");
    }
    struct config_node *value = attribute(call, buffer_span(&path));
    if (!value)
        report(call, buffer_span(&path));
    buffer_fini(&path);
    return value;
}

/* ${name} of !Sub, for which the intrinsic may have values of its own. False: reported. */
static bool substitute(const struct call *call, const struct config_node *own, struct span name,
                       struct buffer *out)
{
    const struct config_node *given = own ? config_tree_member(own, name) : NULL;
    const struct config_node *value =
        given ? apply(call->all, given, call->depth + 1) : reference(call, name);
    if (!given && !value)
        value = attribute(call, name);
    if (!value || value->kind != CONFIG_TEXT) {
        report(call, name);
        return false;
    }
    buffer_append(out, value->text);
    return buffer_len(out) <= BYTES_MAX;
}

/* One of Serverless Framework's, which is resolved where the value is read: ${self:a}. */
static bool is_variable(struct span name)
{
    return name.len > 0 && memchr(name.data, ':', name.len) && !span_starts_with(name, SPAN_LITERAL("AWS::"));
}

/* Each ${name}; ${!name} is ${name} as it is. */
static struct config_node *apply_sub(const struct call *call)
{
    const struct config_node *text = call->argument, *own = NULL;
    bool is_list = text->kind == CONFIG_LIST && text->count == 2;
    if (is_list) {
        own = text->pairs[1].value;
        text = text->pairs[0].value;
    }
    if (text->kind != CONFIG_TEXT || (is_list && own->kind != CONFIG_MAPPING))
        return misused(call, "text, or a list of text and a mapping");
    struct buffer out = {0};
    const char *at = (const char *)text->text.data, *start, *end;
    bool good = true;
    for (; good && (start = strstr(at, "${")) && (end = strchr(start, '}')); at = end + 1) {
        struct span name = span_of(start + 2, (size_t)(end - start) - 2);
        buffer_append(&out, span_of(at, (size_t)(start - at)));
        bool is_kept = span_starts_with(name, SPAN_LITERAL("!"));
        if (is_kept || is_variable(name)) {
            buffer_append(&out, SPAN_LITERAL("${"));
            buffer_append(&out, span_skip(name, is_kept));
            buffer_append(&out, SPAN_LITERAL("}"));
        } else {
            good = substitute(call, own, name, &out);
        }
    }
    buffer_append(&out, span_from_string(at));
    if (good)
        return buffer_node(call, &out);
    buffer_fini(&out);
    return NULL;
}

static struct config_node *apply_find_in_map(const struct call *call)
{
    struct span names[3];
    for (size_t i = 0; i < 3; i++) {
        if (!argument_text(call, i, &names[i]))
            return misused(call, "the names of a map, of a key, and of a value there");
    }
    const struct config_node *found = root_member(call->all, "Mappings", names[0]);
    found = found ? config_tree_member(found, names[1]) : NULL;
    found = found ? config_tree_member(found, names[2]) : NULL;
    return found ? apply(call->all, found, call->depth + 1) : report(call, names[2]);
}

/* ---- Conditions ---- */

static bool holds(struct config_intrinsics *all, const struct config_node *node, int depth);

static bool names_condition(const struct call *call, const struct config_node *name)
{
    const struct config_node *condition =
        name->kind == CONFIG_TEXT ? root_member(call->all, "Conditions", name->text) : NULL;
    if (condition)
        return holds(call->all, condition, call->depth + 1);
    misused(call, "the name of one of the template's Conditions");
    return false;
}

static bool are_equal(const struct call *call)
{
    struct span a, b;
    if (call->argument->kind != CONFIG_LIST || call->argument->count != 2 || !argument_text(call, 0, &a) ||
        !argument_text(call, 1, &b)) {
        misused(call, "two texts");
        return false;
    }
    return span_equal(a, b);
}

/* How many of its conditions hold; SIZE_MAX: reported. */
static size_t count_holding(const struct call *call)
{
    size_t count = 0;
    if (call->argument->kind != CONFIG_LIST || call->argument->count < 1 ||
        call->argument->count > ARGUMENTS_MAX) {
        misused(call, "a list of 1 to 10 conditions");
        return SIZE_MAX;
    }
    for (size_t i = 0; i < call->argument->count; i++)
        count += holds(call->all, call->argument->pairs[i].value, call->depth + 1);
    return count;
}

/* The intrinsic that a node is, as a tag or as a mapping's only key, and what it is of; NULL: none. */
static const char *intrinsic(const struct config_node *node, const struct config_node **ret_argument)
{
    *ret_argument = node;
    if (node->tag)
        return node->tag + 1;
    if (node->kind != CONFIG_MAPPING || node->count != 1 || node->pairs[0].key->kind != CONFIG_TEXT)
        return NULL;
    *ret_argument = node->pairs[0].value;
    const char *name = (const char *)node->pairs[0].key->text.data;
    if (strcmp(name, "Ref") == 0 || strcmp(name, "Condition") == 0)
        return name;
    return strncmp(name, "Fn::", 4) == 0 ? name + 4 : NULL;
}

static bool holds(struct config_intrinsics *all, const struct config_node *node, int depth)
{
    struct call call = {.all = all, .node = node, .depth = depth};
    call.name = intrinsic(node, &call.argument);
    const char *name = call.name ? call.name : "";
    if (depth == DEPTH_MAX || !afford(all, node->place, 0)) {
        config_error(all->problems, node->place, "this condition leads over too many others; allowed: %d",
                     DEPTH_MAX);
        return false;
    }
    if (strcmp(name, "Condition") == 0)
        return names_condition(&call, call.argument);
    if (strcmp(name, "Equals") == 0)
        return are_equal(&call);
    bool is_and = strcmp(name, "And") == 0, is_or = strcmp(name, "Or") == 0;
    if (!is_and && !is_or && strcmp(name, "Not") != 0) {
        config_error(all->problems, node->place,
                     "this is no condition; allowed: !Equals, !And, !Or, !Not, !Condition");
        return false;
    }
    size_t count = count_holding(&call);
    if (count == SIZE_MAX)
        return false;
    return is_and ? count == call.argument->count : is_or ? count > 0 : count == 0;
}

static struct config_node *apply_if(const struct call *call)
{
    bool is_true = names_condition(call, call->argument->pairs[0].value);
    return argument_at(call, is_true ? 1 : 2);
}

bool config_intrinsics_condition(struct config_intrinsics *all, const struct config_node *name)
{
    struct call call = {.all = all, .name = "Condition", .node = name, .argument = name};
    return names_condition(&call, name);
}

/* ---- All of them ---- */

static struct config_node *apply_intrinsic(const struct call *call)
{
    static const struct {
        const char *name;
        struct config_node *(*apply)(const struct call *call);
        size_t count; /* of arguments in a list; 0: it looks itself */
    } intrinsics[] = {{"Ref", apply_ref, 0},        {"Sub", apply_sub, 0},
                      {"GetAtt", apply_get_att, 0}, {"Join", apply_join, 2},
                      {"Split", apply_split, 2},    {"Select", apply_select, 2},
                      {"If", apply_if, 3},          {"FindInMap", apply_find_in_map, 3}};
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++) {
        if (strcmp(intrinsics[i].name, call->name) != 0)
            continue;
        size_t count = intrinsics[i].count;
        if (count > 0 && (call->argument->kind != CONFIG_LIST || call->argument->count != count))
            return misused(call, count == 2 ? "a list of two" : "a list of three");
        return intrinsics[i].apply(call);
    }
    if (call->all->is_lenient)
        return report(call, span_from_string(call->name));
    config_error(
        call->all->problems, call->node->place,
        "%.64s is not served; allowed: !Ref, !Sub, !GetAtt, !Join, !Split, !Select, !FindInMap and !If",
        call->name);
    return NULL;
}

/* What has no value is left out. */
static struct config_node *copy(struct config_intrinsics *all, const struct config_node *node, int depth)
{
    struct config_node *made = arena_new(all->arena, sizeof *made);
    *made = *node;
    made->count = 0;
    made->pairs = arena_new(all->arena, (node->count + 1) * sizeof *made->pairs);
    for (size_t i = 0; i < node->count; i++) {
        struct config_node *value = apply(all, node->pairs[i].value, depth + 1);
        if (value)
            made->pairs[made->count++] = (struct config_pair){node->pairs[i].key, value};
    }
    return made;
}

static struct config_node *apply(struct config_intrinsics *all, const struct config_node *node, int depth)
{
    struct call call = {.all = all, .node = node, .depth = depth};
    if (depth == DEPTH_MAX)
        all->nodes_count = NODES_MAX; /* no deeper, and no more */
    if (!afford(all, node->place, node->count * sizeof *node->pairs))
        return NULL;
    call.name = intrinsic(node, &call.argument);
    bool is_condition = call.name && strcmp(call.name, "Condition") == 0; /* only where conditions stand */
    return call.name && !is_condition ? apply_intrinsic(&call) : copy(all, node, depth);
}

bool config_intrinsics_is(const struct config_node *node)
{
    const struct config_node *argument;
    return intrinsic(node, &argument) != NULL;
}

struct config_node *config_intrinsics_apply(struct config_intrinsics *all, const struct config_node *node)
{
    return apply(all, node, 0);
}

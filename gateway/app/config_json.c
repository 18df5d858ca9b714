#include "app/config_json.h"

#include "base/json_write.h"
#include "route/json.h"

enum { DEPTH_MAX = 32 };

struct json_writer {
    struct config_variables *variables;
    struct buffer text;
};

static void write_scalar(struct json_writer *writer, const struct config_node *node)
{
    struct span text = node->text;
    size_t fault_at;
    if (node->is_plain && (text.len == 0 || span_equal(text, SPAN_LITERAL("~"))))
        json_write_raw(&writer->text, "null");
    else if (node->is_plain && json_check(text, &fault_at))
        buffer_append(&writer->text, text);
    else
        json_write_string(&writer->text, text);
}

static bool write_node(struct json_writer *writer, const struct config_node *node, int depth);

static bool write_list(struct json_writer *writer, const struct config_node *node, int depth)
{
    json_write_raw(&writer->text, "[");
    for (size_t i = 0; i < node->count; i++) {
        if (i > 0)
            json_write_raw(&writer->text, ",");
        if (!write_node(writer, config_variables_resolve(writer->variables, node->pairs[i].value), depth))
            return false;
    }
    json_write_raw(&writer->text, "]");
    return true;
}

static bool write_mapping(struct json_writer *writer, const struct config_node *node, int depth)
{
    json_write_raw(&writer->text, "{");
    for (size_t i = 0; i < node->count; i++) {
        const struct config_pair *pair = &node->pairs[i];
        if (pair->key->kind != CONFIG_TEXT)
            return false;
        if (i > 0)
            json_write_raw(&writer->text, ",");
        json_write_string(&writer->text, pair->key->text);
        json_write_raw(&writer->text, ":");
        if (!write_node(writer, config_variables_resolve(writer->variables, pair->value), depth))
            return false;
    }
    json_write_raw(&writer->text, "}");
    return true;
}

/* Stops when the text is too large, so that aliases within aliases end too. */
static bool write_node(struct json_writer *writer, const struct config_node *node, int depth)
{
    if (!node || depth == 0 || buffer_len(&writer->text) > CONFIG_JSON_BYTES_MAX)
        return false;
    switch (node->kind) {
    case CONFIG_LIST: return write_list(writer, node, depth - 1);
    case CONFIG_MAPPING: return write_mapping(writer, node, depth - 1);
    case CONFIG_TEXT: write_scalar(writer, node); break;
    }
    return true;
}

char *config_json(struct config_variables *variables, const struct config_node *node, struct arena *arena)
{
    struct json_writer writer = {.variables = variables};
    size_t fault_at;
    char *json = NULL;
    bool is_written = true;
    if (node->kind == CONFIG_TEXT)
        buffer_append(&writer.text, node->text);
    else
        is_written = write_node(&writer, node, DEPTH_MAX);
    struct span text = buffer_span(&writer.text);
    if (is_written && text.len <= CONFIG_JSON_BYTES_MAX && json_check(text, &fault_at))
        json = arena_string(arena, text);
    buffer_fini(&writer.text);
    return json;
}

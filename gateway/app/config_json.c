#include "app/config_json.h"

#include "base/json_write.h"
#include "route/json.h"

enum { DEPTH_MAX = 32 };

struct json_writer {
    yaml_document_t *document;
    struct buffer text;
};

static struct span text_of(const yaml_node_t *node)
{
    return span_of(node->data.scalar.value, node->data.scalar.length);
}

static void write_scalar(struct json_writer *writer, const yaml_node_t *node)
{
    struct span text = text_of(node);
    size_t fault_at;
    bool is_plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_plain && (text.len == 0 || span_equal(text, SPAN_LITERAL("~"))))
        json_write_raw(&writer->text, "null");
    else if (is_plain && json_check(text, &fault_at))
        buffer_append(&writer->text, text);
    else
        json_write_string(&writer->text, text);
}

static bool write_node(struct json_writer *writer, const yaml_node_t *node, int depth);

static bool write_list(struct json_writer *writer, const yaml_node_t *node, int depth)
{
    json_write_raw(&writer->text, "[");
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; item < node->data.sequence.items.top; item++) {
        if (item > node->data.sequence.items.start)
            json_write_raw(&writer->text, ",");
        if (!write_node(writer, yaml_document_get_node(writer->document, *item), depth))
            return false;
    }
    json_write_raw(&writer->text, "]");
    return true;
}

static bool write_mapping(struct json_writer *writer, const yaml_node_t *node, int depth)
{
    json_write_raw(&writer->text, "{");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(writer->document, pair->key);
        if (key->type != YAML_SCALAR_NODE)
            return false;
        if (pair > node->data.mapping.pairs.start)
            json_write_raw(&writer->text, ",");
        json_write_string(&writer->text, text_of(key));
        json_write_raw(&writer->text, ":");
        if (!write_node(writer, yaml_document_get_node(writer->document, pair->value), depth))
            return false;
    }
    json_write_raw(&writer->text, "}");
    return true;
}

/* Stops when the text is too large, so that aliases within aliases end too. */
static bool write_node(struct json_writer *writer, const yaml_node_t *node, int depth)
{
    if (depth == 0 || buffer_len(&writer->text) > CONFIG_JSON_BYTES_MAX)
        return false;
    switch (node->type) {
    case YAML_SEQUENCE_NODE: return write_list(writer, node, depth - 1);
    case YAML_MAPPING_NODE: return write_mapping(writer, node, depth - 1);
    default: write_scalar(writer, node); return true;
    }
}

char *config_json(yaml_document_t *document, const yaml_node_t *node, struct arena *arena)
{
    struct json_writer writer = {.document = document};
    size_t fault_at;
    char *json = NULL;
    bool is_written = true;
    if (node->type == YAML_SCALAR_NODE)
        buffer_append(&writer.text, text_of(node));
    else
        is_written = write_node(&writer, node, DEPTH_MAX);
    struct span text = buffer_span(&writer.text);
    if (is_written && text.len <= CONFIG_JSON_BYTES_MAX && json_check(text, &fault_at))
        json = arena_string(arena, text);
    buffer_fini(&writer.text);
    return json;
}

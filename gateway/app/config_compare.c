#include "app/config_table.h"

static bool texts_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool strings_equal(const struct config_strings *a, const struct config_strings *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = strcmp(a->items[i], b->items[i]) == 0;
    return equal;
}

static bool listens_equal(const struct config_listen *a, const struct config_listen *b)
{
    return texts_equal(a->host, b->host) && a->port == b->port;
}

static bool item_equal(const char *path, const void *a, const void *b);

/* A list is a pointer and a count, and its items' rows have its path with `[]` behind it. */
static bool lists_equal(const struct parameter *parameter, const void *a, const void *b)
{
    char path[CONFIG_PATH_BYTES];
    const char *a_items, *b_items;
    size_t a_count, b_count;
    memcpy(&a_items, a, sizeof a_items);
    memcpy(&b_items, b, sizeof b_items);
    memcpy(&a_count, (const char *)a + sizeof a_items, sizeof a_count);
    memcpy(&b_count, (const char *)b + sizeof b_items, sizeof b_count);
    snprintf(path, sizeof path, "%s%s", parameter->path,
             parameter->type == PARAMETER_NAMED_ITEMS ? ".NAME" : "[]");
    bool equal = a_count == b_count;
    for (size_t i = 0; equal && i < a_count; i++)
        equal = item_equal(path, a_items + i * parameter->item_bytes, b_items + i * parameter->item_bytes);
    return equal;
}

static bool values_equal(const struct parameter *parameter, const void *a, const void *b)
{
    switch (parameter->type) {
    case PARAMETER_TEXT:
    case PARAMETER_PATH:
    case PARAMETER_WHO:
    case PARAMETER_SQL:
    case PARAMETER_REPLY:
    case PARAMETER_JSON: return texts_equal(*(char *const *)a, *(char *const *)b);
    case PARAMETER_COUNT:
    case PARAMETER_SECONDS: return *(const uint64_t *)a == *(const uint64_t *)b;
    case PARAMETER_BOOLEAN:
    case PARAMETER_FLAG: return *(const bool *)a == *(const bool *)b;
    case PARAMETER_CHOICE: return memcmp(a, b, sizeof(unsigned)) == 0;
    case PARAMETER_LISTEN: return listens_equal(a, b);
    case PARAMETER_FILTERS:
    case PARAMETER_ORIGINS:
    case PARAMETER_PATHS:
    case PARAMETER_CLIENT_IDS:
    case PARAMETER_RATES:
    case PARAMETER_ENVIRONMENT: return strings_equal(a, b);
    case PARAMETER_ITEMS:
    case PARAMETER_NAMED_ITEMS: return lists_equal(parameter, a, b);
    case PARAMETER_GROUP:
    case PARAMETER_ANONYMOUS: /* is in the listeners, and taken up by a reload */
    case PARAMETER_PATTERNS:  /* is read by each `sluice deploy` */
    case PARAMETER_NOTED:
    case PARAMETER_NOT_HERE: break;
    }
    return true;
}

static bool row_equal(const struct parameter *parameter, const void *a, const void *b)
{
    return parameter_reloads(parameter) ||
           values_equal(parameter, (const char *)a + parameter->offset, (const char *)b + parameter->offset);
}

static bool is_of_item(const struct parameter *parameter, const char *path)
{
    size_t len = parameter_item_len(parameter->path);
    return len == strlen(path) && strncmp(parameter->path, path, len) == 0;
}

static bool item_equal(const char *path, const void *a, const void *b)
{
    bool equal = true;
    for (size_t i = 0; equal && i < config_parameter_count; i++) {
        if (is_of_item(&config_parameters[i], path))
            equal = row_equal(&config_parameters[i], a, b);
    }
    return equal;
}

/* Functions are told apart by their names, which are no rows. */
static bool names_equal(const struct config *a, const struct config *b)
{
    bool equal = a->function_count == b->function_count;
    for (size_t i = 0; equal && i < a->function_count; i++)
        equal = strcmp(a->functions[i].name, b->functions[i].name) == 0;
    return equal;
}

size_t config_print_changes(const struct config *old, const struct config *new, FILE *out)
{
    size_t count = 0;
    for (size_t i = 0; i < config_parameter_count; i++) {
        const struct parameter *parameter = &config_parameters[i];
        bool is_functions = parameter->type == PARAMETER_NAMED_ITEMS;
        if (!is_of_item(parameter, "") ||
            (row_equal(parameter, old, new) && (!is_functions || names_equal(old, new))))
            continue;
        fprintf(out, "%s%s", count > 0 ? ", " : "", parameter->path);
        count++;
    }
    return count;
}

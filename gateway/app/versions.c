#include "app/versions.h"

#include "app/file.h"
#include "base/json_write.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>

/* ---- Paths ---- */

void versions_path(const char *data, enum versions_file file, char ret_path[PATH_MAX])
{
    static const char *const names[] = {
        [VERSIONS_FOLDER] = "",
        [VERSIONS_NOW] = "/versions.json",
        [VERSIONS_NEXT] = "/versions.next.json",
        [VERSIONS_REFUSED] = "/refused",
        [VERSIONS_CODE] = "/code",
        [VERSIONS_DEPLOYING] = "/deploying",
    };
    snprintf(ret_path, PATH_MAX, "%s/functions%s", data, names[file]);
}

void versions_code_path(const char *data, const struct version *version, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "%s/functions/code/%s", data, version->code);
}

/* ---- Reading ---- */

static char *read_text(struct versions *versions, const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? arena_string(&versions->arena, span_from_string(text)) : NULL;
}

static uint64_t read_number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1e15
               ? (uint64_t)item->valuedouble
               : 0;
}

static void read_environment(struct versions *versions, const cJSON *list, struct config_strings *ret_strings)
{
    int count = cJSON_GetArraySize(list);
    ret_strings->items = arena_new(&versions->arena, ((size_t)count + 1) * sizeof *ret_strings->items);
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            ret_strings->items[ret_strings->count++] =
                arena_string(&versions->arena, span_from_string(item->valuestring));
    }
}

/* The code's name becomes a part of a path. */
static bool is_name(const char *code)
{
    return code && *code && strspn(code, "0123456789abcdef") == strlen(code);
}

static bool read_version(struct versions *versions, const cJSON *item, struct version *ret_version)
{
    enum config_kind kind;
    *ret_version = (struct version){
        .number = read_number(item, "version"),
        .deployed_ms = read_number(item, "deployedMs"),
        .code = read_text(versions, item, "code"),
        .handler = read_text(versions, item, "handler"),
        .runtime = read_text(versions, item, "runtime"),
        .timeout_ms = read_number(item, "timeoutMs"),
        .memory_mb = read_number(item, "memoryMb"),
    };
    read_environment(versions, cJSON_GetObjectItemCaseSensitive(item, "environment"),
                     &ret_version->environment);
    return ret_version->number > 0 && is_name(ret_version->code) && ret_version->handler &&
           ret_version->runtime && config_kind_of(ret_version->runtime, &kind) &&
           ret_version->timeout_ms > 0 && ret_version->memory_mb > 0;
}

static bool read_function(struct versions *versions, const cJSON *item)
{
    struct versions_function *function = &versions->functions[versions->count++];
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(item, "versions"), *version;
    function->name = arena_string(&versions->arena, span_from_string(item->string));
    function->live = read_number(item, "live");
    function->last = read_number(item, "last");
    function->items =
        arena_new(&versions->arena, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *function->items);
    cJSON_ArrayForEach(version, list)
    {
        struct version *into = &function->items[function->count++];
        if (!read_version(versions, version, into) || into->number > function->last ||
            (function->count > 1 && into->number <= into[-1].number))
            return false;
    }
    return function->live == 0 || versions_number(function, function->live);
}

static bool read_all(struct versions *versions, const cJSON *root)
{
    const cJSON *item;
    if (!cJSON_IsObject(root))
        return false;
    versions->functions =
        arena_new(&versions->arena, ((size_t)cJSON_GetArraySize(root) + 1) * sizeof *versions->functions);
    cJSON_ArrayForEach(item, root)
    {
        if (!read_function(versions, item))
            return false;
    }
    return true;
}

enum sluice_error versions_read(const char *path, struct versions **ret_versions, char *ret_text)
{
    struct buffer bytes = {0};
    struct versions *versions = memory_new(sizeof *versions);
    enum sluice_error error = file_read(path, VERSIONS_BYTES_MAX, &bytes);
    if (error == SLUICE_NOT_FOUND) {
        *ret_versions = versions;
        return error;
    }
    if (error) {
        snprintf(ret_text, VERSIONS_TEXT_BYTES, "%s cannot be read: %s", path,
                 error == SLUICE_TOO_LARGE ? "it is too large" : strerror(errno));
    } else {
        cJSON *root = cJSON_ParseWithLength((const char *)buffer_span(&bytes).data, buffer_len(&bytes));
        if (!read_all(versions, root)) {
            snprintf(ret_text, VERSIONS_TEXT_BYTES, "%s is no list of versions", path);
            error = SLUICE_INVALID;
        }
        cJSON_Delete(root);
    }
    buffer_fini(&bytes);
    if (error)
        versions_free(versions);
    else
        *ret_versions = versions;
    return error;
}

void versions_free(struct versions *versions)
{
    if (!versions)
        return;
    arena_fini(&versions->arena);
    memory_free(versions);
}

/* ---- Writing ---- */

static void write_version(const struct version *version, struct buffer *out)
{
    json_write_raw(out, "{\"version\":");
    json_write_u64(out, version->number);
    json_write_number_member(out, "deployedMs", version->deployed_ms);
    json_write_member(out, "code", version->code);
    json_write_member(out, "handler", version->handler);
    json_write_member(out, "runtime", version->runtime);
    json_write_number_member(out, "timeoutMs", version->timeout_ms);
    json_write_number_member(out, "memoryMb", version->memory_mb);
    json_write_raw(out, ",\"environment\":[");
    for (size_t i = 0; i < version->environment.count; i++) {
        if (i > 0)
            json_write_raw(out, ",");
        json_write_string(out, span_from_string(version->environment.items[i]));
    }
    json_write_raw(out, "]}");
}

void versions_write(const struct versions *versions, struct buffer *out)
{
    json_write_raw(out, "{");
    for (size_t i = 0; i < versions->count; i++) {
        const struct versions_function *function = &versions->functions[i];
        if (i > 0)
            json_write_raw(out, ",\n");
        json_write_string(out, span_from_string(function->name));
        json_write_raw(out, ":{\"live\":");
        json_write_u64(out, function->live);
        json_write_number_member(out, "last", function->last);
        json_write_raw(out, ",\"versions\":[");
        for (size_t j = 0; j < function->count; j++) {
            json_write_raw(out, "\n ");
            if (j > 0)
                json_write_raw(out, ",");
            write_version(&function->items[j], out);
        }
        json_write_raw(out, "]}");
    }
    json_write_raw(out, "}\n");
}

/* ---- Looking up ---- */

struct versions_function *versions_find(const struct versions *versions, struct span name)
{
    for (size_t i = 0; i < versions->count; i++) {
        if (span_equal(span_from_string(versions->functions[i].name), name))
            return &versions->functions[i];
    }
    return NULL;
}

struct version *versions_number(const struct versions_function *function, uint64_t number)
{
    for (size_t i = 0; i < function->count; i++) {
        if (function->items[i].number == number)
            return &function->items[i];
    }
    return NULL;
}

struct version *versions_before(const struct versions_function *function)
{
    struct version *before = NULL;
    for (size_t i = 0; i < function->count && function->items[i].number < function->live; i++)
        before = &function->items[i];
    return before;
}

/* ---- Changing ---- */

static struct versions_function *add_function(struct versions *versions, const char *name)
{
    struct versions_function *functions =
        arena_new(&versions->arena, (versions->count + 1) * sizeof *functions);
    if (versions->count > 0)
        memcpy(functions, versions->functions, versions->count * sizeof *functions);
    versions->functions = functions;
    struct versions_function *function = &functions[versions->count++];
    function->name = arena_string(&versions->arena, span_from_string(name));
    return function;
}

static struct config_strings copy_strings(struct arena *arena, const struct config_strings *strings)
{
    struct config_strings copy = {arena_new(arena, (strings->count + 1) * sizeof *copy.items),
                                  strings->count};
    for (size_t i = 0; i < strings->count; i++)
        copy.items[i] = arena_string(arena, span_from_string(strings->items[i]));
    return copy;
}

static struct version copy_version(struct arena *arena, const struct version *version)
{
    struct version copy = *version;
    copy.code = arena_string(arena, span_from_string(version->code));
    copy.handler = arena_string(arena, span_from_string(version->handler));
    copy.runtime = arena_string(arena, span_from_string(version->runtime));
    copy.environment = copy_strings(arena, &version->environment);
    return copy;
}

struct version *versions_add(struct versions *versions, const char *name, const struct version *version)
{
    struct versions_function *function = versions_find(versions, span_from_string(name));
    if (!function)
        function = add_function(versions, name);
    struct version *items = arena_new(&versions->arena, (function->count + 1) * sizeof *items);
    if (function->count > 0)
        memcpy(items, function->items, function->count * sizeof *items);
    function->items = items;
    struct version *added = &items[function->count++];
    *added = copy_version(&versions->arena, version);
    added->number = ++function->last;
    return added;
}

void versions_bound(struct versions_function *function, uint64_t most, uint64_t before)
{
    for (size_t i = 0; function->count > most && i < function->count;) {
        if (function->items[i].number == function->live || function->items[i].number == before) {
            i++;
            continue;
        }
        memmove(&function->items[i], &function->items[i + 1],
                (function->count - i - 1) * sizeof *function->items);
        function->count--;
    }
}

bool version_equal(const struct version *a, const struct version *b)
{
    bool equal = strcmp(a->code, b->code) == 0 && strcmp(a->handler, b->handler) == 0 &&
                 strcmp(a->runtime, b->runtime) == 0 && a->timeout_ms == b->timeout_ms &&
                 a->memory_mb == b->memory_mb && a->environment.count == b->environment.count;
    for (size_t i = 0; equal && i < a->environment.count; i++)
        equal = strcmp(a->environment.items[i], b->environment.items[i]) == 0;
    return equal;
}

struct config_function version_apply(const struct version *version, const struct config_function *function,
                                     const char *data, struct arena *arena)
{
    struct config_function applied = *function;
    struct version own = copy_version(arena, version);
    char path[PATH_MAX], handler[2 * PATH_MAX];
    versions_code_path(data, version, path);
    applied.task_root = arena_string(arena, span_from_string(path));
    applied.handler = own.handler;
    applied.runtime = own.runtime;
    config_kind_of(own.runtime, &applied.kind);
    applied.timeout_ms = own.timeout_ms;
    applied.memory_mb = own.memory_mb;
    applied.environment = own.environment;
    if (applied.kind == CONFIG_NATIVE) {
        snprintf(handler, sizeof handler, "%s/%s", path, own.handler);
        applied.handler = arena_string(arena, span_from_string(handler));
    }
    return applied;
}

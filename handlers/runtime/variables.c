#include "runtime/variables.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { VARIABLE_COUNT_MAX = 24, SHORT_BYTES = 64 };

struct list {
    char **items;
    size_t count;
};

/* Set by the environment itself, or, as the last, what would let clients ask for several invocations at once.
 */
static const char *const reserved[] = {
    "_X_AMZN_TRACE_ID",
    "AWS_LAMBDA_MAX_CONCURRENCY",
};

static bool is_named(const char *variable, const char *name)
{
    size_t len = strlen(name);
    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

static void set(struct list *list, const char *name, const char *value)
{
    size_t bytes = strlen(name) + strlen(value) + 2;
    char *variable = memory_new(bytes);
    snprintf(variable, bytes, "%s=%s", name, value);
    list->items[list->count++] = variable;
}

static const char *find(const struct list *list, const char *own)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t name_len = strcspn(own, "=") + 1;
        if (strncmp(list->items[i], own, name_len) == 0)
            return list->items[i];
    }
    return NULL;
}

static bool is_free(const struct list *list, const char *own)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (is_named(own, reserved[i]))
            return false;
    }
    return !find(list, own);
}

/* What a function may not choose otherwise. */
static void set_reserved(struct list *list, const struct variables_of *of)
{
    char text[512], day[SHORT_BYTES];
    time_t seconds = (time_t)(of->wall_ms / 1000);
    struct tm parts;
    strftime(day, sizeof day, "%Y/%m/%d", gmtime_r(&seconds, &parts));
    snprintf(text, sizeof text, "127.0.0.1:%u", of->port);
    set(list, "AWS_LAMBDA_RUNTIME_API", text);
    set(list, "_HANDLER", of->handler);
    set(list, "AWS_LAMBDA_FUNCTION_NAME", of->function_name);
    set(list, "AWS_LAMBDA_FUNCTION_VERSION", of->function_version);
    snprintf(text, sizeof text, "%u", of->memory_mb);
    set(list, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", text);
    snprintf(text, sizeof text, "/aws/lambda/%s", of->function_name);
    set(list, "AWS_LAMBDA_LOG_GROUP_NAME", text);
    snprintf(text, sizeof text, "%s/[%s]%s", day, of->function_version, of->stream_name);
    set(list, "AWS_LAMBDA_LOG_STREAM_NAME", text);
    set(list, "AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    snprintf(text, sizeof text, "AWS_Lambda_%s", of->runtime);
    set(list, "AWS_EXECUTION_ENV", text);
    set(list, "AWS_REGION", of->region);
    set(list, "AWS_DEFAULT_REGION", of->region);
    set(list, "LAMBDA_TASK_ROOT", of->task_root);
}

char **variables_new(const struct variables_of *of, const char *const *own)
{
    static const char *const unless_given[][2] = {
        {"TZ", ":UTC"},
        {"LANG", "C.UTF-8"},
        {"PATH", "/usr/local/bin:/usr/bin:/bin"},
    };
    size_t own_count = 0;
    while (own[own_count])
        own_count++;
    struct list list = {.items = memory_new_array(own_count + VARIABLE_COUNT_MAX, sizeof *list.items)};
    set_reserved(&list, of);
    for (size_t i = 0; i < own_count; i++) {
        if (is_free(&list, own[i]))
            list.items[list.count++] = memory_string(span_from_string(own[i]));
    }
    for (size_t i = 0; i < sizeof unless_given / sizeof *unless_given; i++) {
        char name[SHORT_BYTES];
        snprintf(name, sizeof name, "%s=", unless_given[i][0]);
        if (!find(&list, name))
            set(&list, unless_given[i][0], unless_given[i][1]);
    }
    return list.items;
}

void variables_free(char **variables)
{
    for (char **at = variables; *at; at++)
        memory_free(*at);
    memory_free(variables);
}

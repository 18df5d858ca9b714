#include "app/config.h"

#include "app/config_sam.h"
#include "app/config_table.h"
#include "app/config_variables.h"
#include "app/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROBLEMS_MAX = 1000 };

/* ---- Problems ---- */

static void add_problem(struct config_problems *problems, struct config_place place, bool is_warning,
                        const char *format, va_list arguments)
{
    problems->error_count += !is_warning;
    if (problems->count == PROBLEMS_MAX)
        return;
    if (problems->count == problems->capacity) {
        problems->capacity = problems->capacity ? problems->capacity * 2 : 16;
        problems->items = memory_resize(problems->items, problems->capacity * sizeof *problems->items);
    }
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    problems->items[problems->count++] =
        (struct config_problem){place, is_warning, arena_string(problems->arena, span_from_string(text))};
}

void config_error(struct config_problems *problems, struct config_place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(problems, place, false, format, arguments);
    va_end(arguments);
}

void config_warning(struct config_problems *problems, struct config_place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(problems, place, true, format, arguments);
    va_end(arguments);
}

static int compare_places(const void *left, const void *right)
{
    struct config_place a = ((const struct config_problem *)left)->place;
    struct config_place b = ((const struct config_problem *)right)->place;
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column == b.column ? 0 : a.column < b.column ? -1 : 1;
}

/* Control characters of the file's own words must not break or forge a line. */
static void print_text(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void print_problems(struct config_problems *problems, const char *file, FILE *out)
{
    if (problems->count > 0)
        qsort(problems->items, problems->count, sizeof *problems->items, compare_places);
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        print_text(file, out);
        if (problem->place.line > 0)
            fprintf(out, ":%u:%u", problem->place.line, problem->place.column);
        fputs(problem->is_warning ? ": warning: " : ": ", out);
        print_text(problem->text, out);
        fputc('\n', out);
    }
    if (problems->count == PROBLEMS_MAX)
        fputs("... and more\n", out);
}

/* ---- Loading ---- */

char *config_resolve(const char *file, struct arena *arena, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        return arena_string(arena, span_from_string(path));
    size_t folder = (size_t)(slash - file) + 1, len = strlen(path);
    char *resolved = arena_take(arena, folder + len + 1);
    memcpy(resolved, file, folder);
    memcpy(resolved + folder, path, len + 1);
    return resolved;
}

/* The tree goes when it has been read. */
static void read_tree(struct config *config, struct span text, struct config_problems *problems)
{
    struct arena arena = {0};
    struct config_tree_source source = {.text = text};
    struct config_node *root = config_tree_parse(&arena, &source, problems);
    if (root && config_sam_is_template(root))
        root = config_sam_convert(&arena, root, problems);
    struct config_variables *variables =
        config_variables_new(&arena, root, config->file, config->stage, problems);
    config_read(config, root, variables, problems);
    if (root)
        config_settle(config, problems);
    arena_fini(&arena);
}

enum sluice_error config_parse(struct span text, const char *file, const char *stage, FILE *problems_out,
                               struct config **ret_config)
{
    struct config *config = memory_new(sizeof *config);
    struct config_problems problems = {.arena = &config->arena};
    config->file = arena_string(&config->arena, span_from_string(file));
    config->stage = stage ? arena_string(&config->arena, span_from_string(stage)) : NULL;
    read_tree(config, text, &problems);
    print_problems(&problems, file, problems_out);
    bool good = problems.error_count == 0;
    memory_free(problems.items);
    if (good)
        *ret_config = config;
    else
        config_free(config);
    return good ? SLUICE_OK : SLUICE_INVALID;
}

enum sluice_error config_load_stage(const char *file, const char *stage, FILE *problems,
                                    struct config **ret_config)
{
    struct buffer text = {0};
    enum sluice_error error = file_read(file, CONFIG_FILE_BYTES_MAX, &text);
    if (error == SLUICE_TOO_LARGE) {
        fprintf(problems, "%s: is larger than a configuration may be; allowed: %d bytes\n", file,
                CONFIG_FILE_BYTES_MAX);
        return SLUICE_INVALID;
    }
    if (error) {
        fprintf(problems, "%s: cannot be read: %s\n", file, strerror(errno));
        return SLUICE_IO;
    }
    error = config_parse(buffer_span(&text), file, stage, problems, ret_config);
    buffer_fini(&text);
    return error;
}

const char *config_default_file(void)
{
    bool is_sam = access("serverless.yml", F_OK) != 0 && access("template.yaml", F_OK) == 0;
    return is_sam ? "template.yaml" : "serverless.yml";
}

enum sluice_error config_load(const char *file, FILE *problems, struct config **ret_config)
{
    return config_load_stage(file, NULL, problems, ret_config);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->function_count; i++)
        for (size_t j = 0; j < config->functions[i].event_count; j++)
            rule_free(config->functions[i].events[j].rule);
    arena_fini(&config->arena);
    memory_free(config);
}

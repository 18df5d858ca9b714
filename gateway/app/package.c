#include "app/package.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* Serverless Framework's own, and files with secrets. */
static const char *const never[] = {
    "!.git/**",       "!.gitignore",     "!.DS_Store",
    "!npm-debug.log", "!.serverless/**", "!.serverless_plugins/**",
    "!.env*",         "!serverless.yml", "!serverless.*.yml",
    "!template.yaml", "!**/*.key",
};

/* ---- One pattern, without braces: names between slashes ---- */

static size_t name_len(const char *path)
{
    return strcspn(path, "/");
}

static const char *after_name(const char *path)
{
    size_t len = name_len(path);
    return path + len + (path[len] == '/');
}

static bool name_matches(const char *pattern, const char *path)
{
    char own_pattern[PACKAGE_PATTERN_BYTES], name[256];
    if (name_len(pattern) >= sizeof own_pattern || name_len(path) >= sizeof name)
        return false;
    snprintf(own_pattern, sizeof own_pattern, "%.*s", (int)name_len(pattern), pattern);
    snprintf(name, sizeof name, "%.*s", (int)name_len(path), path);
    return fnmatch(own_pattern, name, 0) == 0;
}

static bool is_any_folders(const char *pattern)
{
    return name_len(pattern) == 2 && strncmp(pattern, "**", 2) == 0;
}

/* As matching with one * goes, with names for characters: only the last `**` ever has to take more. */
static bool path_matches(const char *pattern, const char *path)
{
    const char *retry_pattern = NULL, *retry_path = NULL;
    while (*path) {
        if (is_any_folders(pattern)) {
            retry_pattern = pattern = after_name(pattern);
            retry_path = path;
            if (!*pattern)
                return true; /* all that is below */
        } else if (*pattern && name_matches(pattern, path)) {
            pattern = after_name(pattern);
            path = after_name(path);
        } else if (retry_pattern) {
            pattern = retry_pattern;
            path = retry_path = after_name(retry_path);
        } else {
            return false;
        }
    }
    return !*pattern;
}

/* ---- Braces ---- */

/* The end of what is at `text`, before the , or } that is not inside another pair. */
static const char *part_end(const char *text)
{
    int depth = 0;
    for (; *text && (depth > 0 || (*text != ',' && *text != '}')); text++)
        depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
    return text;
}

static bool matches(const char *pattern, const char *path)
{
    const char *open = strchr(pattern, '{');
    if (!open)
        return path_matches(pattern, path);
    const char *close = open + 1;
    while (*(close = part_end(close)) == ',')
        close++;
    for (const char *part = open + 1, *end; part <= close; part = end + 1) {
        char one[PACKAGE_PATTERN_BYTES];
        end = part_end(part);
        snprintf(one, sizeof one, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)(end - part), part,
                 close + 1);
        if (matches(one, path))
            return true;
    }
    return false;
}

const char *package_pattern_fault(const char *pattern)
{
    int depth = 0, pairs = 0;
    if (strlen(pattern) >= PACKAGE_PATTERN_BYTES)
        return "it is longer than 511 bytes";
    for (const char *at = pattern; *at && depth >= 0; at++) {
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        pairs += *at == '{';
    }
    if (depth != 0)
        return "its braces do not match";
    return pairs > PACKAGE_BRACES ? "it has more than 4 pairs of braces" : NULL;
}

/* ---- All patterns ---- */

static void apply(const char *pattern, const char *path, bool *taken)
{
    bool leaves_out = *pattern == '!';
    pattern += leaves_out;
    if (strncmp(pattern, "./", 2) == 0)
        pattern += 2;
    if (*taken == leaves_out && matches(pattern, path))
        *taken = !leaves_out;
}

bool package_takes(const char *const *patterns, size_t count, const char *path)
{
    bool taken = true;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        apply(never[i], path, &taken);
    for (size_t i = 0; i < count; i++)
        apply(patterns[i], path, &taken);
    return taken;
}

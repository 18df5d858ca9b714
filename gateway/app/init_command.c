/* `sluice init`: begins a project from a template, which is a folder of share/sluice/templates. */
#include "app/commands.h"
#include "app/file_tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 100, BYTES_MAX = 1024 * 1024 };

/* What each is, and what is to be done in the new folder before `sluice run`; NULL: nothing. */
static const struct template
{
    const char *name;
    const char *text;
    const char *first;
}
templates[] = {
    {"native-c", "a shared object in C, for answers within microseconds", "make"},
    {"node", "Node.js, as in Lambda",
     "npm install (aws-lambda-ric is compiled: it needs g++, make, cmake, autoconf, automake and libtool)"},
    {"python", "Python, as in Lambda", "pip install --target . -r requirements.txt"},
    {"shell", "an executable file that is its own runtime (provided), here with curl", NULL},
};
enum { TEMPLATES_COUNT = sizeof templates / sizeof *templates };

static int usage(FILE *out)
{
    fputs(
        "usage: sluice init TEMPLATE [DIR]\n"
        "Begins a project in DIR (this folder without it): serverless.yml, and one function that answers.\n",
        out);
    for (size_t i = 0; i < TEMPLATES_COUNT; i++)
        fprintf(out, "  %-10s %s\n", templates[i].name, templates[i].text);
    return 2;
}

static const struct template *find(const char *name)
{
    for (size_t i = 0; i < TEMPLATES_COUNT; i++) {
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    }
    return NULL;
}

/* All or nothing: what is there already is said before anything is written. */
static bool is_free(const struct file_tree *tree, const char *to)
{
    struct stat status;
    char path[PATH_MAX];
    for (size_t i = 0; i < tree->count; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", to, tree->entries[i].path);
        if (len < PATH_MAX && lstat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR))
            continue;
        fprintf(stderr, "sluice init: %s is there already; nothing was written\n", path);
        return false;
    }
    return true;
}

static int begin(const struct template *template, const char *to)
{
    static const struct file_tree_options options = {.count_max = FILES_MAX, .bytes_max = BYTES_MAX};
    char folder[PATH_MAX], from[2 * PATH_MAX], text[FILE_TREE_TEXT_BYTES];
    struct file_tree tree = {0};
    if (!find_templates(folder))
        return 1;
    snprintf(from, sizeof from, "%s/%s", folder, template->name);
    enum sluice_error error = file_tree_list(from, &options, &tree, text);
    if (!error && !is_free(&tree, to)) {
        file_tree_free(&tree);
        return 1;
    }
    if (!error)
        error = file_tree_copy(&tree, to, NULL, text);
    file_tree_free(&tree);
    if (error) {
        fprintf(stderr, "sluice init: %s\n", text);
        return 1;
    }
    if (template->first)
        printf("Now, in %s: %s\n", to, template->first);
    printf("Then, in %s: sluice run\nor, for one event: sluice invoke hello --event FILE\n", to);
    return 0;
}

int init_command(int argc, char **argv)
{
    if (argc < 2 || argc > 3 || argv[1][0] == '-')
        return usage(stderr);
    const struct template *template = find(argv[1]);
    if (template)
        return begin(template, argc == 3 ? argv[2] : ".");
    fprintf(stderr, "sluice init: there is no template '%s'\n", argv[1]);
    return usage(stderr);
}

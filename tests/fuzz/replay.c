/*
 * Gives a fuzz target the files of its corpus, one by one: what was once found, and
 * what real peers send, is tried in every build and needs no fuzzer.
 *
 *   NAME_replay FOLDER
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 1 << 20, PATH_BYTES = 4096 };

static void replay(const char *path, uint8_t *input)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t len = fread(input, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    fprintf(stderr, "%s\n", path);          /* the last one that is printed is the one that fails */
    uint8_t *exact = malloc(len ? len : 1); /* the sanitizer sees a read past its end */
    for (size_t i = 0; i < len; i++)
        exact[i] = input[i];
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    uint8_t *input = malloc(INPUT_BYTES_MAX);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[PATH_BYTES];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replay(path, input);
        count++;
    }
    closedir(folder);
    free(input);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}

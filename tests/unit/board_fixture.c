#include "board_fixture.h"

#include "agent/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

char board_root[64];
unsigned board_log_count;
char board_log_line[512];

void agent_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(board_log_line, sizeof board_log_line, format, arguments);
    va_end(arguments);
    board_log_count++;
}

int board_make(void)
{
    snprintf(board_root, sizeof board_root, "/tmp/sluice-board-XXXXXX");
    return mkdtemp(board_root) ? 0 : -1;
}

int board_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", board_root);
    return system(command);
}

const char *board_path(const char *name)
{
    static char paths[2][512];
    static unsigned next;
    char *path = paths[next++ % 2];
    snprintf(path, sizeof paths[0], "%s%s", board_root, name);
    return path;
}

void board_put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", board_root, name);
    for (char *slash = path + strlen(board_root); (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

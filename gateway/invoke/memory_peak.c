#include "invoke/memory_peak.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 32, PATH_BYTES = 64, TEXT_BYTES = 4096 };

/* False: it cannot be read. A file of /proc comes whole, or as much of it as there is room for. */
static bool read_text(const char *path, char text[static TEXT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, TEXT_BYTES - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static uint64_t own_peak_bytes(int pid)
{
    static const char name[] = "\nVmHWM:";
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *line = read_text(path, text) ? strstr(text, name) : NULL;
    return line ? strtoull(line + sizeof name - 1, NULL, 10) * 1024 : 0;
}

/* Appends what the process has started to `pids`. */
static size_t add_children(int pid, int pids[static PROCESSES_MAX], size_t count)
{
    char path[PATH_BYTES], text[TEXT_BYTES], *end;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if (!read_text(path, text))
        return count;
    for (char *at = text; count < PROCESSES_MAX; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at)
            break;
        pids[count++] = (int)child;
    }
    return count;
}

uint64_t memory_peak_bytes(int pid)
{
    int pids[PROCESSES_MAX] = {pid};
    size_t count = 1;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += own_peak_bytes(pids[i]);
        count = add_children(pids[i], pids, count);
    }
    return bytes;
}

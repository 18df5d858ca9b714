#include "sizes.h"

#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_file_of(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (!file)
        log_fatal("%s cannot be read", path);
    return file;
}

uint64_t resident_bytes(pid_t pid)
{
    unsigned long pages = 0;
    FILE *file = open_file_of(pid, "statm");
    if (fscanf(file, "%*u %lu", &pages) != 1)
        log_fatal("/proc/%d/statm has another form", (int)pid);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t peak_resident_bytes(pid_t pid)
{
    unsigned long kilobytes = 0;
    char line[256];
    FILE *file = open_file_of(pid, "status");
    while (fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %lu kB", &kilobytes) != 1)
        continue;
    fclose(file);
    return kilobytes * UINT64_C(1024);
}

uint64_t processor_ms(pid_t pid)
{
    unsigned long user = 0, system = 0;
    FILE *file = open_file_of(pid, "stat");
    if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        log_fatal("/proc/%d/stat has another form", (int)pid);
    fclose(file);
    return (user + system) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t folder_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *folder = opendir(path);
    if (!folder)
        log_fatal("%s cannot be read", path);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        struct stat status; /* a file may be gone by now */
        if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode))
            bytes += (uint64_t)status.st_size;
    }
    closedir(folder);
    return bytes;
}

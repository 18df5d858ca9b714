#include "app/cgroups.h"

#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum {
    VALUE_BYTES = 4096,
    LINE_BYTES = 2 * PATH_MAX,
    MEGABYTE = 1024 * 1024,
    LEFT_PAUSE_MS = 10,
    LEFT_PAUSES = 100, /* at start: what does not end by then keeps its cgroup */
};

struct cgroup {
    struct cgroup *next; /* of those that cannot be removed yet */
    char path[PATH_MAX];
};

struct cgroups {
    const struct config *config;
    char folder[PATH_MAX]; /* workers' are in it */
    bool is_own;           /* the folder was made by this gateway */
    bool memory, pids, cpu;
    uint64_t count; /* of workers so far */
    struct cgroup *ended;
};

/* ---- The kernel's files ---- */

static bool join(char ret_path[static PATH_MAX], const char *folder, const char *name)
{
    bool fits = snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
    if (!fits)
        errno = ENAMETOOLONG;
    return fits;
}

static bool write_value(const char *folder, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool write_value(const char *folder, const char *name, const char *format, ...)
{
    char path[PATH_MAX], value[VALUE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    int fd = join(path, folder, name) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool written = write(fd, value, (size_t)len) == len;
    int error = errno;
    close(fd);
    errno = error;
    return written;
}

static bool read_value(const char *folder, const char *name, char ret_value[static VALUE_BYTES])
{
    char path[PATH_MAX];
    int fd = join(path, folder, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t len = read(fd, ret_value, VALUE_BYTES - 1);
    close(fd);
    ret_value[len > 0 ? len : 0] = '\0';
    return len >= 0;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* ---- The gateway's own ---- */

/* Below what was the gateway's at first: its own now, and for workers one whose name ends with its number. */
static const char gateways[] = "sluice-gateways";
static const char own_prefix[] = "sluice-";

/* Where version 2 is mounted. */
static bool find_mount(char ret_mount[static PATH_MAX])
{
    char line[LINE_BYTES], mount[PATH_MAX];
    FILE *mounts = fopen("/proc/self/mounts", "re");
    bool found = false;
    while (mounts && !found && fgets(line, sizeof line, mounts)) {
        char type[16] = "";
        found = sscanf(line, "%*s %4095s %15s", mount, type) == 2 && strcmp(type, "cgroup2") == 0;
    }
    if (mounts)
        fclose(mounts);
    if (found)
        snprintf(ret_mount, PATH_MAX, "%s", mount);
    return found;
}

/* The gateway's at first, without a slash at its end. */
static bool find_own(char ret_path[static PATH_MAX])
{
    char value[VALUE_BYTES], mount[PATH_MAX];
    if (!find_mount(mount) || !read_value("/proc/self", "cgroup", value))
        return false;
    const char *line = strncmp(value, "0::", 3) == 0 ? value : strstr(value, "\n0::");
    if (!line)
        return false;
    const char *path = strchr(line, '/');
    size_t len = path ? strcspn(path, "\n") : 0;
    if (len >= sizeof gateways &&
        memcmp(path + len - sizeof gateways + 1, gateways, sizeof gateways - 1) == 0)
        len -= sizeof gateways - 1; /* it has moved there already, and starts anew */
    len -= len > 0 && path[len - 1] == '/';
    return snprintf(ret_path, PATH_MAX, "%s%.*s", mount, (int)len, path ? path : "") < PATH_MAX;
}

/* systemd goes on changing what it has not delegated. */
static bool is_delegated(const char *path)
{
    char value[8] = "";
    if (geteuid() != 0 || access("/run/systemd/system", F_OK) != 0)
        return access(path, W_OK) == 0;
    return getxattr(path, "trusted.delegate", value, sizeof value - 1) > 0 && value[0] == '1';
}

/* ---- Removing ---- */

/* NAME.NUMBER, as workers' are called. */
static bool is_of_worker(const char *name)
{
    const char *point = strrchr(name, '.');
    return point && point > name && point[1] && point[1 + strspn(point + 1, "0123456789")] == '\0';
}

/* With what a worker had started, which the death of its gateway has not ended. */
static void remove_left(const char *path)
{
    static const struct timespec pause = {.tv_nsec = LEFT_PAUSE_MS * 1000000L};
    write_value(path, "cgroup.kill", "1");
    for (int i = 0; rmdir(path) != 0 && errno == EBUSY && i < LEFT_PAUSES; i++)
        nanosleep(&pause, NULL); /* it is on its way out */
}

/* Workers' of a gateway that is gone. */
static void remove_below(const char *folder)
{
    char path[PATH_MAX];
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (entry->d_type == DT_DIR && is_of_worker(entry->d_name) && join(path, folder, entry->d_name))
            remove_left(path);
    }
    if (entries)
        closedir(entries);
}

static void remove_of_dead_gateways(const char *own)
{
    char path[PATH_MAX];
    DIR *entries = opendir(own);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        int gateway = strncmp(entry->d_name, own_prefix, sizeof own_prefix - 1) == 0
                          ? atoi(entry->d_name + sizeof own_prefix - 1)
                          : 0;
        if (gateway <= 0 || (kill(gateway, 0) == 0 || errno != ESRCH) || !join(path, own, entry->d_name))
            continue;
        remove_below(path);
        rmdir(path);
    }
    if (entries)
        closedir(entries);
}

static void remove_ended(struct cgroups *cgroups)
{
    for (struct cgroup **at = &cgroups->ended; *at;) {
        struct cgroup *cgroup = *at;
        if (rmdir(cgroup->path) != 0 && errno == EBUSY) { /* what was killed is still on its way out */
            at = &cgroup->next;
            continue;
        }
        *at = cgroup->next;
        memory_free(cgroup);
    }
}

/* ---- Opening ---- */

static void give_controllers(struct cgroups *cgroups, const char *folder)
{
    char value[VALUE_BYTES] = "";
    read_value(folder, "cgroup.controllers", value);
    cgroups->memory = has_word(value, "memory") && write_value(folder, "cgroup.subtree_control", "+memory");
    cgroups->pids = has_word(value, "pids") && write_value(folder, "cgroup.subtree_control", "+pids");
    cgroups->cpu = has_word(value, "cpu") && write_value(folder, "cgroup.subtree_control", "+cpu");
}

/* The gateway leaves its cgroup to those below it. False: it stays. */
static bool move_down(const char *own)
{
    char path[PATH_MAX];
    return join(path, own, gateways) && (mkdir(path, 0755) == 0 || errno == EEXIST) &&
           write_value(path, "cgroup.procs", "%d", (int)getpid());
}

static void move_up(const char *own)
{
    char path[PATH_MAX];
    write_value(own, "cgroup.procs", "%d", (int)getpid());
    if (join(path, own, gateways))
        rmdir(path);
}

/* NULL, or why it cannot be. */
static const char *open_own(struct cgroups *cgroups)
{
    char own[PATH_MAX], name[64];
    if (!find_own(own))
        return "this system has no cgroups of version 2";
    if (!is_delegated(own))
        return "its cgroup is not delegated to the gateway (systemd: Delegate=yes)";
    if (!move_down(own))
        return strerror(errno);
    remove_of_dead_gateways(own);
    give_controllers(cgroups, own);
    snprintf(name, sizeof name, "%s%d", own_prefix, (int)getpid());
    bool made = (cgroups->memory || cgroups->pids || cgroups->cpu) && join(cgroups->folder, own, name) &&
                (mkdir(cgroups->folder, 0755) == 0 || errno == EEXIST);
    if (made) {
        cgroups->is_own = true;
        give_controllers(cgroups, cgroups->folder);
        return NULL;
    }
    move_up(own);
    return "its cgroup has no controllers to give: memory, pids, cpu";
}

static enum sluice_error open_named(struct cgroups *cgroups, const char *folder)
{
    struct stat status;
    snprintf(cgroups->folder, sizeof cgroups->folder, "%s", folder);
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || access(folder, W_OK) != 0) {
        log_error("gateway.workers.cgroup: %s is no folder that the gateway may write to", folder);
        return SLUICE_IO;
    }
    remove_below(folder);
    give_controllers(cgroups, folder);
    return SLUICE_OK;
}

static void say_missing(const struct cgroups *cgroups)
{
    if (!cgroups->memory || !cgroups->pids || !cgroups->cpu)
        log_info("the cgroups of workers in %s have no limits of:%s%s%s", cgroups->folder,
                 cgroups->memory ? "" : " memory", cgroups->pids ? "" : " processes",
                 cgroups->cpu ? "" : " processor");
}

enum sluice_error cgroups_open(const struct config *config, struct cgroups **ret_cgroups)
{
    const char *wanted = config->workers.cgroup;
    const char *refusal = NULL;
    enum sluice_error error = SLUICE_OK;
    *ret_cgroups = NULL;
    if (config->function_count == 0 || strcmp(wanted, "none") == 0)
        return SLUICE_OK;
    struct cgroups *cgroups = memory_new(sizeof *cgroups);
    cgroups->config = config;
    if (strcmp(wanted, "own") == 0)
        refusal = open_own(cgroups);
    else
        error = open_named(cgroups, wanted);
    if (refusal)
        log_info("memory of workers is limited for each process, and not for a worker as a whole: %s",
                 refusal);
    if (error || refusal) {
        memory_free(cgroups);
        return error;
    }
    say_missing(cgroups);
    *ret_cgroups = cgroups;
    return SLUICE_OK;
}

void cgroups_close(struct cgroups *cgroups)
{
    if (!cgroups)
        return;
    remove_ended(cgroups);
    while (cgroups->ended) { /* the next gateway removes them */
        struct cgroup *cgroup = cgroups->ended;
        cgroups->ended = cgroup->next;
        memory_free(cgroup);
    }
    if (cgroups->is_own)
        rmdir(cgroups->folder);
    memory_free(cgroups);
}

/* ---- Workers ---- */

/* What is written to a worker's /tmp is in memory too. */
static bool set_limits(const struct cgroups *cgroups, const struct config_function *function,
                       const char *path)
{
    const struct config_workers *workers = &cgroups->config->workers;
    if (cgroups->memory && !config_is_remote(function)) {
        write_value(path, "memory.swap.max", "0"); /* a system without swap has no such file */
        write_value(path, "memory.oom.group", "1");
        if (!write_value(path, "memory.max", "%" PRIu64,
                         (function->memory_mb + function->scratch_mb) * MEGABYTE))
            return false;
    }
    return (!cgroups->pids || write_value(path, "pids.max", "%" PRIu64, workers->process_count)) &&
           (!cgroups->cpu || write_value(path, "cpu.weight.nice", "%" PRIu64, workers->nice));
}

struct cgroup *cgroups_enter(struct cgroups *cgroups, const struct config_function *function, int pid)
{
    if (!cgroups)
        return NULL;
    struct cgroup *cgroup = memory_new(sizeof *cgroup);
    remove_ended(cgroups);
    if (snprintf(cgroup->path, sizeof cgroup->path, "%s/%s.%" PRIu64, cgroups->folder, function->name,
                 ++cgroups->count) < PATH_MAX &&
        (mkdir(cgroup->path, 0755) == 0 || errno == EEXIST) && set_limits(cgroups, function, cgroup->path) &&
        write_value(cgroup->path, "cgroup.procs", "%d", pid))
        return cgroup;
    log_warning("function %s: a worker has no cgroup: %s: %s", function->name, cgroup->path, strerror(errno));
    rmdir(cgroup->path);
    memory_free(cgroup);
    return NULL;
}

uint64_t cgroup_memory_bytes(const struct cgroup *cgroup)
{
    char value[VALUE_BYTES];
    return read_value(cgroup->path, "memory.peak", value) ? strtoull(value, NULL, 10) : 0;
}

void cgroups_leave(struct cgroups *cgroups, struct cgroup *cgroup)
{
    write_value(cgroup->path, "cgroup.kill", "1");
    cgroup->next = cgroups->ended;
    cgroups->ended = cgroup;
    remove_ended(cgroups);
}

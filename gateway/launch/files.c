#include "launch/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FIRST_OTHER_FD = 4, /* standard input, output, error, and the worker's socket (invoke/process.c) */
};

int launch_close_descriptors(struct launch *launch)
{
    (void)launch;
    return syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, 0) == 0 ? 0 : errno;
}

int launch_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* --- Landlock. Its rights came with versions of its interface, the later ones after Debian's headers. --- */

#define RIGHT(bit) (UINT64_C(1) << (bit))
enum { VERSION_TRUNCATE = 3, VERSION_IOCTL = 5, VERSION_SCOPES = 6 };
static const uint64_t rights_by_version[] = {
    0,
    RIGHT(13) - 1,
    RIGHT(14) - 1 /* REFER */,
    RIGHT(15) - 1 /* TRUNCATE */,
    RIGHT(15) - 1,
    RIGHT(16) - 1 /* IOCTL_DEV */,
};
#define RIGHTS_OF_FILES                                                                                      \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |             \
     RIGHT(14) /* TRUNCATE */ | RIGHT(15) /* IOCTL_DEV */)
#define RIGHTS_TO_READ                                                                                       \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_TO_DEVICES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define RIGHTS_TO_WRITE   (~RIGHT(15))          /* all but device control */
#define ALL_SCOPES        (RIGHT(0) | RIGHT(1)) /* abstract Unix sockets; signals */

struct ruleset_attributes {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

/* What programs and runtimes read everywhere. The rest of /etc may hold secrets. */
static const char *const system_paths[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/proc",
    "/sys",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/run/connman", /* where resolv.conf may be, in a file that is replaced as networks come and go */
    "/run/resolvconf",
    "/run/systemd/resolve",
};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

static uint64_t handled_rights(int version)
{
    int last = sizeof rights_by_version / sizeof *rights_by_version - 1;
    return rights_by_version[version < last ? version : last];
}

/* A path that is not there, or that its user cannot reach, gives nobody anything. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
    struct stat status;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rights &= RIGHTS_OF_FILES;
    struct landlock_path_beneath_attr beneath = {.allowed_access = rights, .parent_fd = fd};
    long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    int error = failed ? errno : 0;
    close(fd);
    return error;
}

/* Whether `path` is `folder`, or inside it. */
static bool is_inside(const char *path, const char *folder)
{
    char real[PATH_MAX];
    size_t len = strlen(folder);
    return realpath(path, real) && strncmp(real, folder, len) == 0 &&
           (real[len] == '/' || real[len] == '\0' || folder[len - 1] == '/');
}

/* Landlock can only give. So of a folder with something hidden inside, each entry is given by itself, and of
 * the folder its list. */
static int allow_around(int ruleset, const struct launch_paths *hide, const char *path, uint64_t rights)
{
    char folder[PATH_MAX];
    bool holds_hidden = false;
    if (!realpath(path, folder))
        return 0;
    for (size_t i = 0; i < hide->count; i++) {
        if (is_inside(folder, hide->items[i]))
            return 0;
        holds_hidden |= is_inside(hide->items[i], folder);
    }
    if (!holds_hidden)
        return allow(ruleset, folder, rights);
    DIR *entries = opendir(folder);
    int error = allow(ruleset, folder, rights & LANDLOCK_ACCESS_FS_READ_DIR);
    for (struct dirent *entry; entries && !error && (entry = readdir(entries));) {
        char inner[PATH_MAX];
        bool is_named = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        if (is_named && entry->d_type != DT_LNK && /* a link leads to what has a rule of its own, or none */
            snprintf(inner, sizeof inner, "%s/%s", folder, entry->d_name) < (int)sizeof inner)
            error = allow_around(ruleset, hide, inner, rights);
    }
    if (entries)
        closedir(entries);
    return error;
}

static int allow_all(int ruleset, const struct launch *launch, const char *const *paths, size_t count,
                     uint64_t rights)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++)
        error = allow_around(ruleset, &launch->hide, paths[i], rights);
    return error;
}

/* What the worker is may be read though a folder above it is hidden. What is hidden in it stays so. */
static int allow_code(int ruleset, const struct launch_paths *hide, const char *path, uint64_t rights)
{
    char folder[PATH_MAX];
    struct launch_paths inside = {0};
    if (!realpath(path, folder))
        return 0;
    for (size_t i = 0; i < hide->count; i++) {
        if (is_inside(hide->items[i], folder))
            inside.items[inside.count++] = hide->items[i];
    }
    return allow_around(ruleset, &inside, folder, rights);
}

static int add_rules(int ruleset, const struct launch *launch, uint64_t handled)
{
    int error = allow_all(ruleset, launch, system_paths, sizeof system_paths / sizeof *system_paths,
                          handled & RIGHTS_TO_READ);
    if (!error)
        error = allow_all(ruleset, launch, devices, sizeof devices / sizeof *devices,
                          handled & RIGHTS_TO_DEVICES);
    if (!error)
        error = allow_all(ruleset, launch, launch->read.items, launch->read.count, handled & RIGHTS_TO_READ);
    for (size_t i = 0; i < launch->code.count && !error; i++)
        error = allow_code(ruleset, &launch->hide, launch->code.items[i], handled & RIGHTS_TO_READ);
    if (!error)
        error =
            allow_all(ruleset, launch, launch->write.items, launch->write.count, handled & RIGHTS_TO_WRITE);
    return error;
}

/* The version of the interface, or 0 and errno. */
static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* As who it is, because its own user may not list a folder that it may pass through. */
int launch_name_files(struct launch *launch)
{
    int version = landlock_version();
    if (version == 0)
        return errno;
    const struct ruleset_attributes attributes = {.files = handled_rights(version)};
    launch->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.files, 0);
    int error = launch->ruleset < 0 ? errno : add_rules(launch->ruleset, launch, attributes.files);
    return !error && version < VERSION_TRUNCATE ? EOPNOTSUPP : error;
}

static int restrict_self(int ruleset)
{
    int error = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
    close(ruleset);
    return error;
}

int launch_limit_files(struct launch *launch)
{
    return launch->ruleset > 0 ? restrict_self(launch->ruleset) : 0; /* why there is none was said */
}

int launch_limit_signals(struct launch *launch)
{
    (void)launch;
    if (landlock_version() < VERSION_SCOPES)
        return EOPNOTSUPP;
    const struct ruleset_attributes attributes = {.scopes = ALL_SCOPES};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    return ruleset < 0 ? errno : restrict_self(ruleset);
}

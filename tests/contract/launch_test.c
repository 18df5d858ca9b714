/* gateway/launch: each thing that a worker must not do is tried unconfined first, where this machine lets the
 * test do it, so that a refusal is known to come from the launcher. As root and as nobody, where the test
 * is run as root. */
#include "launch/sanitizer.h"
#include "launch_acts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534, OPTIONS_MAX = 16, LAUNCH_NOT_CONFINED = 126, TEXT_BYTES = 4096 };

static char self[PATH_MAX];
static char port[16];            /* that the test listens at */
static char folder[PATH_MAX];    /* of this test */
static char process[16];         /* its number */
static char missing[TEXT_BYTES]; /* measures that this machine does not allow, as the launcher says */

/* --- Running --- */

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    kill(-child, SIGKILL); /* what it started, as the gateway does */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Its exit status; 1000 and more: the signal that ended it. */
static int run_as(uid_t user, const char *const *arguments)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setpgid(0, 0);
        if (user != getuid() && (setgid(user) != 0 || setuid(user) != 0))
            _exit(125);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(124);
    }
    return wait_for(child);
}

static int try_free(uid_t user, const char *act, const char *argument)
{
    const char *const arguments[] = {self, "act", act, argument, NULL};
    return run_as(user, arguments);
}

/* `options` are words with blanks between them; %s in them is the test's folder. */
static int try_confined(uid_t user, const char *options, const char *act, const char *argument)
{
    char text[2 * PATH_MAX] = "";
    const char *arguments[OPTIONS_MAX + 8] = {LAUNCH, "--read", self};
    size_t count = 3;
    for (const char *rest; (rest = strstr(options, "%s")); options = rest + 2) {
        strncat(text, options, (size_t)(rest - options));
        strcat(text, folder);
    }
    strcat(text, options);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        assert_true(count < OPTIONS_MAX);
        arguments[count++] = word;
    }
    const char *const tail[] = {"--", self, "act", act, argument, NULL};
    memcpy(arguments + count, tail, sizeof tail);
    return run_as(user, arguments);
}

/* --- Files --- */

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void remove_files(void)
{
    static const char *const names[] = {"file", "program", "new", "pipe"};
    char path[2 * PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static void make_files(void)
{
    write_file("file", "text", 0644);
    write_file("program", "#!/bin/true\n", 0755);
}

/* --- What is refused, and what is not --- */

#define CALL(name)          NUMBER(SYS_##name)
#define NUMBER(number)      NUMBER_TEXT(number)
#define NUMBER_TEXT(number) #number

static const struct {
    const char *act;
    const char *argument; /* FOLDER, PROCESS and PORT: those of this test */
    const char *options;
    int refused_with;    /* 0: it is not */
    const char *measure; /* that refuses it; part of its name */
} cases[] = {
    {"read", "/etc/shadow", "", EACCES, "Landlock"},
    {"read", "FOLDER/file", "", EACCES, "Landlock"},
    {"read", "FOLDER/file", "--read %s", 0, ""},
    {"read", "FOLDER/file", "--write %s", 0, ""},
    {"read", "FOLDER/file", "--read %s/file", 0, ""},
    {"read", "/proc/self/status", "", 0, ""},
    {"read", "/etc/passwd", "", 0, ""},
    {"read", "/dev/urandom", "", 0, ""},
    {"list", "FOLDER", "--read %s/file", EACCES, "Landlock"},
    {"write", "/dev/null", "", 0, ""},
    {"write", "FOLDER/new", "", EACCES, "Landlock"},
    {"write", "FOLDER/new", "--read %s", EACCES, "Landlock"},
    {"write", "FOLDER/new", "--write %s", 0, ""},
    {"run", "FOLDER/program", "", EACCES, "Landlock"},
    {"run", "FOLDER/program", "--read %s", 0, ""},
    {"make a device", "FOLDER/device", "--write %s", ENOSYS, "seccomp"},
    {"make a pipe", "FOLDER/pipe", "--write %s", 0, ""},
    {"open an internet socket", "", "", EACCES, "seccomp"},
    {"open an internet socket", "", "--network all", 0, ""},
    {"open an internet 6 socket", "", "", EACCES, "seccomp"},
    {"open a packet socket", "", "--network all", ENOSYS, "seccomp"},
    {"open a local socket", "", "", 0, ""},
    {"open the memory of", "PROCESS", "", EACCES, "Landlock"},
    {"read the memory of", "PROCESS", "", ENOSYS, "seccomp"},
    {"read", "FOLDER/file", "--read /tmp --hide %s", EACCES, "Landlock"},
    {"read", "FOLDER/file", "--read %s --hide %s/program", 0, ""},
    {"read", "FOLDER/file", "--hide %s --code %s/file", 0, ""},
    {"list", "FOLDER", "--hide %s --code %s/file", EACCES, "Landlock"},
    {"run", "FOLDER/program", "--read %s --hide %s/program", EACCES, "Landlock"},
    {"list", "FOLDER", "--read %s --hide %s/program", 0, ""},
    {"reach this process", "PORT", "--network all", 0, ""},
    {"reach this process", "PORT", "--network loopback", ECONNREFUSED, "network"},
    {"reach itself", "", "--network loopback", 0, "network"},
    {"reach itself", "", "", EACCES, "seccomp"},
    {"signal", "PROCESS", "", EPERM, "scopes"},
    {"limit", "PROCESS", "", ENOSYS, "seccomp"},
    {"slow down", "PROCESS", "", ENOSYS, "seccomp"},
    {"leave the group", "", "", EPERM, "seccomp"},
    {"make a namespace", "", "", ENOSYS, "seccomp"},
    {"mount", "FOLDER", "--write %s", ENOSYS, "seccomp"},
    {"call", CALL(bpf), "", ENOSYS, "seccomp"},
    {"call", CALL(keyctl), "", ENOSYS, "seccomp"},
    {"call", CALL(perf_event_open), "", ENOSYS, "seccomp"},
    {"call", CALL(io_uring_setup), "", ENOSYS, "seccomp"},
    {"call", CALL(reboot), "", ENOSYS, "seccomp"},
    {"find a descriptor", "", "", 0, ""},
    {"open files", "100", "--open-files 64", EMFILE, "resources"},
    {"open files", "10", "--open-files 64", 0, ""},
#ifdef SANITIZER /* the leak checker traces its own process */
    {"trace", "PROCESS", "", EPERM, "Landlock"},
#else
    {"trace", "PROCESS", "", ENOSYS, "seccomp"},
    {"take megabytes", "64", "--data-bytes 33554432", ENOMEM, "resources"},
    {"take megabytes", "8", "--data-bytes 33554432", 0, ""},
#endif
    {"die with the parent", "", "", 0, ""},
};

static const char *expand(const char *argument, char path[static PATH_MAX])
{
    if (strcmp(argument, "PROCESS") == 0)
        return process;
    if (strcmp(argument, "PORT") == 0)
        return port;
    if (strncmp(argument, "FOLDER", 6) != 0)
        return argument;
    snprintf(path, PATH_MAX, "%.2048s%s", folder, argument + 6);
    return path;
}

static void check_cases(uid_t user)
{
    char path[PATH_MAX];
    make_files();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *measure = cases[i].measure;
        print_message("  as %u: %s %s %s\n", (unsigned)user, cases[i].act, cases[i].argument,
                      cases[i].options);
        if (*measure && strstr(missing, measure)) {
            print_message("    not on this machine: %s\n", missing);
            continue;
        }
        int got = try_confined(user, cases[i].options, cases[i].act, expand(cases[i].argument, path));
        assert_int_equal(got, cases[i].refused_with);
    }
    remove_files();
}

static void a_worker_can_do_its_work_and_nothing_else(void **state)
{
    (void)state;
    check_cases(getuid());
}

static void the_same_without_root(void **state)
{
    (void)state;
    if (getuid() != 0 || try_free(NOBODY, "read", self) != 0)
        skip(); /* it is so already, or nobody cannot reach the build tree */
    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    check_cases(NOBODY);
    assert_int_equal(chown(folder, 0, 0), 0);
}

/* Otherwise the cases above would show nothing. */
static void unconfined_the_same_is_possible(void **state)
{
    (void)state;
    char path[PATH_MAX];
    static const struct {
        const char *act;
        const char *argument;
    } possible[] = {
        {"read", "FOLDER/file"},        {"write", "FOLDER/new"},
        {"run", "FOLDER/program"},      {"open an internet socket", ""},
        {"reach this process", "PORT"}, {"signal", "PROCESS"},
        {"limit", "PROCESS"},           {"leave the group", ""},
    };
    make_files();
    for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
        assert_int_equal(try_free(getuid(), possible[i].act, expand(possible[i].argument, path)), 0);
    int other = dup(STDOUT_FILENO);
    assert_int_equal(try_free(getuid(), "find a descriptor", ""), EEXIST);
    close(other);
    remove_files();
}

static void a_worker_of_root_has_a_user_of_its_own(void **state)
{
    (void)state;
    static const char options[] = "--user 1999999980 --processes 20";
    if (getuid() != 0 || try_free(1999999980, "read", self) != 0)
        skip();
    make_files();
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(try_confined(0, options, "be user", "1999999980"), 0);
    assert_int_equal(try_confined(0, "--user 1999999980 --read %s", "read", "/etc/passwd"), 0);
    assert_int_equal(try_confined(0, "--user 1999999980 --read /", "read", "/etc/shadow"), EACCES);
    assert_int_equal(try_confined(0, options, "start processes", "40"), EAGAIN);
    remove_files();
}

/* It reads a key that is root's alone, and neither another one nor writes to it. */
static void a_worker_with_a_key_reads_that_and_nothing_else(void **state)
{
    (void)state;
    static const char options[] = "--user 1999999981 --read-any --read %s";
    char path[PATH_MAX];
    if (getuid() != 0 || try_free(1999999981, "read", self) != 0)
        skip();
    if (strstr(missing, "Landlock"))
        skip();
    make_files();
    assert_int_equal(chmod(expand("FOLDER/file", path), 0600), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(try_confined(0, "--user 1999999981 --read %s", "read", path), EACCES);
    assert_int_equal(try_confined(0, options, "read", path), 0);
    assert_int_equal(try_confined(0, options, "write", path), EACCES);
    assert_int_equal(try_confined(0, options, "read", "/etc/shadow"), EACCES);
    assert_int_equal(try_confined(0, options, "be user", "1999999981"), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    remove_files();
}

/* Root without its privileges owns what it owns, and may no more than another user. */
static void a_worker_that_stays_root_has_no_privileges(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip();
    make_files();
    char path[PATH_MAX];
    assert_int_equal(chown(expand("FOLDER/file", path), NOBODY, NOBODY), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(try_free(0, "read", path), 0);
    assert_int_equal(try_confined(0, "--read %s", "read", path), EACCES);
    remove_files();
}

static void a_fork_bomb_ends_at_its_limit(void **state)
{
    (void)state;
    /* Users that nobody else has, one for each: what was killed counts until it is reaped. */
    uid_t user = 1999999990;
    if (getuid() != 0 || try_free(user, "read", self) != 0)
        skip();
    assert_int_equal(try_free(user, "start processes", "40"), 0);
    assert_int_equal(try_confined(user + 1, "--processes 20", "start processes", "40"), EAGAIN);
    assert_int_equal(try_confined(user + 2, "--processes 20", "start processes", "10"), 0);
}

/* Its priority is as low as it gets, and not refused. */
static void priorities_end_somewhere(void **state)
{
    (void)state;
    assert_int_equal(try_confined(getuid(), "--required --nice 39", "have priority", "19"), 0);
}

static void what_is_required_and_cannot_be_had_ends_the_worker(void **state)
{
    (void)state;
    /* What is in the machine's /tmp it cannot have beside a /tmp of its own. */
    static const char options[] = "--read %s --scratch-bytes 65536",
                      required[] = "--required --read %s --scratch-bytes 65536";
    assert_int_equal(try_confined(getuid(), options, "open a local socket", ""), 0);
    assert_int_equal(try_confined(getuid(), required, "open a local socket", ""), LAUNCH_NOT_CONFINED);
}

/* --- Setting up --- */

static void ask_what_is_missing(void)
{
    FILE *output = popen(LAUNCH " --check --network loopback --processes 16",
                         "r"); /* NOLINT(cert-env33-c): a constant */
    assert_non_null(output);
    size_t len = fread(missing, 1, sizeof missing - 1, output);
    missing[len] = '\0';
    assert_int_equal(pclose(output), 0);
}

static void listen_locally(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(port, sizeof port, "%u", (unsigned)ntohs(address.sin_port));
}

static int set_up(void **state)
{
    (void)state;
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    snprintf(process, sizeof process, "%d", (int)getpid());
    snprintf(folder, sizeof folder, "/tmp/launch_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    listen_locally();
    ask_what_is_missing();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_files();
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "act") == 0)
        _exit(launch_act(argv[2], argv[3])); /* not exit: its status must not become a leak checker's */
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unconfined_the_same_is_possible),
        cmocka_unit_test(a_worker_can_do_its_work_and_nothing_else),
        cmocka_unit_test(the_same_without_root),
        cmocka_unit_test(a_worker_of_root_has_a_user_of_its_own),
        cmocka_unit_test(a_worker_with_a_key_reads_that_and_nothing_else),
        cmocka_unit_test(a_worker_that_stays_root_has_no_privileges),
        cmocka_unit_test(a_fork_bomb_ends_at_its_limit),
        cmocka_unit_test(priorities_end_somewhere),
        cmocka_unit_test(what_is_required_and_cannot_be_had_ends_the_worker),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

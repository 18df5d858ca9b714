/* `sluice passwd`: adds, changes and deletes users in a password file (app/passwords.h). */
#include "app/commands.h"
#include "app/file.h"
#include "app/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <mbedtls/platform_util.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_BYTES = 1024 };

static const char usage[] =
    "usage: sluice passwd FILE NAME [--iterations N]\n"
    "       sluice passwd FILE NAME --delete\n"
    "\n"
    "Sets the password of the user NAME in FILE, which is made if it is not there. It is\n"
    "asked for twice on a terminal, and else is the first line of standard input.\n"
    "`sluice reload` makes a running gateway take the file up.\n";

struct options {
    const char *file;
    struct span name;
    uint32_t iterations;
    bool is_delete;
};

static bool read_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.iterations = PASSWORDS_ITERATIONS};
    if (argc < 3 || argc > 5)
        return false;
    options->file = argv[1];
    options->name = span_from_string(argv[2]);
    if (argc == 3)
        return true;
    if (argc == 4) {
        options->is_delete = strcmp(argv[3], "--delete") == 0;
        return options->is_delete;
    }
    char *end;
    unsigned long iterations = strtoul(argv[4], &end, 10);
    options->iterations = (uint32_t)iterations;
    return strcmp(argv[3], "--iterations") == 0 && argv[4][0] >= '0' && argv[4][0] <= '9' && !*end &&
           iterations >= PASSWORDS_ITERATIONS_MIN && iterations <= PASSWORDS_ITERATIONS_MAX;
}

/* ---- Asking ---- */

/* One line without its end; false: there is none, or it is too long. */
static bool read_secret(char *text, size_t size)
{
    if (!fgets(text, (int)size, stdin))
        return false;
    size_t len = strlen(text);
    bool is_whole = len > 0 && (text[len - 1] == '\n' || len + 1 < size);
    text[strcspn(text, "\r\n")] = '\0';
    return is_whole;
}

static void on_interrupt(int number)
{
    (void)number; /* waiting ends by it */
}

/* False: Ctrl-C, which is held back but for here, so that it is never missed. */
static bool wait_for_line(void)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt}, usual;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    sigset_t none;
    sigemptyset(&none);
    sigaction(SIGINT, &interrupt, &usual);
    bool came = ppoll(&input, 1, NULL, &none) > 0;
    sigaction(SIGINT, &usual, NULL);
    return came;
}

/* Ctrl-C must not leave the terminal without its echo. */
static bool ask_once(const char *question, char *text, size_t size)
{
    struct termios before, silent;
    sigset_t interrupt, usual;
    fputs(question, stderr);
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &usual);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    bool got = wait_for_line() && read_secret(text, size);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    sigprocmask(SIG_SETMASK, &usual, NULL);
    fputc('\n', stderr);
    return got;
}

/* NULL, or what is wrong. */
static const char *ask(char *secret)
{
    char again[PASSWORD_BYTES];
    if (isatty(STDIN_FILENO)) {
        if (!ask_once("password: ", secret, PASSWORD_BYTES) || !ask_once("again: ", again, sizeof again))
            return "no password was given";
        bool same = strcmp(secret, again) == 0;
        mbedtls_platform_zeroize(again, sizeof again);
        if (!same)
            return "the two are not the same";
    } else if (!read_secret(secret, PASSWORD_BYTES)) {
        return "standard input has no password; allowed: a line of at most 1022 bytes";
    }
    return secret[0] ? NULL : "the password is empty";
}

/* ---- The file ---- */

/* The text with the user's line replaced by `entry`, or without it where that is NULL. Everything else stays
 * as it is. Returns whether the user was there. */
static bool edit(struct span text, struct span name, const struct password *entry, struct buffer *out)
{
    bool found = false;
    while (text.data && text.len > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        struct span line = span_of(text.data, end ? (size_t)(end - text.data) + 1 : text.len);
        bool is_users = span_starts_with(line, name) && line.len > name.len && line.data[name.len] == ':';
        if (!is_users)
            buffer_append(out, line);
        else if (entry)
            password_write(entry, out);
        if (!end && !is_users)
            buffer_append(out, SPAN_LITERAL("\n"));
        found |= is_users;
        text = span_skip(text, line.len);
    }
    if (!found && entry)
        password_write(entry, out);
    return found;
}

static int complain(const char *about, const char *text)
{
    fprintf(stderr, "sluice passwd: %s%s%s\n", about, *about ? ": " : "", text);
    return 1;
}

/* What is no password file is not overwritten. */
static int check_file(const struct options *options, struct span text)
{
    char wrong[PASSWORDS_TEXT_BYTES];
    struct passwords *passwords;
    if (passwords_parse(text, options->file, &passwords, wrong) != SLUICE_OK)
        return complain("", wrong);
    passwords_free(passwords);
    return 0;
}

static int make_entry(const struct options *options, struct password *ret_entry)
{
    char secret[PASSWORD_BYTES];
    uint8_t salt[PASSWORDS_SALT_BYTES];
    const char *wrong = ask(secret);
    if (wrong)
        return complain("", wrong);
    if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return complain("", "the system gives no random numbers");
    *ret_entry = password_make(options->name, span_from_string(secret), salt, options->iterations);
    mbedtls_platform_zeroize(secret, sizeof secret);
    return 0;
}

static int change(const struct options *options, const struct password *entry, struct span text)
{
    struct buffer out = {0};
    int status = check_file(options, text);
    if (status != 0)
        return status;
    bool found = edit(text, options->name, entry, &out);
    if (!entry && !found)
        status = complain(options->file, "there is no user of this name");
    else if (file_replace(options->file, 0600, buffer_span(&out)) != SLUICE_OK)
        status = complain(options->file, strerror(errno));
    buffer_fini(&out);
    return status;
}

/* Its folder, so that no change is lost when several are made at once; until it is closed. */
static int lock(const char *file)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", file);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        flock(folder, LOCK_EX);
    return folder;
}

static int change_file(const struct options *options, const struct password *entry)
{
    struct buffer text = {0};
    int status, folder = lock(options->file);
    enum sluice_error error = file_read(options->file, PASSWORDS_FILE_BYTES, &text);
    if (error && error != SLUICE_NOT_FOUND)
        status = complain(options->file, error == SLUICE_TOO_LARGE ? "it is too large" : strerror(errno));
    else
        status = change(options, entry, buffer_span(&text));
    buffer_fini(&text);
    if (folder >= 0)
        close(folder);
    return status;
}

int passwd_command(int argc, char **argv)
{
    struct options options;
    struct password entry;
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!password_name_valid(options.name)) {
        complain("", "the name is none; allowed: 1 to 128 characters without : and control characters");
        return 2;
    }
    int status = options.is_delete ? 0 : make_entry(&options, &entry);
    return status != 0 ? status : change_file(&options, options.is_delete ? NULL : &entry);
}

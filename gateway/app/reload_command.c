/* `sluice reload`: asks the gateway that has the configuration's data folder, and says what became of it. */
#include "app/commands.h"
#include "app/config.h"
#include "app/data_lock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_AGAIN_MS = 10, PATIENCE_MS = 60 * 1000 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int complain(const char *subject, const char *what)
{
    fprintf(stderr, "sluice reload: %s %s\n", subject, what);
    return 1;
}

/* A reload that began before it was asked for may have read older files: only a later one's word counts. */
static bool heard(const char *data, uint64_t asked_ns, bool *ret_done)
{
    struct buffer bytes = {0};
    struct data_lock_word word;
    bool is_word = data_lock_read_word(data, &bytes, &word) == SLUICE_OK && word.began_ns >= asked_ns;
    if (is_word) {
        fwrite(word.text.data, 1, word.text.len, word.done ? stdout : stderr);
        *ret_done = word.done;
    }
    buffer_fini(&bytes);
    return is_word;
}

static int wait_for_word(const char *data, pid_t gateway, uint64_t asked_ns)
{
    static const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    pid_t owner = gateway;
    bool done = false;
    for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += LOOK_AGAIN_MS) {
        if (heard(data, asked_ns, &done))
            return done ? 0 : 1;
        if (data_lock_owner(data, &owner) == SLUICE_NOT_FOUND || owner != gateway)
            return complain("the gateway", "has ended meanwhile");
        nanosleep(&pause, NULL);
    }
    return complain("the gateway", "has not answered within a minute; see its log");
}

static int reload(const char *data)
{
    pid_t gateway;
    enum sluice_error error = data_lock_owner(data, &gateway);
    if (error == SLUICE_NOT_FOUND)
        return complain(data, "is the data folder of no running gateway");
    if (error)
        return complain(data, strerror(errno));
    uint64_t asked_ns = now_ns();
    if (gateway <= 0) /* a process that this one cannot see has no number here */
        return complain(data, "is in use by a gateway that cannot be signalled from here");
    if (kill(gateway, SIGHUP) != 0)
        return complain("the gateway cannot be signalled:", strerror(errno));
    return wait_for_word(data, gateway, asked_ns);
}

/* The gateway will say the warnings itself. */
static bool check_config(const struct run_options *options, struct config **ret_config)
{
    char *problems = NULL;
    size_t len;
    FILE *out = open_memstream(&problems, &len);
    bool good = out && config_load_stage(options->config_file, options->stage, out, ret_config) == SLUICE_OK;
    if (out)
        fclose(out);
    if (!good)
        fputs(problems ? problems : "out of memory\n", stderr);
    free(problems);
    return good;
}

int reload_command(int argc, char **argv)
{
    struct run_options options;
    struct config *config;
    if (!run_options_read(argc, argv, &options) || !check_config(&options, &config))
        return 2;
    int status = reload(config->data);
    config_free(config);
    return status;
}

/* gateway_reload: everything is loaded and checked first, and taken up in one turn of the loop or not at all.
 */
#include "app/data_lock.h"
#include "app/gateway_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 1024 };

struct reload {
    struct gateway *gateway;
    struct buffer said; /* what the log got: for `sluice reload` */
    struct config *config;
    struct access *access;
    struct credentials *credentials;
    struct net_tls *tls[GATEWAY_LISTENERS]; /* NULL where a listener has none */
};

static void say(struct reload *reload, enum log_level level, const char *text)
{
    log_line(level, "reload: %s", text);
    buffer_append(&reload->said, span_from_string(level == LOG_WARNING ? "warning: " : ""));
    buffer_append(&reload->said, span_from_string(text));
    buffer_append(&reload->said, SPAN_LITERAL("\n"));
}

/* ---- Loading ---- */

/* `text` has a line for each problem; a warning's word is said by its level. */
static void say_problems(struct reload *reload, char *text)
{
    static const char mark[] = ": warning";
    for (char *line; (line = strsep(&text, "\n"));) {
        char *warning = strstr(line, ": warning: ");
        if (warning)
            memmove(warning, warning + strlen(mark), strlen(warning + strlen(mark)) + 1);
        if (*line)
            say(reload, warning ? LOG_WARNING : LOG_ERROR, line);
    }
}

static bool load_config(struct reload *reload)
{
    char *problems = NULL;
    size_t len;
    FILE *out = open_memstream(&problems, &len);
    if (!out)
        log_fatal("out of memory");
    bool loaded = config_load_stage(reload->gateway->started->file, reload->gateway->started->stage, out,
                                    &reload->config) == SLUICE_OK;
    fclose(out);
    say_problems(reload, problems);
    free(problems);
    return loaded;
}

/* A listener is only closed by a restart. */
static bool load_tls(struct reload *reload)
{
    const struct gateway *gateway = reload->gateway;
    char text[NET_TEXT_BYTES];
    for (size_t i = 0; i < gateway->listener_count; i++) {
        const struct net_tls *previous = net_listener_tls(gateway->listeners[i]);
        if (!previous)
            continue;
        if (!reload->config->tls.certificate || !reload->config->tls.key) {
            snprintf(text, sizeof text,
                     "%s needs gateway.tls.certificate and gateway.tls.key until a restart",
                     net_listener_name(gateway->listeners[i]));
            say(reload, LOG_ERROR, text);
            return false;
        }
        if (gateway_make_tls(reload->config, net_listener_name(gateway->listeners[i]), previous,
                             &reload->tls[i], text)) {
            say(reload, LOG_ERROR, text);
            return false;
        }
    }
    return true;
}

static bool load_credentials(struct reload *reload)
{
    char text[CREDENTIALS_TEXT_BYTES];
    if (credentials_new(reload->config, &reload->credentials, text) == SLUICE_OK)
        return true;
    say(reload, LOG_ERROR, text);
    return false;
}

/* ---- Taking up ---- */

static void take_up_config(struct reload *reload)
{
    struct gateway *gateway = reload->gateway;
    config_free(gateway->reloaded);
    gateway->config = gateway->reloaded = reload->config;
    reload->config = NULL;
}

static void take_up(struct reload *reload)
{
    struct gateway *gateway = reload->gateway;
    take_up_config(reload);
    for (size_t i = 0; i < gateway->listener_count; i++) {
        if (reload->tls[i])
            net_listener_set_tls(gateway->listeners[i], reload->tls[i]);
    }
    authenticator_set_credentials(gateway->authenticator, reload->credentials);
    gateway_keep_tls_sessions(gateway);
    broker_set_access(gateway->broker, reload->access);
    reload->access = NULL;
    broker_recheck(gateway->broker);
    https_recheck(gateway->https);
    functions_files_replaced(gateway->functions);
}

static void say_unchanged(struct reload *reload)
{
    char *paths = NULL, text[TEXT_BYTES];
    size_t len;
    FILE *out = open_memstream(&paths, &len);
    if (!out)
        log_fatal("out of memory");
    size_t count = config_print_changes(reload->gateway->started, reload->gateway->config, out);
    fclose(out);
    snprintf(text, sizeof text, "%s changed, and need%s a restart", paths, count == 1 ? "s" : "");
    if (count > 0)
        say(reload, LOG_WARNING, text);
    free(paths);
}

static void say_outcome(struct reload *reload, bool done)
{
    char text[TEXT_BYTES];
    if (done)
        snprintf(text, sizeof text, "%s is taken up", reload->gateway->config->file);
    else
        snprintf(text, sizeof text, "nothing was changed: what was loaded before stays in force");
    say(reload, done ? LOG_INFO : LOG_ERROR, text);
}

void gateway_reload(struct gateway *gateway)
{
    struct reload reload = {.gateway = gateway};
    uint64_t began_ns = uv_hrtime();
    if (gateway->stopping)
        return;
    bool done = load_config(&reload) && load_tls(&reload) && load_credentials(&reload);
    if (done) {
        reload.access = gateway_make_access(reload.config);
        take_up(&reload);
        say_unchanged(&reload);
        gateway_warn_of_expiry(gateway);
    }
    say_outcome(&reload, done);
    data_lock_leave_word(storage_lock(gateway->storage),
                         &(struct data_lock_word){began_ns, done, buffer_span(&reload.said)});
    for (size_t i = 0; i < GATEWAY_LISTENERS; i++)
        net_tls_unref(reload.tls[i]);
    credentials_unref(reload.credentials);
    config_free(reload.config);
    buffer_fini(&reload.said);
}

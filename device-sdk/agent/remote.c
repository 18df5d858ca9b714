#include "agent/remote.h"

#include "agent/json.h"
#include "agent/log.h"
#include "agent/stats.h"
#include "sluice/posix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATS_HOURS = 2 }; /* more are no answer of one small packet */

void remote_init(struct remote *remote, const struct agent_config *config, const struct sampler *sampler,
                 struct schedule *schedule, struct sluice_ledger *ledger)
{
    *remote = (struct remote){.config = config,
                              .sampler = sampler,
                              .schedule = schedule,
                              .ledger = ledger,
                              .action = {.descriptor = -1}};
    snprintf(remote->filter, sizeof remote->filter, "%s/+", config->commands);
    remote->filters[0] = remote->filter;
    remote->filter_count = config->commands[0] != '\0';
}

/* ---- answers ---- */

/* An answer being written; its text is NULL where memory ran out, and then nothing is answered. */
struct answer {
    FILE *out;
    char *text;
    size_t len;
};

static bool answer_begin(struct answer *answer)
{
    *answer = (struct answer){0};
    answer->out = open_memstream(&answer->text, &answer->len);
    if (!answer->out)
        agent_log("a command is not answered: no memory");
    return answer->out != NULL;
}

static void answer_end(struct remote *remote, struct answer *answer, const struct sluice_message *request,
                       const char *error_type)
{
    bool written = fclose(answer->out) == 0;
    enum sluice_error error =
        written ? sluice_device_answer(remote->device, request,
                                       (struct sluice_bytes){answer->text, answer->len}, error_type)
                : SLUICE_NO_MEMORY;
    if (error)
        agent_log("a command is not answered: %s", sluice_error_text(error));
    free(answer->text);
}

/* `output`: of an action, or NULL. */
static void answer_error(struct remote *remote, const struct sluice_message *request, const char *error_type,
                         const char *error_message, const char *output)
{
    struct answer answer;
    if (!answer_begin(&answer))
        return;
    fprintf(answer.out, "{\"errorType\":\"%s\",\"errorMessage\":", error_type);
    json_write_string(answer.out, error_message);
    if (output) {
        fputs(",\"output\":", answer.out);
        json_write_string(answer.out, output);
    }
    fputc('}', answer.out);
    answer_end(remote, &answer, request, error_type);
}

/* ---- what takes time ---- */

static struct sluice_bytes keep_bytes(char **at, struct sluice_bytes bytes)
{
    struct sluice_bytes kept = {*at, bytes.len};
    memcpy(*at, bytes.data ? bytes.data : "", bytes.len);
    *at += bytes.len;
    return kept;
}

/* Copies what the answer needs; false, and answered: there is something else to be done first. */
static bool keep_request(struct remote *remote, const struct sluice_message *message)
{
    if (remote->doing != REMOTE_IDLE) {
        answer_error(remote, message, "Busy", "another command is being done", NULL);
        return false;
    }
    char *at = remote->request_bytes;
    if (message->response_topic.len + message->correlation.len > sizeof remote->request_bytes)
        return false; /* cannot be: it came in one packet */
    remote->request = (struct sluice_message){.response_topic = keep_bytes(&at, message->response_topic),
                                              .correlation = keep_bytes(&at, message->correlation)};
    return true;
}

static void start_sample(struct remote *remote, const struct sluice_message *message)
{
    if (!keep_request(remote, message))
        return;
    remote->doing = REMOTE_SAMPLING;
    remote->schedule->next_ms = sluice_posix_now_ms();
}

void remote_sampled(struct remote *remote, const double *values)
{
    if (remote->doing != REMOTE_SAMPLING)
        return;
    remote->doing = REMOTE_IDLE;
    sluice_device_flush(remote->device);
    struct answer answer;
    if (!answer_begin(&answer))
        return;
    const char *before = "{";
    for (size_t i = 0; i < remote->sampler->list.count; i++) {
        const char *text = remote->sampler->texts[i];
        if (isnan(values[i]) && !text)
            continue;
        fputs(before, answer.out);
        json_write_value(answer.out, &remote->sampler->channels[i], values[i], text);
        before = ",";
    }
    fputs(*before == '{' ? "{}" : "}", answer.out);
    answer_end(remote, &answer, &remote->request, NULL);
}

static void start_action(struct remote *remote, const struct source *action,
                         const struct sluice_message *message)
{
    if (!keep_request(remote, message))
        return;
    agent_log("action %s is run as the gateway asks", action->name);
    remote->action.timeout_ms = action->timeout_ms;
    if (command_start(&remote->action, action->target, sluice_posix_now_ms()))
        remote->doing = REMOTE_ACTING;
    else
        answer_error(remote, message, "ActionFailed", "it could not be started", NULL);
}

void remote_step(struct remote *remote, uint64_t now_ms)
{
    if (remote->doing != REMOTE_ACTING || command_running(&remote->action, now_ms))
        return;
    remote->doing = REMOTE_IDLE;
    const char *output = remote->action.output;
    if (!remote->action.succeeded) {
        answer_error(remote, &remote->request, "ActionFailed",
                     now_ms >= remote->action.deadline_ms ? "it took too long and was killed"
                                                          : "its status is not 0",
                     output);
        return;
    }
    struct answer answer;
    if (!answer_begin(&answer))
        return;
    fputs("{\"output\":", answer.out);
    json_write_string(answer.out, output);
    fputc('}', answer.out);
    answer_end(remote, &answer, &remote->request, NULL);
}

static void answer_stopping(struct remote *remote, const struct sluice_message *request)
{
    answer_error(remote, request, "Stopping", "the agent was told to end", NULL);
}

void remote_stop(struct remote *remote)
{
    remote->stopping = true;
    command_stop(&remote->action);
    if (remote->doing != REMOTE_IDLE)
        answer_stopping(remote, &remote->request);
    remote->doing = REMOTE_IDLE;
}

struct pollfd remote_poll_entry(const struct remote *remote)
{
    return (struct pollfd){remote->doing == REMOTE_ACTING ? remote->action.descriptor : -1, POLLIN, 0};
}

uint64_t remote_deadline_ms(const struct remote *remote)
{
    return remote->doing == REMOTE_ACTING ? remote->action.deadline_ms : UINT64_MAX;
}

/* ---- what is done at once ---- */

static void flush(struct remote *remote, const struct sluice_message *message)
{
    struct answer answer;
    sluice_device_flush(remote->device);
    if (!answer_begin(&answer))
        return;
    fprintf(answer.out, "{\"queued\":%llu}",
            (unsigned long long)sluice_device_counters(remote->device).queued);
    answer_end(remote, &answer, message, NULL);
}

static void set_interval(struct remote *remote, const struct sluice_message *message)
{
    const char *text = message->payload.data;
    size_t len = message->payload.len;
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    char value[32], allowed[160];
    snprintf(value, sizeof value, "%.*s", (int)(len < sizeof value ? len : sizeof value - 1), text);
    if (len > 0 && !config_parse_interval(value, &remote->schedule->interval_ms, allowed, sizeof allowed)) {
        answer_error(remote, message, "InvalidPayload", allowed, NULL);
        return;
    }
    if (len > 0)
        remote->schedule->next_ms = sluice_posix_now_ms() + remote->schedule->interval_ms;
    struct answer answer;
    if (!answer_begin(&answer))
        return;
    fprintf(answer.out, "{\"interval_ms\":%u}", (unsigned)remote->schedule->interval_ms);
    answer_end(remote, &answer, message, NULL);
}

static void tell_stats(struct remote *remote, const struct sluice_message *message)
{
    struct answer answer;
    if (!answer_begin(&answer))
        return;
    stats_write(answer.out, remote->device, remote->ledger, remote->sampler->list.count, STATS_HOURS);
    answer_end(remote, &answer, message, NULL);
}

/* ---- which command it is ---- */

static const struct {
    const char *name;
    void (*run)(struct remote *remote, const struct sluice_message *message);
} builtins[] = {
    {"sample", start_sample},
    {"flush", flush},
    {"interval", set_interval},
    {"stats", tell_stats},
};

static void answer_unknown(struct remote *remote, const struct sluice_message *message)
{
    char names[512] = "there are";
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), " %s", builtins[i].name);
    for (size_t i = 0; i < remote->config->source_count; i++)
        if (remote->config->sources[i].kind == SOURCE_ACTION)
            snprintf(names + strlen(names), sizeof names - strlen(names), " %s",
                     remote->config->sources[i].name);
    answer_error(remote, message, "UnknownCommand", names, NULL);
}

static bool is_named(struct sluice_bytes name, const char *text)
{
    return name.len == strlen(text) && memcmp(name.data, text, name.len) == 0;
}

static void run(struct remote *remote, struct sluice_bytes name, const struct sluice_message *message)
{
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        if (is_named(name, builtins[i].name)) {
            builtins[i].run(remote, message);
            return;
        }
    for (size_t i = 0; i < remote->config->source_count; i++) {
        const struct source *source = &remote->config->sources[i];
        if (source->kind == SOURCE_ACTION && is_named(name, source->name)) {
            start_action(remote, source, message);
            return;
        }
    }
    answer_unknown(remote, message);
}

/* An answer that does not tell which command it is for is better than none. */
static void answer_uncorrelated(struct remote *remote, const struct sluice_message *message)
{
    char why[128];
    snprintf(why, sizeof why, "the Correlation Data is %zu bytes; allowed are %d", message->correlation.len,
             REMOTE_CORRELATION_BYTES);
    agent_log("a command is not done: %s", why);
    answer_error(remote, &(struct sluice_message){.response_topic = message->response_topic},
                 "InvalidPayload", why, NULL);
}

/* The session may still have a subscription from before the configuration was changed. */
static bool is_command(const struct remote *remote, const struct sluice_message *message)
{
    size_t prefix_bytes = strlen(remote->config->commands) + 1;
    return !message->retain && remote->filter_count > 0 && message->topic.len >= prefix_bytes &&
           memcmp(message->topic.data, remote->filter, prefix_bytes) == 0;
}

void remote_message(struct remote *remote, const struct sluice_message *message)
{
    size_t skipped = strlen(remote->config->commands) + 1;
    if (!is_command(remote, message))
        return;
    if (message->response_topic.len > 0 && message->correlation.len > REMOTE_CORRELATION_BYTES) {
        answer_uncorrelated(remote, message);
        return;
    }
    if (remote->stopping) {
        answer_stopping(remote, message);
        return;
    }
    const char *name = message->topic.data;
    run(remote, (struct sluice_bytes){name + skipped, message->topic.len - skipped}, message);
}

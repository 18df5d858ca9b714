/*
 * sluice-agent: samples a Linux board's sensors and publishes them. One thread and
 * one loop around poll(2): signals and the ends of commands come on a signalfd,
 * the device and the commands have descriptors of their own.
 */
#include "agent/log.h"
#include "agent/options.h"
#include "agent/remote.h"
#include "agent/sampler.h"
#include "agent/signer.h"
#include "agent/stats.h"
#include "agent/watch.h"
#include "sluice/device.h"
#include "sluice/posix.h"
#include "sluice/store.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A clock before 2020 was never set: the gateway stamps such samples. */
static const uint64_t CLOCK_SET_MS = 1577836800000;

enum { LEDGER_HOURS = 24 };

/* The exit status. A service starts anew after the second, and not after the third. */
enum {
    STATUS_DELIVERED,
    STATUS_FAILED, /* something is not delivered, or what is missing at start may be there later */
    STATUS_WRONG,  /* only another configuration helps */
};

struct agent {
    struct agent_config config;
    struct options options;
    struct sampler sampler;
    struct watches watches;
    struct remote remote;
    struct schedule schedule;
    struct sluice_port *port;
    struct sluice_ledger ledger; /* the device's port, before that one */
    struct sluice_hour hours[LEDGER_HOURS];
    struct sluice_device *device;
    void *memory;                 /* of the device */
    struct sluice_medium *medium; /* outbox_file, and the memory of the store on it */
    void *store_memory;
    FILE *stats;
    int signals;
    uint64_t next_delivery_ms; /* with [sampling] connect */
    uint64_t end_ms;
    bool stopping;
    bool was_online;
    char told_error[256]; /* the log has this already */
    char old_error[256];  /* when the agent came online */
};

/* A failure that repeats itself is one line, until the agent was online in between. What is from before that
 * is none of a state that goes well. */
static bool is_news(const struct agent *agent, enum sluice_device_state state, const char *error)
{
    bool goes_well = state != SLUICE_DEVICE_ONLINE && state != SLUICE_DEVICE_OFFLINE;
    return strcmp(error, agent->told_error) != 0 && !(goes_well && strcmp(error, agent->old_error) == 0);
}

static void on_state(void *context, enum sluice_device_state state)
{
    struct agent *agent = context;
    const char *error = sluice_device_error(agent->device);
    bool is_online = state == SLUICE_DEVICE_ONLINE;
    if (is_online && !agent->was_online) {
        agent_log("online at %s port %u as %s; %zu sensors go to %s", agent->config.host, agent->config.port,
                  agent->config.client_id, agent->sampler.list.count, agent->config.topic);
        agent->told_error[0] = '\0';
        snprintf(agent->old_error, sizeof agent->old_error, "%s", error);
    } else if (is_news(agent, state, error)) {
        agent_log("%s: %s", sluice_device_state_name(state), error);
        snprintf(agent->told_error, sizeof agent->told_error, "%s", error);
    }
    if (is_online || state == SLUICE_DEVICE_OFFLINE)
        agent->was_online = is_online;
}

static void on_message(void *context, const struct sluice_message *message)
{
    struct agent *agent = context;
    remote_message(&agent->remote, message);
}

static int list_sensors(struct sampler *sampler)
{
    double values[SENSORS_MAX];
    sampler_start(sampler, sluice_posix_now_ms());
    while (!sampler_finish(sampler, sluice_posix_now_ms(), values)) {
        struct pollfd entries[SENSORS_MAX];
        poll(entries, sampler_poll_entries(sampler, entries), 10);
    }
    for (size_t i = 0; i < sampler->list.count; i++) {
        const struct sensor *sensor = &sampler->list.sensors[i];
        char value[64] = "-";
        if (!isnan(values[i]))
            snprintf(value, sizeof value, "%.*f", sensor->decimals, values[i]);
        printf("%-32s %16s %-6s %s\n", sensor->name, sensor->text[0] ? sensor->text : value, sensor->unit,
               sensor->path);
    }
    return 0;
}

/* ---- start and end ---- */

static void on_notice(void *context, const char *sentence)
{
    (void)context;
    agent_log("%s", sentence);
}

/* NULL: the outbox is in RAM. Also where the file cannot be used: readings that arrive are worth more than
 * the safety of those that wait. */
static struct sluice_store *open_store(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    if (!config->outbox_file[0])
        return NULL;
    char why[SLUICE_POSIX_ERROR_BYTES] = "no memory for the outbox file";
    struct sluice_ring_config ring_config = {.commit_ms = config->outbox_commit_ms};
    struct sluice_store *store = NULL;
    if (sluice_posix_medium_new(config->outbox_file, config->outbox_file_bytes, why, &agent->medium) ==
        SLUICE_OK) {
        size_t bytes = sluice_ring_size(agent->medium->bytes, &ring_config);
        agent->store_memory = malloc(bytes);
        if (agent->store_memory &&
            sluice_ring_open(agent->store_memory, bytes, agent->medium, &ring_config, &store))
            snprintf(why, sizeof why, "the outbox file cannot be read");
    }
    if (!store) {
        sluice_posix_medium_free(agent->medium);
        agent->medium = NULL;
        agent_log("%s; what is not delivered is kept in memory only", why);
    } else if (store->count > 0) {
        agent_log("%zu messages of an earlier run wait in %s", store->count, config->outbox_file);
    }
    return store;
}

static enum sluice_error open_port(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    char why[SLUICE_POSIX_ERROR_BYTES];
    const bool signs = config->signer[0] != '\0';
    const char *key = signs ? NULL : config->key;
    enum sluice_error error = sluice_posix_new(
        &(struct sluice_posix_config){config->ca, config->certificate, key}, why, &agent->port);
    if (error) {
        agent_log("%s", why);
        return error;
    }
    if (signs)
        error = sluice_posix_sign_with(agent->port, signer_run, agent->config.signer);
    if (error) {
        agent_log("signer: %s", agent->port->error);
        return error;
    }
    if (config->session_file[0])
        sluice_posix_keep_session(agent->port, config->session_file, on_notice, NULL);
    sluice_ledger_init(&agent->ledger, &(struct sluice_ledger_config){.port = agent->port,
                                                                      .now_ms = sluice_posix_now_ms,
                                                                      .hours = agent->hours,
                                                                      .hour_count = LEDGER_HOURS,
                                                                      .traffic = sluice_posix_traffic});
    return SLUICE_OK;
}

static enum sluice_error open_device(struct agent *agent)
{
    const struct agent_config *config = &agent->config;
    remote_init(&agent->remote, config, &agent->sampler, &agent->schedule, &agent->ledger);
    struct sluice_device_config device_config = {
        .host = config->host,
        .port = (uint16_t)config->port,
        .client_id = config->client_id,
        .topic = config->topic,
        .channels = agent->sampler.channels,
        .channel_count = agent->sampler.list.count,
        .filters = agent->remote.filters,
        .filter_count = agent->remote.filter_count,
        .on_message = on_message,
        .on_state = on_state,
        .context = agent,
        .flush_ms = config->flush_ms,
        .when_full = (enum sluice_when_full)config->when_full,
        .store = open_store(agent),
        .sleeps = config->connect_ms > 0,
        .keep_alive_s = (uint16_t)(config->keep_alive_ms / 1000),
    };
    size_t bytes = sluice_device_size(&device_config, config->outbox_bytes);
    agent->memory = malloc(bytes);
    enum sluice_error error = agent->memory ? sluice_device_open(agent->memory, bytes, &device_config,
                                                                 &agent->ledger.port, &agent->device)
                                            : SLUICE_NO_MEMORY;
    agent->remote.device = agent->device;
    if (error)
        agent_log("these settings and %zu sensors cannot be used together: %s", agent->sampler.list.count,
                  sluice_error_text(error));
    return error;
}

static bool open_stats(struct agent *agent)
{
    const char *file = agent->options.stats;
    if (!file)
        return true;
    agent->stats = strcmp(file, "-") == 0 ? stdout : fopen(file, "we");
    if (!agent->stats)
        agent_log("--stats: cannot write %s: %s", file, strerror(errno));
    return agent->stats != NULL;
}

static void write_stats(struct agent *agent)
{
    stats_write(agent->stats, agent->device, &agent->ledger, agent->sampler.list.count, LEDGER_HOURS);
    fputc('\n', agent->stats);
    if (fflush(agent->stats))
        agent_log("--stats: cannot write %s: %s", agent->options.stats, strerror(errno));
}

static void free_agent(struct agent *agent)
{
    sampler_stop(&agent->sampler);
    command_stop(&agent->remote.action);
    if (agent->stats && agent->stats != stdout)
        fclose(agent->stats);
    if (agent->signals >= 0)
        close(agent->signals);
    sluice_posix_free(agent->port);
    free(agent->memory);
    free(agent->store_memory);
    sluice_posix_medium_free(agent->medium);
    free(agent);
}

static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the loop ---- */

static void stop(struct agent *agent, uint64_t now_ms)
{
    agent->stopping = true;
    sampler_stop(&agent->sampler);
    remote_stop(&agent->remote);
    sluice_device_close(agent->device, now_ms, agent->config.linger_ms);
}

/* Who tells the agent to end a second time does not want to wait; what is left still goes to its file. */
static void read_signals(struct agent *agent, uint64_t now_ms)
{
    struct signalfd_siginfo info;
    while (read(agent->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        if (agent->stopping)
            sluice_device_close(agent->device, now_ms, 0);
        else
            stop(agent, now_ms);
    }
}

/* Publishes what is gathered without waiting: after an urgent sample, or because it is time to connect. */
static void deliver(struct agent *agent, uint64_t now_ms)
{
    if (agent->config.connect_ms == 0) {
        sluice_device_flush(agent->device);
        return;
    }
    agent->next_delivery_ms = now_ms + agent->config.connect_ms;
    sluice_device_deliver(agent->device, now_ms, agent->config.linger_ms);
}

static void take_samples(struct agent *agent, uint64_t now_ms)
{
    struct schedule *schedule = &agent->schedule;
    bool urgent = sampler_watch(&agent->sampler);
    if (!agent->sampler.collecting && now_ms >= schedule->next_ms) {
        uint64_t missed_count = (now_ms - schedule->next_ms) / schedule->interval_ms;
        schedule->next_ms += (missed_count + 1) * schedule->interval_ms;
        sampler_start(&agent->sampler, now_ms);
    } else if (!agent->sampler.collecting && now_ms >= sampler_urgent_ms(&agent->sampler)) {
        sampler_start(&agent->sampler, now_ms);
    }
    double values[SENSORS_MAX];
    if (!sampler_finish(&agent->sampler, now_ms, values))
        return;
    uint64_t time_ms = sluice_posix_time_ms();
    if (time_ms < CLOCK_SET_MS)
        time_ms = 0;
    sluice_device_sample_texts(agent->device, now_ms, time_ms, values, agent->sampler.texts);
    urgent |= watch_sample(&agent->watches, agent->device, time_ms, values);
    remote_sampled(&agent->remote, values);
    if (agent->options.once)
        stop(agent, now_ms);
    else if (urgent || (agent->config.connect_ms > 0 && now_ms >= agent->next_delivery_ms))
        deliver(agent, now_ms);
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* When the sampler has something to do. */
static uint64_t sampling_ms(const struct agent *agent)
{
    if (agent->sampler.collecting)
        return sampler_deadline_ms(&agent->sampler);
    return earlier(agent->schedule.next_ms, sampler_urgent_ms(&agent->sampler));
}

static void wait_until(const struct agent *agent, uint64_t now_ms, uint64_t next_ms)
{
    struct pollfd entries[SENSORS_MAX + 3];
    struct sluice_wait wait = sluice_device_wait(agent->device);
    entries[0] = (struct pollfd){agent->signals, POLLIN, 0};
    entries[1] = (struct pollfd){wait.descriptor,
                                 (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
    entries[2] = remote_poll_entry(&agent->remote);
    size_t count = 3 + sampler_poll_entries(&agent->sampler, entries + 3);
    next_ms = earlier(next_ms, remote_deadline_ms(&agent->remote));
    if (!agent->stopping)
        next_ms = earlier(next_ms, earlier(agent->end_ms, sampling_ms(agent)));
    uint64_t left_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    poll(entries, count, left_ms > 60000 ? 60000 : (int)left_ms);
}

static int run(struct agent *agent)
{
    uint64_t now_ms = sluice_posix_now_ms();
    agent->schedule = (struct schedule){now_ms, agent->config.interval_ms};
    agent->end_ms = agent->options.for_ms ? now_ms + agent->options.for_ms : UINT64_MAX;
    while (sluice_device_state(agent->device) != SLUICE_DEVICE_CLOSED) {
        now_ms = sluice_posix_now_ms();
        read_signals(agent, now_ms);
        if (!agent->stopping)
            take_samples(agent, now_ms);
        remote_step(&agent->remote, now_ms);
        if (!agent->stopping && now_ms >= agent->end_ms)
            stop(agent, now_ms);
        uint64_t next_ms = sluice_device_poll(agent->device, now_ms);
        if (sluice_device_state(agent->device) != SLUICE_DEVICE_CLOSED)
            wait_until(agent, now_ms, next_ms);
    }
    struct sluice_device_counters counters = sluice_device_counters(agent->device);
    if (counters.queued > 0)
        agent_log("%llu messages are not delivered%s%s", (unsigned long long)counters.queued,
                  agent->medium ? "; they stay in " : "", agent->medium ? agent->config.outbox_file : "");
    if (agent->stats)
        write_stats(agent);
    return counters.queued > 0 ? STATUS_FAILED : STATUS_DELIVERED;
}

static int connect_and_run(struct agent *agent)
{
    enum sluice_error error = open_port(agent);
    if (!error)
        error = open_device(agent);
    if (error)
        return error == SLUICE_IO || error == SLUICE_NO_MEMORY ? STATUS_FAILED : STATUS_WRONG;
    return open_stats(agent) ? run(agent) : STATUS_WRONG;
}

static int start(struct agent *agent)
{
    if (agent->options.help) {
        options_print_help();
        return 0;
    }
    config_finish(&agent->config, !agent->options.list);
    if (agent->config.error_count > 0)
        return STATUS_WRONG;
    if (agent->options.check)
        return 0;
    agent->signals = watch_signals();
    if (!sampler_init(&agent->sampler, &agent->config)) /* its driver may come later */
        return STATUS_FAILED;
    if (agent->options.list)
        return list_sensors(&agent->sampler);
    if (agent->sampler.list.count == 0) {
        agent_log("this board has none of the sensors that are asked for");
        return STATUS_FAILED;
    }
    if (!watch_init(&agent->watches, &agent->config, &agent->sampler))
        return STATUS_FAILED;
    return connect_and_run(agent);
}

int main(int count, char **arguments)
{
    struct agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return STATUS_FAILED;
    agent->signals = -1;
    config_init(&agent->config);
    options_parse(&agent->options, &agent->config, arguments + (count > 0));
    int status = start(agent);
    free_agent(agent);
    return status;
}

/*
 * Commands that come to the agent over MQTT, and their answers. A command is a
 * message on COMMANDS/NAME, where COMMANDS is the `commands` key of [gateway] and
 * NAME one of those below or an [action] of the configuration:
 *
 *   sample     takes a sample at once and publishes it; answers with its values
 *   flush      publishes what is gathered; answers with what waits for the gateway
 *   interval   answers with the time between samples, after setting it where the
 *              payload is one, as text or as a JSON String: 30s, "30s"
 *   stats      answers with what --stats writes, of this hour and the last
 *   ACTION     runs its command; answers with its output. It gets nothing from
 *              the message, so who may send commands chooses only which one runs.
 *
 * Answers are JSON. An error is a document of errorType and errorMessage, as
 * functions answer, and is an `errorType` User Property too. What takes time
 * (sample, actions) is done one at a time: another one meanwhile is answered
 * Busy. A command whose Correlation Data is longer than an answer can carry is
 * not done, and answered InvalidPayload without it. A retained message is no
 * command: it would be one anew at every start.
 *
 * Memory: the caller's; of the answer's text malloc's, until it is in the outbox.
 * Owned by the agent's loop, in whose sluice_device_poll the messages come.
 */
#ifndef SLUICE_AGENT_REMOTE_H
#define SLUICE_AGENT_REMOTE_H

#include "agent/command.h"
#include "agent/config.h"
#include "agent/sampler.h"
#include "sluice/ledger.h"

#include <poll.h>

/* When samples are taken. */
struct schedule {
    uint64_t next_ms;
    uint32_t interval_ms;
};

enum {
    REMOTE_REQUEST_BYTES = 1024,         /* what the device takes as one packet */
    REMOTE_CORRELATION_BYTES = 240 - 14, /* what it publishes beside the longest errorType */
};

struct remote {
    const struct agent_config *config;
    const struct sampler *sampler;
    struct schedule *schedule;
    struct sluice_ledger *ledger;
    struct sluice_device *device;
    char filter[TOPIC_BYTES + 2];
    const char *filters[1]; /* it, for the device, */
    size_t filter_count;    /* unless no commands are taken */

    bool stopping;
    enum { REMOTE_IDLE, REMOTE_SAMPLING, REMOTE_ACTING } doing;
    struct sluice_message request; /* what is being done, of which these are the bytes */
    char request_bytes[REMOTE_REQUEST_BYTES];
    struct command action;
};

/* The pointers must outlive it; `device` is set by the caller when there is one. */
void remote_init(struct remote *remote, const struct agent_config *config, const struct sampler *sampler,
                 struct schedule *schedule, struct sluice_ledger *ledger);
void remote_message(struct remote *remote, const struct sluice_message *message);
/* A sample was taken. */
void remote_sampled(struct remote *remote, const double *values);
/* Answers for an action that has ended. */
void remote_step(struct remote *remote, uint64_t now_ms);
/* The agent ends: kills the action that runs, and answers who waits, and who asks from now on, Stopping. */
void remote_stop(struct remote *remote);

/* What to wait for, with a descriptor of -1 where there is nothing. */
struct pollfd remote_poll_entry(const struct remote *remote);
uint64_t remote_deadline_ms(const struct remote *remote); /* UINT64_MAX: none */

#endif

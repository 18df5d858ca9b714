/*
 * A long load on functions that fail now and then: whatever was accepted has
 * succeeded, is a dead letter, or is queued, to the last message.
 *
 *     soak_test GATEWAY FUNCTION [COUNT [RATE]]
 *
 * Publishers publish COUNT messages with QoS 1, RATE a second or as fast as the
 * gateway takes them. Each feeds two events of FUNCTION (functions/soak.c), one
 * message at a time and in batches; a subscriber gets the results of the
 * one, and a file those of the other; they name the messages. Once all are acknowledged, the gateway is
 * stopped while some of them wait for their next attempt, and started again to do the rest. Three count: the
 * PUBACKs and results, the gateway's ledger, and the dead letters in its
 * database.
 *
 * The last line says what was counted, the resident set and the journal's size on
 * the way. Status 1: something does not balance, a message was handled twice, or
 * the memory or the journal grew with the time.
 */
#include "durable_client.h"
#include "gateway_process.h"
#include "sizes.h"

#include "base/log.h"
#include "base/memory.h"
#include "deliver/state.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    COUNT = 20000,
    PUBLISHERS = 4,
    CLIENTS = PUBLISHERS + 1, /* and the subscriber */
    FUNCTIONS = 2,
    SAMPLES = 64,          /* of sizes, until all is acknowledged */
    SLACK_BYTES = 8 << 20, /* two files of the journal */
    LOOK_MS = 100,         /* between two looks at the dead letters; no measure of time */
    HANG_LOOKS = 600       /* without anything new: it hangs */
};

enum { SINGLE, BATCH };
static const char *const functions[FUNCTIONS] = {"single", "batch"};

enum seen {
    SEEN_NOT = 0,
    SEEN_RESULT = 1,
    SEEN_LETTER = 2,
};

struct sizes {
    uint64_t rss_bytes, journal_bytes;
};

struct ledger {
    uint64_t accepted, restored, succeeded, queued, dead_letters, discarded;
};

struct soak {
    struct gateway_process gateway;
    char folder[64], handled_file[128];
    struct durable_client_hooks hooks;
    struct durable_client *publishers[PUBLISHERS], *subscriber;
    uint32_t count; /* messages to publish */
    uint64_t rate;  /* a second; 0: as fast as it goes */
    uint64_t start_ms;
    uint64_t published, acknowledged;
    uint8_t *seen[FUNCTIONS]; /* by number: enum seen */
    uint64_t results, results_again, letters;
    struct sizes samples[SAMPLES];
    size_t sample_count;
    uint64_t faults;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void expect(struct soak *soak, const char *what, uint64_t expected, uint64_t found)
{
    if (expected == found)
        return;
    log_error("%s: %" PRIu64 " were expected, %" PRIu64 " were found", what, expected, found);
    soak->faults++;
}

/* ---- What the clients tell ---- */

static void on_packet(void *ctx)
{
    (void)ctx;
}

static void on_acknowledged(void *ctx, struct durable_client *client)
{
    (void)client;
    ((struct soak *)ctx)->acknowledged++;
}

static void on_handled(struct soak *soak, size_t function, uint64_t number, bool dup)
{
    if (number >= soak->published)
        log_fatal("%s has handled %" PRIu64 ", which nobody published", functions[function], number);
    if (soak->seen[function][number] == SEEN_NOT) {
        soak->seen[function][number] = SEEN_RESULT;
        soak->results++;
        return;
    }
    soak->results_again++;
    if (dup) /* its PUBACK may have been lost when the connection ended [MQTT-4.4.0-1] */
        return;
    log_error("%s has handled %" PRIu64 " twice", functions[function], number);
    soak->faults++;
}

static void on_message(void *ctx, struct durable_client *client, const struct mqtt_publish *publish)
{
    (void)client;
    char text[64];
    uint64_t number;
    snprintf(text, sizeof text, "%.*s", (int)publish->payload.len, (const char *)publish->payload.data);
    if (sscanf(text, "{\"number\":%" SCNu64, &number) != 1)
        log_fatal("single answered %s", text);
    on_handled(ctx, SINGLE, number, publish->dup);
}

/* ---- The load ---- */

/* How many messages are to be out by now. */
static uint64_t due_count(const struct soak *soak)
{
    uint64_t due = soak->rate ? (now_ms() - soak->start_ms) * soak->rate / 1000 : soak->count;
    return due < soak->count ? due : soak->count;
}

static void publish_due(struct soak *soak)
{
    uint64_t due = due_count(soak);
    for (size_t i = 0; i < PUBLISHERS; i++) {
        while (soak->published < due && durable_client_can_publish(soak->publishers[i])) {
            char topic[32], payload[128];
            snprintf(topic, sizeof topic, "load/%zu", i);
            snprintf(payload, sizeof payload,
                     "{\"number\":%" PRIu64 ",\"temperature\":21.5,\"unit\":\"Cel\"}", soak->published++);
            durable_client_publish(soak->publishers[i], span_from_string(topic), span_from_string(payload),
                                   1);
        }
    }
}

static struct durable_client *client_at(const struct soak *soak, size_t index)
{
    return index < PUBLISHERS ? soak->publishers[index] : soak->subscriber;
}

/* False: nothing came. */
static bool turn(struct soak *soak, int timeout_ms)
{
    struct pollfd polled[CLIENTS + 1];
    for (size_t i = 0; i < CLIENTS; i++)
        polled[i] = (struct pollfd){.fd = client_at(soak, i)->fd,
                                    .events = durable_client_events(client_at(soak, i))};
    polled[CLIENTS] = (struct pollfd){.fd = soak->gateway.log_fd, .events = POLLIN};
    if (poll(polled, CLIENTS + 1, timeout_ms) <= 0)
        return false;
    if (polled[CLIENTS].revents)
        gateway_process_log(&soak->gateway);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (polled[i].revents && !durable_client_run(client_at(soak, i)))
            log_fatal("the gateway closed the connection of %s", client_at(soak, i)->client_id);
    }
    return true;
}

static void connect_clients(struct soak *soak)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        durable_client_connect(client_at(soak, i), soak->gateway.port);
        while (client_at(soak, i)->state != CLIENT_READY)
            turn(soak, -1);
    }
}

/* ---- Sizes ---- */

static void take_samples(struct soak *soak)
{
    if (soak->acknowledged * SAMPLES / soak->count <= soak->sample_count || soak->sample_count == SAMPLES)
        return;
    char journal[128];
    snprintf(journal, sizeof journal, "%s/data/journal", soak->folder);
    soak->samples[soak->sample_count++] =
        (struct sizes){resident_bytes(soak->gateway.pid), folder_bytes(journal)};
}

/* Of the samples from `first` on, the largest of each. */
static struct sizes largest(const struct soak *soak, size_t first, size_t end)
{
    struct sizes most = {0, 0};
    for (size_t i = first; i < end; i++) {
        const struct sizes *sample = &soak->samples[i];
        most.rss_bytes = sample->rss_bytes > most.rss_bytes ? sample->rss_bytes : most.rss_bytes;
        most.journal_bytes =
            sample->journal_bytes > most.journal_bytes ? sample->journal_bytes : most.journal_bytes;
    }
    return most;
}

/* Neither grows with the time: in its second half a run takes no more than in its first, and a quarter of it.
 */
static void check_sizes(struct soak *soak)
{
    struct sizes before = largest(soak, 0, SAMPLES / 2), after = largest(soak, SAMPLES / 2, SAMPLES);
    printf("resident set %" PRIu64 " kB at first, %" PRIu64 " kB at last, at most %" PRIu64 " and %" PRIu64
           " kB in its halves; journal at most %" PRIu64 " and %" PRIu64 " kB\n",
           soak->samples[0].rss_bytes / 1024, soak->samples[SAMPLES - 1].rss_bytes / 1024,
           before.rss_bytes / 1024, after.rss_bytes / 1024, before.journal_bytes / 1024,
           after.journal_bytes / 1024);
    if (soak->rate == 0)
        return; /* its queues fill, up to their bounds */
    if (after.rss_bytes > before.rss_bytes + SLACK_BYTES ||
        after.journal_bytes > before.journal_bytes + SLACK_BYTES) {
        log_error("the gateway grows with the time");
        soak->faults++;
    }
}

/* ---- Dead letters ---- */

static struct state *open_state(const struct soak *soak)
{
    char path[128];
    snprintf(path, sizeof path, "%s/data/sluice.db", soak->folder);
    struct state *state;
    if (state_open_to_read(path, &state) != SLUICE_OK)
        log_fatal("%s cannot be read", path);
    return state;
}

static uint64_t count_letters(const struct soak *soak)
{
    uint64_t count = 0;
    struct state *state = open_state(soak);
    if (state_count_dead_letters(state, (struct state_letters){0}, &count) != SLUICE_OK)
        log_fatal("the dead letters cannot be counted");
    state_close(state);
    return count;
}

static void on_letter(void *ctx, const struct state_dead_letter *letter)
{
    struct soak *soak = ctx;
    size_t function = span_equal(letter->function, span_from_string(functions[BATCH]));
    char text[128];
    uint64_t number;
    snprintf(text, sizeof text, "%.*s", (int)letter->message->payload.len,
             (const char *)letter->message->payload.data);
    if (sscanf(text, "{\"number\":%" SCNu64, &number) != 1 || number >= soak->count)
        log_fatal("there is a dead letter of what nobody published: %s", text);
    soak->letters++;
    if (soak->seen[function][number] != SEEN_NOT) {
        log_error("%s: %" PRIu64 " has a dead letter, and a result or another one", functions[function],
                  number);
        soak->faults++;
    }
    soak->seen[function][number] = SEEN_LETTER;
}

static void read_letters(struct soak *soak)
{
    struct state *state = open_state(soak);
    if (state_list_dead_letters(state, (struct state_letters){0}, 0, SIZE_MAX >> 1, on_letter, soak) !=
        SLUICE_OK)
        log_fatal("the dead letters cannot be read");
    state_close(state);
}

/* ---- What the batches' function has written down ---- */

static uint64_t count_handled(const struct soak *soak)
{
    struct stat status;
    if (stat(soak->handled_file, &status) != 0)
        log_fatal("%s cannot be read", soak->handled_file);
    return (uint64_t)status.st_size / sizeof(uint32_t);
}

static void read_handled(struct soak *soak)
{
    uint32_t number;
    FILE *file = fopen(soak->handled_file, "r");
    if (!file)
        log_fatal("%s cannot be read", soak->handled_file);
    while (fread(&number, sizeof number, 1, file) == 1)
        on_handled(soak, BATCH, number, false);
    fclose(file);
}

/* ---- The story ---- */

static uint64_t ledger_field(const char *ledger, const char *name)
{
    char words[32];
    snprintf(words, sizeof words, "\"%s\":", name);
    const char *found = strstr(ledger, words);
    if (!found)
        log_fatal("the ledger has no %s: %s", name, ledger);
    return strtoull(found + strlen(words), NULL, 10);
}

static struct ledger stop_gateway(struct soak *soak)
{
    for (size_t i = 0; i < CLIENTS; i++)
        durable_client_leave(client_at(soak, i), true);
    int status = gateway_process_stop(&soak->gateway);
    buffer_append(&soak->gateway.log, span_of("", 1));
    const char *log = (const char *)buffer_span(&soak->gateway.log).data;
    const char *ledger = strstr(log, "{\"received\":");
    if (status != 0 || !ledger || !strstr(ledger, "\"dropped\":{}"))
        log_fatal("the gateway ended with status %d, or dropped something: %s", status,
                  ledger ? ledger : log);
    printf("%.*s\n", (int)strcspn(ledger, "\n"), ledger);
    gateway_process_reap();
    return (struct ledger){ledger_field(ledger, "accepted"),    ledger_field(ledger, "restored"),
                           ledger_field(ledger, "invoked"),     ledger_field(ledger, "queued"),
                           ledger_field(ledger, "deadLetters"), ledger_field(ledger, "discarded")};
}

/* Returns when all are acknowledged: some are handled by then, others wait. */
static void publish_all(struct soak *soak)
{
    soak->start_ms = now_ms();
    while (soak->acknowledged < soak->count) {
        publish_due(soak);
        turn(soak, soak->rate ? 1 : LOOK_MS);
        take_samples(soak);
    }
}

/* Until each message has a result or a dead letter. */
static void wait_for_rest(struct soak *soak)
{
    for (unsigned looks = 0; looks < HANG_LOOKS; looks++) {
        if (turn(soak, LOOK_MS))
            looks = 0;
        else if (soak->results + count_handled(soak) + count_letters(soak) >=
                 (uint64_t)soak->count * FUNCTIONS)
            return;
    }
    log_error("nothing came for a minute, and something is still missing");
    soak->faults++;
}

static void play(struct soak *soak)
{
    uint64_t all = (uint64_t)soak->count * FUNCTIONS;
    gateway_process_start(&soak->gateway);
    connect_clients(soak);
    publish_all(soak);
    struct ledger first = stop_gateway(soak);
    expect(soak, "accepted messages", all, first.accepted);
    expect(soak, "of these, succeeded, dead letters and queued", first.accepted,
           first.succeeded + first.dead_letters + first.queued);
    expect(soak, "dead letters", first.dead_letters, count_letters(soak));

    gateway_process_start(&soak->gateway);
    connect_clients(soak);
    wait_for_rest(soak);
    struct ledger last = stop_gateway(soak);
    read_handled(soak);
    read_letters(soak);
    expect(soak, "messages restored by the second start", first.queued, last.restored);
    expect(soak, "messages queued or discarded at the end", 0,
           last.queued + first.discarded + last.discarded);
    expect(soak, "messages with a result", first.succeeded + last.succeeded, soak->results);
    expect(soak, "messages with a dead letter", first.dead_letters + last.dead_letters, soak->letters);
    expect(soak, "messages with either", all, soak->results + soak->letters);
    check_sizes(soak);
    printf("%" PRIu64 " acknowledged, each for %d functions: %" PRIu64 " results (%" PRIu64
           " received again), %" PRIu64 " dead letters, %" PRIu64 " had been queued at the first stop; %s\n",
           soak->acknowledged, FUNCTIONS, soak->results, soak->results_again, soak->letters, first.queued,
           soak->faults ? "it does not balance" : "it balances");
}

static FILE *create(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        log_fatal("%s cannot be written", path);
    return file;
}

static void write_config(const char *path, const char *function, const char *handled_file)
{
    FILE *file = create(path);
    fprintf(file,
            "gateway:\n"
            "  listen: {mqtt: \"127.0.0.1:0\"}\n"
            "  anonymous: [mqtt]\n"
            "  access: [{who: anonymous, publish: [\"load/#\", \"wills/#\"], subscribe: [\"results/#\"]}]\n"
            "  journal: {segmentBytes: 4194304, maxBytes: 268435456}\n"
            "provider: {runtime: native}\n"
            "functions:\n"
            "  single:\n"
            "    handler: %s\n"
            "    events: [{iot: {sql: \"SELECT * FROM 'load/#'\"}}]\n"
            "    reply: results/single\n"
            "  batch:\n"
            "    handler: %s\n"
            "    events:\n"
            "      - iot: {sql: \"SELECT * FROM 'load/#'\", batchSize: 100, maximumBatchingWindow: 0.05,\n"
            "              functionResponseType: ReportBatchItemFailures}\n"
            "    environment: {HANDLED: %s}\n"
            "    files: {write: [%s]}\n",
            function, function, handled_file, handled_file);
    fclose(file);
}

static void make_clients(struct soak *soak)
{
    for (size_t i = 0; i < PUBLISHERS; i++) {
        char client_id[32];
        snprintf(client_id, sizeof client_id, "publisher-%zu", i);
        soak->publishers[i] = durable_client_new(client_id, &soak->hooks);
    }
    soak->subscriber = durable_client_new("subscriber", &soak->hooks);
    soak->subscriber->filter = "results/#";
    soak->subscriber->filter_qos = 1;
    for (size_t i = 0; i < FUNCTIONS; i++)
        soak->seen[i] = memory_new(soak->count);
}

static void free_clients(struct soak *soak)
{
    for (size_t i = 0; i < CLIENTS; i++)
        durable_client_free(client_at(soak, i));
    for (size_t i = 0; i < FUNCTIONS; i++)
        memory_free(soak->seen[i]);
    buffer_fini(&soak->gateway.log);
}

int main(int argc, char **argv)
{
    struct soak soak = {
        .gateway = {.program = argv[1]},
        .folder = "/tmp/soak_test.XXXXXX",
        .hooks = {.on_packet = on_packet, .on_acknowledged = on_acknowledged, .on_message = on_message},
        .count = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : COUNT,
        .rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0,
    };
    if (argc < 3 || soak.count == 0) {
        fprintf(stderr, "usage: soak_test GATEWAY FUNCTION [COUNT [RATE]]\n");
        return 2;
    }
    if (!mkdtemp(soak.folder))
        log_fatal("there is no temporary folder to be had");
    char config_file[128], command[128];
    snprintf(config_file, sizeof config_file, "%s/serverless.yml", soak.folder);
    snprintf(soak.handled_file, sizeof soak.handled_file, "%s/handled", soak.folder);
    fclose(create(soak.handled_file));
    chmod(soak.folder, 0711); /* functions have users of their own */
    chmod(soak.handled_file, 0666);
    write_config(config_file, argv[2], soak.handled_file);
    soak.gateway.config_file = config_file;
    soak.hooks.ctx = &soak;
    make_clients(&soak);
    play(&soak);
    free_clients(&soak);
    snprintf(command, sizeof command, "rm -rf '%s'", soak.folder);
    return system(command) == 0 && soak.faults == 0 ? 0 : 1;
}

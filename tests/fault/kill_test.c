/*
 * `kill -9` of the real gateway under load, many times over: what it has
 * acknowledged survives.
 *
 *     kill_test GATEWAY FUNCTION [KILLS [SEED]]
 *
 * Publishers with durable sessions publish with QoS 1 and 2; subscribers with
 * durable sessions come and go; a native function is fed by a rule, and its
 * results go to a subscriber. Each message is retained too, and each client has a
 * will (kept_check.h). After a random number of Control Packets from the
 * gateway, it is killed, started on the same data, and everybody resumes. At the
 * end each session's order makes the check exact: once the last message of a
 * publisher has come, whatever is missing before it never comes.
 *
 * The last line counts what happened. Status 1: something was lost, came twice
 * that must not, came out of order, or the gateway did not start.
 */
#include "durable_client.h"
#include "gateway_process.h"
#include "kept_check.h"

#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KILLS = 100,
    PUBLISHERS = 4,  /* the odd ones publish with QoS 2 */
    SUBSCRIBERS = 5, /* four of all messages, and last the one of results */
    COLLECTOR = SUBSCRIBERS - 1,
    CLIENTS = PUBLISHERS + SUBSCRIBERS,
    NUMBERS_MAX = 1 << 20,  /* messages of one publisher */
    KILL_PACKETS_LOG2 = 13, /* at most so many packets from ready to kill, */
    LEAVE_PACKETS = 2000,   /* and from one client's coming or going to the next's */
    PADDING_BYTES = 200,
    HANG_MS = 60000, /* after which nothing more is taken to come; no measure of time */
};

/* What one subscriber has got of one publisher. */
struct receipts {
    uint8_t *counts;     /* by number */
    uint32_t first_last; /* the highest number yet: first arrivals must be in order */
};

struct scenario {
    struct gateway_process gateway;
    struct durable_client_hooks hooks;
    struct durable_client *clients[CLIENTS]; /* publishers, then subscribers */
    struct receipts receipts[SUBSCRIBERS][PUBLISHERS];
    uint32_t published_max[PUBLISHERS]; /* nobody publishes beyond */
    uint64_t kill_after_packets;        /* 0: it will not be killed */
    uint64_t leave_after_packets;
    uint64_t random;
    uint64_t acknowledged, delivered, results;
    uint64_t duplicates_qos1, duplicates_qos2, disordered, lost, unkept;
    uint64_t *ready_us;
    uint64_t kills;
};

/* xorshift64*: the same kills for the same seed, as far as the machine lets them. */
static uint64_t random_below(struct scenario *scenario, uint64_t bound)
{
    scenario->random ^= scenario->random >> 12;
    scenario->random ^= scenario->random << 25;
    scenario->random ^= scenario->random >> 27;
    return (scenario->random * 0x2545F4914F6CDD1D >> 32) % bound;
}

static uint8_t qos_of_publisher(size_t publisher)
{
    return publisher % 2 ? 2 : 1;
}

static struct durable_client *subscriber_of(const struct scenario *scenario, size_t subscriber)
{
    return scenario->clients[PUBLISHERS + subscriber];
}

/* ---- What clients tell ---- */

static void on_packet(void *ctx)
{
    struct scenario *scenario = ctx;
    if (scenario->leave_after_packets > 0)
        scenario->leave_after_packets--;
    if (scenario->kill_after_packets > 0 && --scenario->kill_after_packets == 0) {
        gateway_process_kill(&scenario->gateway);
        scenario->kills++;
    }
}

static void on_acknowledged(void *ctx, struct durable_client *client)
{
    (void)client;
    ((struct scenario *)ctx)->acknowledged++;
}

static size_t subscriber_index(const struct scenario *scenario, const struct durable_client *client)
{
    size_t subscriber = 0;
    while (subscriber_of(scenario, subscriber) != client)
        subscriber++;
    return subscriber;
}

static void count_receipt(struct scenario *scenario, size_t subscriber, size_t publisher, uint32_t number)
{
    struct receipts *receipts = &scenario->receipts[subscriber][publisher];
    bool is_first = receipts->counts[number] == 0;
    if (receipts->counts[number] < UINT8_MAX)
        receipts->counts[number]++;
    if (subscriber == COLLECTOR) { /* functions may run side by side and again */
        scenario->results++;
        return;
    }
    scenario->delivered++;
    if (is_first && number < receipts->first_last) {
        log_error("%s got %u of publisher %zu after %u", subscriber_of(scenario, subscriber)->client_id,
                  number, publisher, receipts->first_last);
        scenario->disordered++;
    }
    if (number > receipts->first_last)
        receipts->first_last = number;
    if (is_first)
        return;
    if (qos_of_publisher(publisher) == 2 && subscriber_of(scenario, subscriber)->filter_qos == 2) {
        log_error("%s got %u of publisher %zu twice", subscriber_of(scenario, subscriber)->client_id, number,
                  publisher);
        scenario->duplicates_qos2++;
    } else {
        scenario->duplicates_qos1++;
    }
}

static void on_message(void *ctx, struct durable_client *client, const struct mqtt_publish *publish)
{
    struct scenario *scenario = ctx;
    char text[CLIENT_PACKET_BYTES];
    snprintf(text, sizeof text, "%.*s", (int)publish->payload.len, (const char *)publish->payload.data);
    size_t publisher;
    uint32_t number;
    if (sscanf(text, "{\"publisher\":%zu,\"number\":%" SCNu32, &publisher, &number) != 2 ||
        publisher >= PUBLISHERS || number >= scenario->clients[publisher]->next)
        log_fatal("%s got what nobody published: %s", client->client_id, text);
    count_receipt(scenario, subscriber_index(scenario, client), publisher, number);
}

/* ---- The load ---- */

static void publish_next(struct scenario *scenario, size_t publisher)
{
    static const char padding[PADDING_BYTES + 1] = {[0 ... PADDING_BYTES - 1] = 'x'};
    struct durable_client *client = scenario->clients[publisher];
    char topic[32], payload[PADDING_BYTES + 64];
    snprintf(topic, sizeof topic, "load/%zu", publisher);
    snprintf(payload, sizeof payload, "{\"publisher\":%zu,\"number\":%" PRIu32 ",\"padding\":\"%.*s\"}",
             publisher, client->next, (int)random_below(scenario, PADDING_BYTES), padding);
    durable_client_publish(client, span_from_string(topic), span_from_string(payload),
                           qos_of_publisher(publisher));
}

static void publish_more(struct scenario *scenario)
{
    for (size_t i = 0; i < PUBLISHERS; i++) {
        while (scenario->clients[i]->next < scenario->published_max[i] &&
               durable_client_can_publish(scenario->clients[i]))
            publish_next(scenario, i);
    }
}

/* Publishers come back at once, so that one of their connections overtakes the other. */
static void come_or_go(struct scenario *scenario)
{
    size_t i = random_below(scenario, CLIENTS);
    struct durable_client *client = scenario->clients[i];
    bool was_there = client->state != CLIENT_CLOSED;
    if (was_there)
        durable_client_leave(client, random_below(scenario, 2) == 0);
    if (!was_there || i < PUBLISHERS)
        durable_client_connect(client, scenario->gateway.port);
    scenario->leave_after_packets = 1 + random_below(scenario, LEAVE_PACKETS);
}

static void run_clients(struct scenario *scenario, const struct pollfd *polled)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        struct durable_client *client = scenario->clients[i];
        if (polled[i].fd < 0 || !polled[i].revents)
            continue;
        if (!durable_client_run(client) && scenario->gateway.pid != 0) {
            gateway_process_log(&scenario->gateway);
            log_fatal("the gateway closed the connection of %s", client->client_id);
        }
    }
}

/* One turn. False: nothing came. */
static bool turn(struct scenario *scenario)
{
    publish_more(scenario);
    struct pollfd polled[CLIENTS + 1];
    for (size_t i = 0; i < CLIENTS; i++)
        polled[i] = (struct pollfd){.fd = scenario->clients[i]->fd,
                                    .events = durable_client_events(scenario->clients[i])};
    polled[CLIENTS] = (struct pollfd){.fd = scenario->gateway.log_fd, .events = POLLIN};
    if (poll(polled, CLIENTS + 1, HANG_MS) <= 0)
        return false;
    if (polled[CLIENTS].revents)
        gateway_process_log(&scenario->gateway);
    run_clients(scenario, polled);
    return true;
}

/* What the gateway sent before it died is taken, to the last byte: it counts as said. */
static void take_last_words(struct scenario *scenario)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        while (scenario->clients[i]->fd >= 0 && durable_client_run(scenario->clients[i]))
            ;
    }
}

static void start_gateway(struct scenario *scenario)
{
    gateway_process_start(&scenario->gateway);
    scenario->ready_us[scenario->kills] = scenario->gateway.ready_us;
}

static void connect_clients(struct scenario *scenario, unsigned of_two_subscribers)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        bool comes = i < PUBLISHERS || random_below(scenario, 2) < of_two_subscribers;
        if (scenario->clients[i]->state == CLIENT_CLOSED && comes)
            durable_client_connect(scenario->clients[i], scenario->gateway.port);
    }
}

/* From ready to killed. */
static void play_round(struct scenario *scenario)
{
    connect_clients(scenario, 1);
    scenario->leave_after_packets = 1 + random_below(scenario, LEAVE_PACKETS);
    scenario->kill_after_packets =
        1 + random_below(scenario, UINT64_C(1) << random_below(scenario, KILL_PACKETS_LOG2 + 1));
    while (scenario->gateway.pid != 0) {
        if (!turn(scenario))
            log_fatal("the gateway hangs");
        if (scenario->leave_after_packets == 0 && scenario->gateway.pid != 0)
            come_or_go(scenario);
    }
    take_last_words(scenario);
}

/* ---- The end ---- */

/* A subscriber that is idle and has each publisher's last message has all that will come. */
static bool is_drained(const struct scenario *scenario)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        if (!durable_client_is_idle(scenario->clients[i]) || scenario->clients[i]->state != CLIENT_READY)
            return false;
    }
    for (size_t publisher = 0; publisher < PUBLISHERS; publisher++) {
        for (size_t subscriber = 0; subscriber < COLLECTOR; subscriber++) {
            uint32_t last = scenario->clients[publisher]->next - 1;
            if (scenario->receipts[subscriber][publisher].counts[last] == 0)
                return false;
        }
    }
    return true;
}

static uint64_t missing(const struct scenario *scenario, size_t subscriber)
{
    uint64_t count = 0;
    for (size_t publisher = 0; publisher < PUBLISHERS; publisher++) {
        for (uint32_t number = 0; number < scenario->clients[publisher]->next; number++)
            count += scenario->receipts[subscriber][publisher].counts[number] == 0;
    }
    return count;
}

/* The first one of each publisher: where to begin to look. */
static void report_missing(const struct scenario *scenario, size_t subscriber)
{
    for (size_t publisher = 0; publisher < PUBLISHERS; publisher++) {
        const struct durable_client *client = scenario->clients[publisher];
        const uint8_t *counts = scenario->receipts[subscriber][publisher].counts;
        const uint8_t *first = memchr(counts, 0, client->next);
        if (first)
            log_error("%s never got %zu of %" PRIu32 " of %s (QoS %d)",
                      subscriber_of(scenario, subscriber)->client_id, (size_t)(first - counts), client->next,
                      client->client_id, qos_of_publisher(publisher));
    }
}

static void stop_publishing(struct scenario *scenario, uint32_t more)
{
    for (size_t i = 0; i < PUBLISHERS; i++)
        scenario->published_max[i] = scenario->clients[i]->next + more;
}

static bool is_all_acknowledged(const struct scenario *scenario)
{
    for (size_t i = 0; i < PUBLISHERS; i++) {
        if (!durable_client_is_idle(scenario->clients[i]))
            return false;
    }
    return true;
}

/* A last message of each publisher goes behind all others, and all of them come. */
static void drain(struct scenario *scenario)
{
    connect_clients(scenario, 2);
    stop_publishing(scenario, 0);
    bool alive = true;
    while (alive && !is_all_acknowledged(scenario))
        alive = turn(scenario);
    stop_publishing(scenario, 1);
    while (alive && (!is_drained(scenario) || missing(scenario, COLLECTOR) > 0))
        alive = turn(scenario);
    if (!alive)
        log_error("nothing came for a minute, and something is still missing");
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        report_missing(scenario, i);
        scenario->lost += missing(scenario, i);
    }
}

static void stop_gateway(struct scenario *scenario)
{
    for (size_t i = 0; i < CLIENTS; i++)
        durable_client_leave(scenario->clients[i], true);
    int status = gateway_process_stop(&scenario->gateway);
    struct span log = buffer_span(&scenario->gateway.log);
    if (status != 0 || !memmem(log.data, log.len, "\"dropped\":{}", strlen("\"dropped\":{}")))
        log_fatal("the gateway ended with status %d and dropped something: %.*s", status, (int)log.len,
                  (const char *)log.data);
    gateway_process_reap();
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void report(const struct scenario *scenario)
{
    uint64_t published = 0, repeated = 0;
    for (size_t i = 0; i < PUBLISHERS; i++) {
        published += scenario->clients[i]->next;
        repeated += scenario->clients[i]->repeated_count;
    }
    qsort(scenario->ready_us, scenario->kills + 1, sizeof *scenario->ready_us, compare_u64);
    printf("%" PRIu64 " kills, %" PRIu64 " published (%" PRIu64 " times again), %" PRIu64
           " acknowledged, %" PRIu64 " delivered, %" PRIu64 " duplicates QoS 1, %" PRIu64
           " duplicates QoS 2, %" PRIu64 " out of order, %" PRIu64 " lost, %" PRIu64
           " retained or wills lost, %" PRIu64 " invoked (%" PRIu64 " results), ready in %" PRIu64
           " ms (median), %" PRIu64 " ms (longest)\n",
           scenario->kills, published, repeated, scenario->acknowledged, scenario->delivered,
           scenario->duplicates_qos1, scenario->duplicates_qos2, scenario->disordered, scenario->lost,
           scenario->unkept, published - missing(scenario, COLLECTOR), scenario->results,
           scenario->ready_us[scenario->kills / 2] / 1000, scenario->ready_us[scenario->kills] / 1000);
}

/* ---- The beginning ---- */

/* Small segments, so that they are rolled, copied and deleted; little memory, so that messages are read back.
 */
static void write_config(const char *path, const char *function)
{
    FILE *file = fopen(path, "w");
    if (!file)
        log_fatal("%s cannot be written", path);
    fprintf(file,
            "gateway:\n"
            "  listen: {mqtt: \"127.0.0.1:0\"}\n"
            "  anonymous: [mqtt]\n"
            "  access: [{who: anonymous, publish: [\"load/#\", \"wills/#\"], subscribe: [\"#\"]}]\n"
            "  limits: {queueMemoryBytes: 4096}\n"
            "  journal: {commitDelay: 1, segmentBytes: 65536}\n"
            "functions:\n"
            "  echo:\n"
            "    handler: %s\n"
            "    runtime: native\n"
            "    reservedConcurrency: 2\n"
            "    queueMemoryBytes: 4096\n"
            "    events: [{iot: {sql: \"SELECT * FROM 'load/#'\"}}]\n"
            "    reply: \"results/${publisher}\"\n",
            function);
    fclose(file);
}

static void make_clients(struct scenario *scenario)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        char client_id[32];
        size_t subscriber = i - PUBLISHERS;
        snprintf(client_id, sizeof client_id, "%s-%zu", i < PUBLISHERS ? "publisher" : "subscriber",
                 i < PUBLISHERS ? i : subscriber);
        struct durable_client *client = scenario->clients[i] =
            durable_client_new(client_id, &scenario->hooks);
        client->retains = true;
        if (i < PUBLISHERS)
            continue;
        client->filter = subscriber == COLLECTOR ? "results/#" : "load/#";
        client->filter_qos = subscriber != COLLECTOR && subscriber % 2 ? 2 : 1;
        for (size_t publisher = 0; publisher < PUBLISHERS; publisher++)
            scenario->receipts[subscriber][publisher].counts = memory_new(NUMBERS_MAX);
    }
}

static void free_clients(struct scenario *scenario)
{
    for (size_t i = 0; i < CLIENTS; i++)
        durable_client_free(scenario->clients[i]);
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        for (size_t publisher = 0; publisher < PUBLISHERS; publisher++)
            memory_free(scenario->receipts[i][publisher].counts);
    }
    buffer_fini(&scenario->gateway.log);
    memory_free(scenario->ready_us);
}

/* The sessions are there before the load and the first kill. */
static void make_sessions(struct scenario *scenario)
{
    connect_clients(scenario, 2);
    for (size_t i = 0; i < CLIENTS; i++) {
        while (scenario->clients[i]->state != CLIENT_READY) {
            if (!turn(scenario))
                log_fatal("the gateway does not take clients");
        }
    }
    for (size_t i = 0; i < PUBLISHERS; i++)
        scenario->published_max[i] = NUMBERS_MAX - 1;
}

static bool play(struct scenario *scenario, uint64_t kills)
{
    scenario->ready_us = memory_new_array(kills + 1, sizeof *scenario->ready_us);
    make_clients(scenario);
    start_gateway(scenario);
    make_sessions(scenario);
    while (scenario->kills < kills) {
        play_round(scenario);
        start_gateway(scenario);
        scenario->unkept += kept_check(scenario->gateway.port, scenario->clients, CLIENTS);
    }
    drain(scenario);
    stop_gateway(scenario);
    report(scenario);
    bool is_good = scenario->lost + scenario->unkept + scenario->duplicates_qos2 + scenario->disordered == 0;
    free_clients(scenario);
    return is_good;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: kill_test GATEWAY FUNCTION [KILLS [SEED]]\n");
        return 2;
    }
    uint64_t kills = argc > 3 ? strtoull(argv[3], NULL, 10) : KILLS;
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    char folder[] = "/tmp/kill_test.XXXXXX", config_file[PATH_MAX], command[PATH_MAX];
    if (!mkdtemp(folder))
        log_fatal("there is no temporary folder to be had");
    snprintf(config_file, sizeof config_file, "%s/serverless.yml", folder);
    write_config(config_file, argv[2]);
    struct scenario scenario = {
        .gateway = {.program = argv[1], .config_file = config_file},
        .hooks = {.on_packet = on_packet, .on_acknowledged = on_acknowledged, .on_message = on_message},
        .random = seed * 0x9E3779B97F4A7C15 + 1,
    };
    scenario.hooks.ctx = &scenario;
    printf("seed %" PRIu64 ", data in %s\n", seed, folder);
    bool is_good = play(&scenario, kills);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return is_good && system(command) == 0 ? 0 : 1;
}

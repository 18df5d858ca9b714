/*
 * What the broker costs without a network: packets as bytes in, packets as bytes
 * out, acknowledgements given at once. Prints one JSON line for each load.
 */
#include "base/memory.h"
#include "broker/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAYLOAD_BYTES = 64, BURST = 50, PEERS_MAX = 256 };

struct peer {
    struct channel *channel;
    struct buffer out;
    bool closed;
};

struct bench {
    struct broker *broker;
    struct peer peers[PEERS_MAX];
    size_t peer_count;
    uint64_t received_count;
};

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static void fill_random(void *ctx, uint8_t *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, 7, len);
}

static enum sluice_error store(void *ctx, struct broker_publish *publish, uint64_t *ret_seq)
{
    (void)ctx, (void)publish;
    *ret_seq = 0; /* nothing here is durable */
    return SLUICE_OK;
}

static void on_flush_soon(void *ctx)
{
    (void)ctx;
}

static void on_close(void *ctx)
{
    ((struct peer *)ctx)->closed = true;
}

static void on_pause(void *ctx, bool paused)
{
    (void)ctx, (void)paused;
    fprintf(stderr, "the broker held a connection back\n");
    exit(1);
}

static void give(struct peer *peer, struct span bytes)
{
    if (channel_input(peer->channel, bytes, 0) != bytes.len || peer->closed) {
        fprintf(stderr, "the broker did not take the packets\n");
        exit(1);
    }
}

static void give_packet(struct peer *peer, const struct mqtt_packet *packet)
{
    uint8_t bytes[512];
    struct writer out = writer_of(bytes, sizeof bytes);
    mqtt_encode(&out, packet);
    give(peer, writer_span(&out));
}

static struct peer *connect_peer(struct bench *bench, const char *filter, uint8_t qos)
{
    struct peer *peer = &bench->peers[bench->peer_count];
    struct channel_io io = {peer, &peer->out, on_flush_soon, on_close, on_pause};
    struct identity identity = {.kind = IDENTITY_ANONYMOUS};
    char client_id[16];
    snprintf(client_id, sizeof client_id, "peer%zu", bench->peer_count++);
    peer->channel = channel_open(bench->broker, &io, &identity, 0);
    give_packet(peer, &(struct mqtt_packet){
                          .type = MQTT_CONNECT,
                          .version = MQTT_3_1_1,
                          .connect = {.client_id = span_from_string(client_id), .clean_start = true}});
    if (filter) {
        uint8_t bytes[64];
        struct writer list = writer_of(bytes, sizeof bytes);
        mqtt_write_filter(&list, MQTT_SUBSCRIBE,
                          &(struct mqtt_filter){.filter = span_from_string(filter), .qos = qos});
        give_packet(peer, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                                .version = MQTT_3_1_1,
                                                .packet_id = 1,
                                                .filters.list = writer_span(&list)});
    }
    buffer_consume(&peer->out, buffer_len(&peer->out));
    return peer;
}

/* What the peer does with its packets: answers, in one stroke. */
static void answer_all(struct bench *bench, struct peer *peer)
{
    struct buffer answers = {0};
    struct span rest = buffer_span(&peer->out), packet;
    while (rest.len > 0 && mqtt_frame(rest, UINT32_MAX, &packet) == SLUICE_OK) {
        uint8_t type = packet.data[0] >> 4, qos = packet.data[0] >> 1 & 3;
        static const uint8_t answer_types[] = {
            [MQTT_PUBREC] = MQTT_PUBREL << 4 | 2, [MQTT_PUBREL] = MQTT_PUBCOMP << 4};
        uint8_t answer[4] = {0, 2, 0, 0};
        if (type == MQTT_PUBLISH) {
            bench->received_count++;
            size_t topic_bytes = (size_t)(packet.data[2] << 8 | packet.data[3]);
            answer[0] = qos == 1 ? MQTT_PUBACK << 4 : MQTT_PUBREC << 4;
            memcpy(answer + 2, packet.data + 4 + topic_bytes, 2);
        } else if (type == MQTT_PUBREC || type == MQTT_PUBREL) {
            answer[0] = answer_types[type];
            memcpy(answer + 2, packet.data + 2, 2);
        }
        if (answer[0] != 0 && !(type == MQTT_PUBLISH && qos == 0))
            buffer_append(&answers, span_of(answer, sizeof answer));
        rest = span_skip(rest, packet.len);
    }
    buffer_consume(&peer->out, buffer_len(&peer->out));
    if (buffer_len(&answers) > 0)
        give(peer, buffer_span(&answers));
    buffer_fini(&answers);
}

struct load {
    const char *name;
    size_t publishers, subscribers;
    uint8_t qos;
    bool pairs;           /* each publisher has a subscriber of its own */
    size_t other_filters; /* subscriptions that do not match */
    uint64_t messages;
};

static void encode_burst(struct buffer *burst, const char *topic, uint8_t qos, uint16_t first_id)
{
    uint8_t payload[PAYLOAD_BYTES] = {0}, bytes[256];
    buffer_consume(burst, buffer_len(burst));
    for (uint16_t i = 0; i < BURST; i++) {
        struct writer out = writer_of(bytes, sizeof bytes);
        mqtt_encode(&out, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                .version = MQTT_3_1_1,
                                                .packet_id = qos ? (uint16_t)(first_id + i) : 0,
                                                .publish = {.topic = span_from_string(topic),
                                                            .payload = span_of(payload, sizeof payload),
                                                            .qos = qos}});
        buffer_append(burst, writer_span(&out));
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void set_up(struct bench *bench, const struct load *load)
{
    struct broker_hooks hooks = {.wall_ms = wall_ms, .random = fill_random, .store = store};
    struct broker_config config = broker_config_default();
    config.output_bytes = 64 * 1024 * 1024;
    config.publish_rate.messages_a_second = UINT32_MAX; /* its clock stands still */
    config.publish_rate.bytes_a_second = RATE_BYTES_MAX;
    bench->broker = broker_new(&config, &hooks);
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "#");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    broker_set_access(bench->broker, access);
    char text[64];
    for (size_t i = 0; i < load->publishers; i++)
        connect_peer(bench, NULL, 0);
    for (size_t i = 0; i < load->subscribers; i++) {
        snprintf(text, sizeof text, "site/%zu/telemetry", i);
        connect_peer(bench, load->pairs ? text : "site/#", load->qos);
    }
    for (size_t i = 0; i < load->other_filters; i++) {
        if (i % 1000 == 0)
            connect_peer(bench, NULL, 0);
        uint8_t bytes[64];
        struct writer list = writer_of(bytes, sizeof bytes);
        snprintf(text, sizeof text, "other/%zu/+/x", i);
        mqtt_write_filter(&list, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(text)});
        struct peer *peer = &bench->peers[bench->peer_count - 1];
        give_packet(peer, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                                .version = MQTT_3_1_1,
                                                .packet_id = 1,
                                                .filters.list = writer_span(&list)});
        buffer_consume(&peer->out, buffer_len(&peer->out));
    }
}

static void run(const struct load *load)
{
    static struct bench bench;
    bench = (struct bench){.peer_count = 0};
    set_up(&bench, load);
    struct buffer bursts[PEERS_MAX] = {{0}};
    char topic[64];
    for (size_t i = 0; i < load->publishers; i++) {
        snprintf(topic, sizeof topic, "site/%zu/telemetry", i);
        encode_burst(&bursts[i], topic, load->qos, 1);
    }
    double started = seconds_now();
    for (uint64_t sent = 0; sent < load->messages; sent += BURST * load->publishers) {
        for (size_t i = 0; i < load->publishers; i++)
            give(&bench.peers[i], buffer_span(&bursts[i]));
        bool busy = true;
        while (busy) {
            busy = false;
            for (size_t i = 0; i < load->publishers + load->subscribers; i++) {
                busy |= buffer_len(&bench.peers[i].out) > 0;
                answer_all(&bench, &bench.peers[i]);
            }
        }
    }
    double ns = (seconds_now() - started) * 1e9 / (double)bench.received_count;
    printf("{\"bench\":\"broker\",\"load\":\"%s\",\"delivered\":%llu,\"ns_per_message\":%.0f}\n", load->name,
           (unsigned long long)bench.received_count, ns);
    for (size_t i = 0; i < bench.peer_count; i++) {
        channel_closed(bench.peers[i].channel, 0);
        buffer_fini(&bench.peers[i].out);
    }
    for (size_t i = 0; i < load->publishers; i++)
        buffer_fini(&bursts[i]);
    broker_free(bench.broker);
}

int main(void)
{
    static const struct load loads[] = {
        {"fan-in QoS 0, 100 to 1", 100, 1, 0, false, 0, 3000000},
        {"pairs QoS 0, 50:50", 50, 50, 0, true, 0, 3000000},
        {"pairs QoS 1, 50:50", 50, 50, 1, true, 0, 2000000},
        {"pairs QoS 2, 50:50", 50, 50, 2, true, 0, 1000000},
        {"pairs QoS 0 beside 100,000 other filters", 50, 50, 0, true, 100000, 2000000},
        {"fan-out QoS 0, 1 to 100", 1, 100, 0, false, 0, 100000},
    };
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        run(&loads[i]);
    return 0;
}

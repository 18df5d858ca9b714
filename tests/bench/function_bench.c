/*
 * What a publisher sees of a gateway that feeds functions. Prints one line.
 *
 *   function_bench latency PORT FUNCTION COUNT 0 PID
 *       publishes to bench/FUNCTION with QoS 0, one message at a time, and waits for its result on
 *       results/FUNCTION: microseconds from publish to result
 *   function_bench load PORT FUNCTION COUNT RATE PID
 *       50 publishers publish to bench/FUNCTION with QoS 1, at most 64 in flight each, RATE messages a second
 *       in all or, with 0, as fast as it goes: microseconds to the PUBACK, from when the message was due, and
 *       the rates of PUBACKs and of records that the results on results/FUNCTION count
 *
 * PID is the gateway's: its own processor time a message, without its workers'.
 */
#include "sizes.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/mqtt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PUBLISHERS = 50, WINDOW = 64, READ_BYTES = 65536, PACKET_BYTES = 256 };

struct connection {
    int fd;
    bool ready;
    struct buffer in, out;
    uint64_t sent_count, acknowledged_count;
    uint64_t sent_ns[WINDOW];
};

struct bench {
    struct connection subscriber, publishers[PUBLISHERS];
    uint64_t count; /* messages to publish */
    uint64_t rate;  /* a second; 0: as fast as it goes */
    uint64_t start_ns;
    uint64_t published, acknowledged, results, records;
    uint64_t *times_ns;
    char topic[64], results_topic[64];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void send_packet(struct connection *connection, struct mqtt_packet packet)
{
    packet.version = MQTT_5;
    size_t size = mqtt_encoded_size(&packet);
    struct writer writer = writer_of(buffer_reserve(&connection->out, size), size);
    mqtt_encode(&writer, &packet);
    buffer_grown(&connection->out, size);
}

static void flush(struct connection *connection)
{
    struct span out = buffer_span(&connection->out);
    ssize_t sent = out.len ? send(connection->fd, out.data, out.len, MSG_NOSIGNAL) : 0;
    if (sent < 0 && errno != EAGAIN)
        log_fatal("the gateway closed the connection");
    if (sent > 0)
        buffer_consume(&connection->out, (size_t)sent);
}

static void open_connection(struct connection *connection, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        log_fatal("there is no gateway at port %u", port);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    send_packet(connection, (struct mqtt_packet){.type = MQTT_CONNECT, .connect = {.clean_start = true}});
    flush(connection);
}

/* ---- Receiving ---- */

static void on_puback(struct bench *bench, struct connection *connection)
{
    uint64_t place = connection->acknowledged_count++ % WINDOW; /* PUBACKs come in order [MQTT-4.6.0-2] */
    bench->times_ns[bench->acknowledged++] = now_ns() - connection->sent_ns[place];
}

static void on_result(struct bench *bench, struct span payload)
{
    char text[PACKET_BYTES];
    snprintf(text, sizeof text, "%.*s", (int)payload.len, (const char *)payload.data);
    uint64_t records = 0;
    sscanf(text, "{\"records\":%" SCNu64, &records);
    bench->results++;
    bench->records += records;
}

static void on_packet(struct bench *bench, struct connection *connection, const struct mqtt_packet *packet)
{
    if (packet->type == MQTT_CONNACK || packet->type == MQTT_SUBACK)
        connection->ready = true;
    else if (packet->type == MQTT_PUBACK)
        on_puback(bench, connection);
    else if (packet->type == MQTT_PUBLISH)
        on_result(bench, packet->publish.payload);
    else
        log_fatal("%s was not expected", mqtt_type_name(packet->type));
}

static void receive(struct bench *bench, struct connection *connection)
{
    ssize_t count = recv(connection->fd, buffer_reserve(&connection->in, READ_BYTES), READ_BYTES, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN))
        log_fatal("the gateway closed the connection");
    if (count > 0)
        buffer_grown(&connection->in, (size_t)count);
    struct span whole;
    while (mqtt_frame(buffer_span(&connection->in), UINT32_MAX, &whole) == SLUICE_OK) {
        struct mqtt_packet packet;
        enum mqtt_reason reason;
        if (mqtt_decode(whole, MQTT_CLIENT, MQTT_5, &packet, &reason) != SLUICE_OK)
            log_fatal("a packet cannot be read: %s", mqtt_reason_text(reason));
        on_packet(bench, connection, &packet);
        buffer_consume(&connection->in, whole.len);
    }
}

/* Sends what waits, and takes what has come on the subscriber's and the publishers' connections. */
static void turn(struct bench *bench)
{
    struct connection *connections = &bench->subscriber;
    struct pollfd polled[1 + PUBLISHERS];
    for (size_t i = 0; i < 1 + PUBLISHERS; i++) {
        struct connection *connection = i ? &bench->publishers[i - 1] : connections;
        flush(connection);
        short events = (short)(POLLIN | (buffer_len(&connection->out) ? POLLOUT : 0));
        polled[i] = (struct pollfd){.fd = connection->fd, .events = events};
    }
    poll(polled, 1 + PUBLISHERS, bench->rate ? 1 : -1);
    for (size_t i = 0; i < 1 + PUBLISHERS; i++) {
        if (polled[i].revents)
            receive(bench, i ? &bench->publishers[i - 1] : connections);
    }
}

static void wait_ready(struct bench *bench, struct connection *connection)
{
    connection->ready = false;
    while (!connection->ready)
        turn(bench);
}

static void connect_all(struct bench *bench, uint16_t port)
{
    open_connection(&bench->subscriber, port);
    for (size_t i = 0; i < PUBLISHERS; i++)
        open_connection(&bench->publishers[i], port);
    for (size_t i = 0; i < PUBLISHERS; i++) {
        while (!bench->publishers[i].ready)
            turn(bench);
    }
    uint8_t list[64];
    struct writer filters = writer_of(list, sizeof list);
    mqtt_write_filter(&filters, MQTT_SUBSCRIBE,
                      &(struct mqtt_filter){.filter = span_from_string(bench->results_topic)});
    send_packet(
        &bench->subscriber,
        (struct mqtt_packet){.type = MQTT_SUBSCRIBE, .packet_id = 1, .filters = {writer_span(&filters)}});
    wait_ready(bench, &bench->subscriber);
}

/* ---- Publishing ---- */

/* When the next message is to be sent; what is sent later has waited already. */
static uint64_t due_ns(const struct bench *bench)
{
    return bench->rate ? bench->start_ns + bench->published * 1000000000 / bench->rate : now_ns();
}

static void publish(struct bench *bench, struct connection *connection, uint8_t qos)
{
    char payload[PACKET_BYTES];
    int len =
        snprintf(payload, sizeof payload, "{\"number\":%010" PRIu64 ",\"temperature\":21.5,\"unit\":\"Cel\"}",
                 bench->published + UINT64_C(1000000000));
    connection->sent_ns[connection->sent_count++ % WINDOW] = due_ns(bench);
    uint16_t packet_id = (uint16_t)(connection->sent_count % WINDOW + 1);
    send_packet(connection, (struct mqtt_packet){.type = MQTT_PUBLISH,
                                                 .packet_id = qos ? packet_id : 0,
                                                 .publish = {.topic = span_from_string(bench->topic),
                                                             .payload = span_of(payload, (size_t)len),
                                                             .qos = qos}});
    bench->published++;
}

/* How many messages are to be out by now. */
static uint64_t due_count(const struct bench *bench)
{
    if (bench->rate == 0)
        return bench->count;
    uint64_t due = (now_ns() - bench->start_ns) * bench->rate / 1000000000;
    return due < bench->count ? due : bench->count;
}

/* All publishers have a share in what is due, so that no one's window is always the full one. */
static void fill_windows(struct bench *bench)
{
    uint64_t due = due_count(bench);
    for (size_t i = 0; i < PUBLISHERS && bench->published < due; i++) {
        struct connection *connection = &bench->publishers[i];
        uint64_t share = bench->published + (due - bench->published) / (PUBLISHERS - i) + 1;
        while (bench->published < due && bench->published < share &&
               connection->sent_count - connection->acknowledged_count < WINDOW)
            publish(bench, connection, 1);
    }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void print_times(struct bench *bench, const char *what)
{
    qsort(bench->times_ns, bench->count, sizeof *bench->times_ns, compare_u64);
    printf("%s_p50_us=%.1f %s_p99_us=%.1f", what, (double)bench->times_ns[bench->count / 2] / 1e3, what,
           (double)bench->times_ns[bench->count * 99 / 100] / 1e3);
}

static void run_latency(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->count; i++) {
        uint64_t start_ns = now_ns();
        publish(bench, &bench->publishers[0], 0);
        while (bench->results <= i)
            turn(bench);
        bench->times_ns[i] = now_ns() - start_ns;
    }
    print_times(bench, "result");
}

static void run_load(struct bench *bench)
{
    uint64_t acknowledged_ns = 0;
    bench->start_ns = now_ns();
    while (bench->acknowledged < bench->count || bench->records < bench->count) {
        fill_windows(bench);
        turn(bench);
        if (bench->acknowledged == bench->count && !acknowledged_ns)
            acknowledged_ns = now_ns() - bench->start_ns;
    }
    double seconds = (double)(now_ns() - bench->start_ns) / 1e9;
    print_times(bench, "puback");
    printf(" pubacks_per_s=%.0f events_per_s=%.0f", (double)bench->count * 1e9 / (double)acknowledged_ns,
           (double)bench->count / seconds);
}

int main(int argc, char **argv)
{
    bool is_latency = argc == 7 && strcmp(argv[1], "latency") == 0;
    if (argc != 7 || (!is_latency && strcmp(argv[1], "load") != 0)) {
        fprintf(stderr, "usage: function_bench latency|load PORT FUNCTION COUNT RATE PID\n");
        return 2;
    }
    struct bench *bench = memory_new(sizeof *bench);
    snprintf(bench->topic, sizeof bench->topic, "bench/%s", argv[3]);
    snprintf(bench->results_topic, sizeof bench->results_topic, "results/%s", argv[3]);
    bench->count = strtoull(argv[4], NULL, 10);
    bench->rate = strtoull(argv[5], NULL, 10);
    pid_t gateway = (pid_t)strtoul(argv[6], NULL, 10);
    bench->times_ns = memory_new_array(bench->count, sizeof *bench->times_ns);
    connect_all(bench, (uint16_t)strtoul(argv[2], NULL, 10));
    uint64_t before_ms = processor_ms(gateway);
    if (is_latency)
        run_latency(bench);
    else
        run_load(bench);
    printf(" cpu_us=%.2f\n", (double)(processor_ms(gateway) - before_ms) * 1e3 / (double)bench->count);
    return 0; /* the process's end closes the connections */
}

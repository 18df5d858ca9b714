#include "retained_probe.h"

#include "base/buffer.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_BYTES = 65536, HANG_S = 60 };

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        log_fatal("the probe cannot connect");
    struct timeval hang = {.tv_sec = HANG_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof hang);
    return fd;
}

static void send_questions(int fd, const char *filter)
{
    uint8_t list[128], bytes[256];
    struct writer filters = writer_of(list, sizeof list), out = writer_of(bytes, sizeof bytes);
    mqtt_write_filter(&filters, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = span_from_string(filter)});
    const struct mqtt_packet questions[] = {
        {.type = MQTT_CONNECT, .version = MQTT_5, .connect = {.clean_start = true}},
        {.type = MQTT_SUBSCRIBE, .version = MQTT_5, .packet_id = 1, .filters = {writer_span(&filters)}},
        {.type = MQTT_PINGREQ, .version = MQTT_5},
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        mqtt_encode(&out, &questions[i]);
    if (out.failed || send(fd, bytes, writer_len(&out), MSG_NOSIGNAL) != (ssize_t)writer_len(&out))
        log_fatal("the probe cannot ask");
}

/* The next packet, a view of `in`; what is read before it is consumed. */
static struct span next_packet(int fd, struct buffer *in, size_t shown_bytes)
{
    struct span packet;
    buffer_consume(in, shown_bytes);
    while (mqtt_frame(buffer_span(in), UINT32_MAX, &packet) != SLUICE_OK) {
        ssize_t count = recv(fd, buffer_reserve(in, READ_BYTES), READ_BYTES, 0);
        if (count <= 0)
            log_fatal("the probe gets no answer");
        buffer_grown(in, (size_t)count);
    }
    return packet;
}

void retained_probe(uint16_t port, const char *filter,
                    void (*on_retained)(void *ctx, const struct mqtt_publish *publish), void *ctx)
{
    struct buffer in = {0};
    int fd = connect_to(port);
    send_questions(fd, filter);
    struct mqtt_packet packet = {0};
    for (size_t shown_bytes = 0; packet.type != MQTT_PINGRESP;) {
        struct span bytes = next_packet(fd, &in, shown_bytes);
        enum mqtt_reason reason;
        if (mqtt_decode(bytes, MQTT_CLIENT, MQTT_5, &packet, &reason) != SLUICE_OK)
            log_fatal("the probe cannot read a packet: %s", mqtt_reason_text(reason));
        if (packet.type == MQTT_PUBLISH && packet.publish.retain)
            on_retained(ctx, &packet.publish);
        shown_bytes = bytes.len;
    }
    buffer_fini(&in);
    close(fd);
}

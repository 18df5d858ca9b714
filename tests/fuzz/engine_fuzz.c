/*
 * A hostile Server to sluice_device. The input is what the Server sends, in
 * pieces: the low six bits of a length byte, then as many bytes, then the next
 * length byte. Bit 6 of a length byte breaks the connection first; bit 7 lets
 * time pass. Meanwhile the device samples and publishes into a small outbox.
 * Whatever comes, the counters balance and the device wants to be called again.
 */
#include "sluice/device.h"
#include "wire/span.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_port {
    struct sluice_port port; /* first: the two addresses are one */
    struct span incoming;
    bool is_broken;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static enum sluice_error fuzz_connect(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    (void)host, (void)tcp_port;
    ((struct fuzz_port *)(void *)port)->is_broken = false;
    return SLUICE_OK;
}

/* Takes what it is given in pieces that differ. */
static enum sluice_error fuzz_send(struct sluice_port *port, const void *data, size_t len, size_t *ret_sent)
{
    (void)port;
    *ret_sent = len > 40 ? ((const uint8_t *)data)[len / 2] % 40u + 1 : len;
    return SLUICE_OK;
}

static enum sluice_error fuzz_receive(struct sluice_port *port, void *memory, size_t capacity,
                                      size_t *ret_received)
{
    struct fuzz_port *fuzz = (struct fuzz_port *)(void *)port;
    if (fuzz->is_broken)
        return SLUICE_CLOSED;
    size_t len = fuzz->incoming.len < capacity ? fuzz->incoming.len : capacity;
    if (len == 0)
        return SLUICE_AGAIN;
    memcpy(memory, fuzz->incoming.data, len);
    fuzz->incoming = span_skip(fuzz->incoming, len);
    *ret_received = len;
    return SLUICE_OK;
}

static void fuzz_close(struct sluice_port *port)
{
    ((struct fuzz_port *)(void *)port)->incoming = SPAN_EMPTY;
}

static struct sluice_wait fuzz_wait(struct sluice_port *port)
{
    (void)port;
    return (struct sluice_wait){.descriptor = -1};
}

static uint32_t fuzz_random(struct sluice_port *port)
{
    (void)port;
    return 0; /* the next attempt is made at once */
}

/* The sanitizer sees whether all bytes of the message are there. */
static void on_message(void *context, const struct sluice_message *message)
{
    struct sluice_device **device = context;
    struct sluice_message answer = {.topic = message->response_topic.len ? message->response_topic
                                                                         : message->topic,
                                    .payload = message->payload,
                                    .correlation = message->correlation};
    sluice_device_publish(*device, &answer);
}

static void check_balance(const struct sluice_device *device)
{
    struct sluice_device_counters c = sluice_device_counters(device);
    require(c.published == c.acknowledged + c.dropped_oldest + c.dropped_thinned + c.dropped_rejected +
                               c.dropped_too_large + c.queued);
    require(c.samples >= c.samples_published + c.samples_dropped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sluice_channel channels[] = {{"a", "V", 1, SLUICE_DECIMAL}};
    static const char *const filters[] = {"c/#", "d"};
    static struct fuzz_port port;
    static _Alignas(max_align_t) uint8_t memory[8192];
    struct sluice_device *device;
    port = (struct fuzz_port){.port = {.connect = fuzz_connect,
                                       .send = fuzz_send,
                                       .receive = fuzz_receive,
                                       .close = fuzz_close,
                                       .wait = fuzz_wait,
                                       .random = fuzz_random,
                                       .error = "the connection is closed"}};
    const struct sluice_device_config config = {
        .host = "h",
        .client_id = "c",
        .topic = "t",
        .channels = channels,
        .channel_count = 1,
        .filters = filters,
        .filter_count = 2,
        .on_message = on_message,
        .context = &device,
        .packet_bytes = 200,
        .receive_bytes = 256,
        .when_full = size % 2 ? SLUICE_DROP_OLDEST : SLUICE_THIN_OUT,
    };
    require(sluice_device_open(memory, sluice_device_size(&config, 600), &config, &port.port, &device) ==
            SLUICE_OK);
    uint64_t now_ms = 1, next_ms = sluice_device_poll(device, now_ms);
    for (struct reader at = reader_of(span_of(data, size)); reader_left(&at) > 0;) {
        uint8_t step = read_u8(&at);
        size_t len = step & 0x3F, left = reader_left(&at);
        port.is_broken = step & 0x40;
        if (step & 0x80 && next_ms != UINT64_MAX)
            now_ms = next_ms > now_ms ? next_ms : now_ms + 1;
        sluice_device_sample(device, now_ms, 0, (double[]){step});
        if (step & 1)
            sluice_device_flush(device);
        port.incoming = read_bytes(&at, len < left ? len : left);
        next_ms = sluice_device_poll(device, now_ms);
        check_balance(device);
    }
    sluice_device_close(device, now_ms, 10);
    sluice_device_poll(device, now_ms + 10);
    require(sluice_device_state(device) == SLUICE_DEVICE_CLOSED);
    return 0;
}

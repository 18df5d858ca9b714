#include "fake_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct fake_port *fake_of(struct sluice_port *port)
{
    return (struct fake_port *)(void *)port;
}

static enum sluice_error fake_connect(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    struct fake_port *fake = fake_of(port);
    assert_string_equal(host, "gateway");
    assert_int_equal(tcp_port, 8883);
    assert_false(fake->is_open);
    if (fake->connect_result)
        return fake->connect_result;
    fake->is_open = true;
    fake->open_count++;
    fake->sent_bytes = fake->flushed_bytes = fake->taken_bytes = fake->incoming_bytes = fake->given_bytes = 0;
    return SLUICE_OK;
}

static enum sluice_error fake_send(struct sluice_port *port, const void *data, size_t len, size_t *ret_sent)
{
    struct fake_port *fake = fake_of(port);
    assert_true(fake->is_open && len > 0);
    if (fake->stream_result || fake->send_max_bytes == 0)
        return fake->stream_result ? fake->stream_result : SLUICE_AGAIN;
    len = len < fake->send_max_bytes ? len : fake->send_max_bytes;
    assert_true(fake->sent_bytes + len <= sizeof fake->sent);
    memcpy(fake->sent + fake->sent_bytes, data, len);
    fake->sent_bytes += len;
    *ret_sent = len;
    return SLUICE_OK;
}

static void fake_flush(struct sluice_port *port)
{
    fake_of(port)->flushed_bytes = fake_of(port)->sent_bytes;
}

static enum sluice_error fake_receive(struct sluice_port *port, void *memory, size_t capacity,
                                      size_t *ret_received)
{
    struct fake_port *fake = fake_of(port);
    assert_true(fake->is_open && capacity > 0);
    size_t len = fake->incoming_bytes - fake->given_bytes;
    if (len == 0)
        return fake->stream_result ? fake->stream_result : SLUICE_AGAIN;
    len = len < capacity ? len : capacity;
    len = len < fake->receive_max_bytes ? len : fake->receive_max_bytes;
    memcpy(memory, fake->incoming + fake->given_bytes, len);
    fake->given_bytes += len;
    *ret_received = len;
    return SLUICE_OK;
}

static void fake_close(struct sluice_port *port)
{
    struct fake_port *fake = fake_of(port);
    fake->is_open = false;
    fake->flushed_bytes = fake->sent_bytes;
    fake->close_count++;
}

static struct sluice_wait fake_wait(struct sluice_port *port)
{
    return (struct sluice_wait){.descriptor = 7, .readable = true, .writable = !fake_of(port)->is_open};
}

static uint32_t fake_random(struct sluice_port *port)
{
    return fake_of(port)->next_random;
}

void fake_port_init(struct fake_port *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->port = (struct sluice_port){
        .connect = fake_connect,
        .send = fake_send,
        .flush = fake_flush,
        .receive = fake_receive,
        .close = fake_close,
        .wait = fake_wait,
        .random = fake_random,
        .error = "the cable is out",
    };
    fake->send_max_bytes = fake->receive_max_bytes = SIZE_MAX;
    fake->next_random = UINT32_MAX; /* the longest delay */
}

bool fake_port_take(struct fake_port *fake, struct mqtt_packet *ret_packet)
{
    struct span rest = span_of(fake->sent + fake->taken_bytes, fake->flushed_bytes - fake->taken_bytes),
                packet;
    if (mqtt_frame(rest, UINT32_MAX, &packet))
        return false;
    enum mqtt_reason reason;
    assert_int_equal(mqtt_decode(packet, MQTT_SERVER, MQTT_5, ret_packet, &reason), SLUICE_OK);
    fake->taken_bytes += packet.len;
    return true;
}

void fake_port_give(struct fake_port *fake, struct span bytes)
{
    assert_true(fake->incoming_bytes + bytes.len <= sizeof fake->incoming);
    memcpy(fake->incoming + fake->incoming_bytes, bytes.data, bytes.len);
    fake->incoming_bytes += bytes.len;
}

void fake_port_give_packet(struct fake_port *fake, const struct mqtt_packet *packet)
{
    uint8_t memory[4096];
    struct writer out = writer_of(memory, sizeof memory);
    mqtt_encode(&out, packet);
    assert_false(out.failed);
    fake_port_give(fake, writer_span(&out));
}

void fake_port_give_ack(struct fake_port *fake, enum mqtt_type type, uint16_t packet_id,
                        enum mqtt_reason reason)
{
    fake_port_give_packet(
        fake,
        &(struct mqtt_packet){.type = type, .version = MQTT_5, .packet_id = packet_id, .reason = reason});
}

/*
 * A port without a network, for tests: what the device sends is kept, what it is
 * to receive is put here, and each function can be made to wait or fail. Below it
 * stands a small MQTT Server's side, which decodes what came with the Server's
 * half of the codec.
 */
#ifndef SLUICE_TESTS_FAKE_PORT_H
#define SLUICE_TESTS_FAKE_PORT_H

#include "sluice/port.h"
#include "wire/mqtt.h"

struct fake_port {
    struct sluice_port port; /* first: the two addresses are one */
    enum sluice_error connect_result;
    enum sluice_error stream_result; /* SLUICE_OK: the stream works */
    size_t send_max_bytes;           /* a call; 0: send gives SLUICE_AGAIN */
    size_t receive_max_bytes;
    unsigned open_count, close_count;
    bool is_open;
    uint32_t next_random;

    uint8_t sent[65536]; /* by the device, in this connection */
    size_t sent_bytes;
    size_t flushed_bytes; /* of them: what is not flushed does not arrive */
    size_t taken_bytes;   /* of them, by fake_port_take */
    uint8_t incoming[65536];
    size_t incoming_bytes;
    size_t given_bytes;
};

void fake_port_init(struct fake_port *fake);
/* The next whole packet that the device sent; false: there is none. A packet that breaks the standard fails
 * the test. */
bool fake_port_take(struct fake_port *fake, struct mqtt_packet *ret_packet);
void fake_port_give(struct fake_port *fake, struct span bytes);
void fake_port_give_packet(struct fake_port *fake, const struct mqtt_packet *packet);
void fake_port_give_ack(struct fake_port *fake, enum mqtt_type type, uint16_t packet_id,
                        enum mqtt_reason reason);

#endif

/*
 * The MQTT 5 Client of a device, sans-I/O: bytes and `now_ms` in; bytes, callbacks
 * and the next deadline out. It knows one connection after the other; the
 * Session, that is the unacknowledged packets in the outbox with their Packet
 * Identifiers, outlives them.
 *
 * Memory: the caller's, fixed at init; strings of the configuration are not
 * copied. Thread: the caller's. Errors: a call that fails has left a sentence in
 * `error`, and the connection must be closed, after one try to send what
 * engine_output still gives (a DISCONNECT with the Reason Code). Received bytes
 * never reach an assert. Limits: one packet to receive fits receive_bytes; QoS 1
 * in both directions; QoS 2 is neither used nor accepted.
 */
#ifndef SLUICE_CLIENT_ENGINE_H
#define SLUICE_CLIENT_ENGINE_H

#include "client/outbox.h"
#include "sluice/device.h"
#include "wire/mqtt.h"

#define ENGINE_NEVER UINT64_MAX

/* Spans are the SDK's own; its callers see struct sluice_bytes. */
static inline struct sluice_bytes engine_bytes(struct span span)
{
    return (struct sluice_bytes){span.data, span.len};
}

enum engine_state {
    ENGINE_IDLE,    /* no connection */
    ENGINE_OPENING, /* CONNECT is on its way; only CONNACK may come */
    ENGINE_ONLINE,
    ENGINE_LEAVING, /* DISCONNECT is the last packet to go out */
};

/* What the gateway owes, each with its deadline. */
enum engine_awaited {
    ENGINE_AWAITS_CONNACK,
    ENGINE_AWAITS_SUBACK,
    ENGINE_AWAITS_PINGRESP,
    ENGINE_AWAITS_PUBACK,
    ENGINE_AWAITS_ROOM, /* that the connection takes what engine_output gave */
    ENGINE_AWAITED_COUNT,
};

/* Whether messages still wait at the gateway, as far as we asked. */
enum engine_fetch {
    ENGINE_FETCH_UNKNOWN,
    ENGINE_FETCH_ASKED, /* by a PINGREQ, and nothing came since */
    ENGINE_FETCH_DONE,
};

/* Small members come first: the short instructions of small processors reach no further. */
struct engine {
    bool subscribed;       /* the gateway's Session has our subscriptions */
    bool answered;         /* the gateway has done more than accept this connection */
    bool retain_available; /* the gateway takes PUBLISH with RETAIN */
    uint16_t last_packet_id;
    uint16_t sending_id;   /* the PUBLISH on its way out, 0: none */
    uint16_t subscribe_id; /* of the SUBSCRIBE that awaits its SUBACK, 0: none */
    uint16_t in_flight;
    uint16_t in_flight_max; /* of this connection: ours and the gateway's Receive Maximum */
    enum engine_state state;
    enum engine_fetch fetch;

    const struct sluice_device_config *config; /* with all defaults filled in */
    struct sluice_device_counters *counters;
    uint8_t *receive_memory; /* config->receive_bytes */
    size_t received_bytes;
    size_t sending_bytes;      /* that are sent, of the PUBLISH on its way out */
    uint32_t packet_max_bytes; /* the gateway's Maximum Packet Size */
    uint32_t keep_alive_ms;    /* 0: none */
    struct writer control;     /* packets other than PUBLISH, on their way out */
    struct outbox outbox;
    struct mqtt_filters filters; /* all of the configuration's, as SUBSCRIBE has them */

    uint64_t last_sent_ms;
    uint64_t deadlines_ms[ENGINE_AWAITED_COUNT];
    uint64_t paused_until_ms; /* the gateway has no room: publish nothing before; 0: not paused */

    bool told_full; /* since the last acknowledgement, that the outbox is full */
    enum sluice_error failure;
    unsigned failure_count; /* grows with each sentence in `error` */
    char error[160];
};

/* Memory that the engine needs beside its struct and the outbox. */
size_t engine_memory_bytes(const struct sluice_device_config *config);
/* `memory` of engine_memory_bytes; the outbox is initialised by the caller. */
void engine_init(struct engine *engine, const struct sluice_device_config *config,
                 struct sluice_device_counters *counters, void *memory);

/* A connection stands: CONNECT is the first to go out. */
void engine_connected(struct engine *engine, uint64_t now_ms);
/* The connection is gone; what was not acknowledged will be sent again. */
void engine_lost(struct engine *engine);
/*
 * Asks, where that is not known, whether messages still wait at the gateway: what
 * waits comes before the answer to a PINGREQ, as far as Receive Maximum lets it.
 */
void engine_fetch(struct engine *engine, uint64_t now_ms);
/* DISCONNECT after what is half sent, and nothing else. */
void engine_leave(struct engine *engine);

/* Where received bytes go; the capacity is never 0. */
uint8_t *engine_input(struct engine *engine, size_t *ret_capacity);
/* `len` bytes were put there. */
enum sluice_error engine_received(struct engine *engine, size_t len, uint64_t now_ms);

/* What to send now, or nothing. The next call begins with the same bytes until they are sent. */
struct span engine_output(struct engine *engine, uint64_t now_ms);
void engine_sent(struct engine *engine, size_t len, uint64_t now_ms);

/* Does what is due: a PINGREQ, or SLUICE_TIMEOUT. */
enum sluice_error engine_tick(struct engine *engine, uint64_t now_ms);
/* When engine_tick or engine_output has something to do without more input; ENGINE_NEVER. */
uint64_t engine_deadline_ms(const struct engine *engine);

/*
 * Puts a PUBLISH with QoS 1 into the outbox, making room as when_full says: a
 * telemetry frame for the configured topic, or a message. SLUICE_FULL,
 * SLUICE_TOO_LARGE, SLUICE_INVALID (a topic): nothing was put.
 */
enum sluice_error engine_publish_frame(struct engine *engine, struct span frame, uint16_t sample_count);
enum sluice_error engine_publish_message(struct engine *engine, const struct sluice_message *message);

/* Keeps a sentence, of two parts, for sluice_device_error; gives `error` back. */
enum sluice_error engine_fail(struct engine *engine, enum sluice_error error, const char *what,
                              const char *detail);
/* The same with "the gateway " in front. */
enum sluice_error engine_blame(struct engine *engine, enum sluice_error error, const char *what,
                               const char *detail);

#endif

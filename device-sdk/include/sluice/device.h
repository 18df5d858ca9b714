/*
 * A device that publishes telemetry to a Sluice gateway, or to any MQTT 5 Server,
 * over TLS. It gathers samples into compact frames, keeps what is not yet
 * acknowledged, connects and reconnects, and takes commands.
 *
 *     #include "sluice/device.h"
 *     #include "sluice/posix.h"
 *
 *     static _Alignas(max_align_t) unsigned char memory[32 * 1024];
 *     static const struct sluice_channel channels[] = {{"temperature", "Cel", 2}, {"humidity", "%RH", 1}};
 *
 *     struct sluice_port *port;
 *     struct sluice_device *device;
 *     char why[SLUICE_POSIX_ERROR_BYTES];
 *     sluice_posix_new(&(struct sluice_posix_config){"ca.crt", "device.crt", "device.key"}, why, &port);
 *     sluice_device_open(memory, sizeof memory,
 *                        &(struct sluice_device_config){.host = "gateway.example", .client_id = "shed",
 *                                                       .topic = "farm/shed/telemetry",
 *                                                       .channels = channels, .channel_count = 2},
 *                        port, &device);
 *     for (;;) {
 *         uint64_t now_ms = sluice_posix_now_ms();
 *         if (time_to_measure)
 *             sluice_device_sample(device, now_ms, sluice_posix_time_ms(), (double[]){read_t(), read_h()});
 *         uint64_t next_ms = sluice_device_poll(device, now_ms);
 *         ... poll(2) on sluice_device_wait(device) until next_ms or the next measurement ...
 *     }
 *
 * A sample that cannot wait, and an event beside the samples, which is any JSON or bytes:
 *
 *     sluice_device_flush(device); // publishes at once what was sampled so far
 *     sluice_device_publish(device, &(struct sluice_message){.topic = {"farm/shed/events", 16},
 *                                                            .payload = {"{\"door\":\"open\"}", 15}});
 *
 * Commands come to on_message, and sluice_device_answer answers them.
 *
 * A device that is mostly off sets `sleeps`: it gathers samples without a connection,
 * and connects, flushes and disconnects in one go when it is told to:
 *
 *     sluice_device_sample(device, now_ms, time_ms, values); // whenever there are some
 *     if (an_hour_is_over)
 *         sluice_device_deliver(device, now_ms, 30000); // takes 30 s at most
 *     while (sluice_device_state(device) != SLUICE_DEVICE_ASLEEP)
 *         ... sluice_device_poll and poll(2), as above ...
 *     ... sleep until the next measurement ...
 *
 * tests/bench/README.md has what each phase of that costs in bytes.
 *
 * Ownership: the device lives in the caller's memory and allocates nothing (the
 * port may: see its header). The strings and arrays of the configuration are not
 * copied: they must outlive the device. What is given to sample and publish is
 * copied before they return.
 *
 * Threads: none; all calls to one device come from one thread. Callbacks run
 * inside sluice_device_poll, and may call everything except sluice_device_poll
 * and sluice_device_close.
 *
 * Delivery: each frame and message is published with QoS 1 and kept until the
 * gateway's PUBACK, over any number of reconnects, in order, as long as a store does
 * not fail. What could not be delivered is counted by reason. What is unacknowledged
 * when the device loses power is lost, unless the outbox is in a store
 * (sluice/store.h).
 *
 * Times: `now_ms` is any clock that never goes back (sluice_posix_now_ms); it is
 * not the time of day, which only samples carry, so the clock of a device may be
 * set or jump at any moment.
 */
#ifndef SLUICE_DEVICE_H
#define SLUICE_DEVICE_H

#include "sluice/error.h"
#include "sluice/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_device;
struct sluice_store;

enum sluice_channel_type {
    SLUICE_DECIMAL, /* a number, kept exactly to `decimals` places */
    SLUICE_BOOLEAN, /* 0 or not 0 */
    SLUICE_FLOAT,   /* the nearest 32-bit float, for values of any magnitude: takes the most bytes */
    SLUICE_TEXT, /* a state, a mode, an error: sluice_device_sample_texts; a frame carries each text once */
};

/* One measured quantity. */
struct sluice_channel {
    const char *name; /* its name in the JSON that functions see */
    const char *unit; /* as SenML has them (RFC 8428): "Cel", "%RH", "Pa", "V"; NULL: none */
    uint8_t decimals; /* SLUICE_DECIMAL: places after the point, 0 to 15 */
    enum sluice_channel_type type;
};

/* What happens to the next frame when the outbox is full. Each is counted. */
enum sluice_when_full {
    SLUICE_DROP_OLDEST, /* make room by dropping the oldest frames: the recent past is worth most */
    SLUICE_THIN_OUT,    /* drop every second waiting frame: keeps the whole time span, with gaps */
    SLUICE_REFUSE,      /* give SLUICE_FULL to the caller: the distant past is worth most */
};

enum sluice_device_state {
    SLUICE_DEVICE_OFFLINE,    /* waits for the next attempt */
    SLUICE_DEVICE_CONNECTING, /* name, TCP, TLS */
    SLUICE_DEVICE_OPENING,    /* CONNECT is sent, CONNACK is awaited */
    SLUICE_DEVICE_ONLINE,     /* the gateway has accepted this device */
    SLUICE_DEVICE_CLOSING,    /* sluice_device_close was called: what is left is being sent */
    SLUICE_DEVICE_CLOSED,     /* the end */
    SLUICE_DEVICE_ASLEEP,     /* of a device that sleeps: until sluice_device_deliver */
};

struct sluice_bytes {
    const void *data;
    size_t len;
};

/* An Application Message, received or to be published. */
struct sluice_message {
    struct sluice_bytes topic; /* UTF-8, not NUL-terminated */
    struct sluice_bytes payload;
    struct sluice_bytes response_topic; /* received: where an answer is wanted; else empty */
    struct sluice_bytes correlation;    /* Correlation Data: goes back with the answer as it came */
    struct sluice_bytes error_type; /* published: User Property `errorType`, in an answer that is an error */
    bool retain;
};

/* A number left 0 takes the default that stands behind it. */
struct sluice_device_config {
    const char *host;      /* name or address; the gateway's certificate must carry it */
    uint16_t port;         /* 8883 */
    const char *client_id; /* MQTT Client Identifier, 1 to 255 bytes */
    const char *topic;     /* Topic Name that telemetry frames are published to */

    const struct sluice_channel *channels;
    size_t channel_count; /* up to 64; 0: a device that only publishes messages */

    const char *const *filters; /* Topic Filters to subscribe to: commands */
    size_t filter_count;
    /* A message arrived; its bytes live until the callback returns. It is acknowledged after that. */
    void (*on_message)(void *context, const struct sluice_message *message);
    /* The state changed; sluice_device_error says why, if it is for the worse. */
    void (*on_state)(void *context, enum sluice_device_state state);
    void *context;

    uint32_t flush_ms;      /* 60,000: a frame is published when its first sample is this old, */
    uint32_t packet_bytes;  /* 1,300: or when its PUBLISH reaches this size: one TCP segment */
    uint32_t receive_bytes; /* 1,024: the largest packet that the gateway may send */
    uint16_t in_flight_max; /* 16: PUBLISH packets that may await PUBACK at a time */
    enum sluice_when_full when_full;
    struct sluice_store *store; /* NULL: the outbox is in RAM; else see sluice/store.h */
    bool sleeps;                /* connects in sluice_device_deliver only; flush_ms does not count then */

    uint16_t keep_alive_s;     /* 300: a gateway that is gone is noticed after this and answer_ms */
    uint32_t session_expiry_s; /* 86,400: how long the gateway keeps commands for an absent device */
    uint32_t connect_ms;       /* 30,000: limit for name, TCP and TLS together */
    uint32_t answer_ms;        /* 15,000: limit for CONNACK, SUBACK and PINGRESP */
    uint32_t puback_ms;        /* 60,000: limit for PUBACK; then the connection counts as dead */
    uint32_t backoff_min_ms;   /* 1,000: attempts are spaced by chance between 0 and this times 2^n, */
    uint32_t backoff_max_ms;   /* 120,000: and at most this */
};

/*
 * samples = samples_published + samples_dropped + those in the frame under construction.
 * published + recovered = acknowledged + dropped_oldest + dropped_thinned + dropped_rejected +
 * dropped_too_large + dropped_damaged + queued.
 */
struct sluice_device_counters {
    uint64_t samples;              /* given to sluice_device_sample, or restored in a frame */
    uint64_t samples_published;    /* are in frames that went to the outbox */
    uint64_t samples_acknowledged; /* are in frames that the gateway acknowledged */
    uint64_t samples_dropped;      /* were given SLUICE_FULL, or could not be put into a frame */
    uint64_t frames;               /* that went to the outbox */
    uint64_t published;            /* frames and messages that went to the outbox */
    uint64_t recovered;            /* were in the store when the device was opened, or restored */
    uint64_t acknowledged;         /* by the gateway's PUBACK */
    uint64_t dropped_oldest;       /* SLUICE_DROP_OLDEST */
    uint64_t dropped_thinned;      /* SLUICE_THIN_OUT */
    uint64_t dropped_rejected;     /* the gateway's PUBACK said no: sluice_device_error has its reason */
    uint64_t dropped_too_large;    /* over the Maximum Packet Size that the gateway announced, or in the store
                                      and too large for half of the outbox in RAM */
    uint64_t dropped_damaged;      /* the store could not give them back whole */
    uint64_t not_stored;           /* are in RAM only, because the store failed; not a drop. Those of the
                                      commit_ms before it failed are not in this count */
    uint64_t refused;              /* messages that were given SLUICE_FULL; samples_dropped has the samples */
    uint64_t queued;               /* are in the outbox now */
    uint64_t resent;               /* PUBLISH packets that went out again after a reconnect */
    uint64_t received;             /* messages given to on_message */
    uint64_t bytes_sent;           /* MQTT bytes; what is below them: sluice/ledger.h */
    uint64_t bytes_received;
    uint64_t attempts; /* connections tried, */
    uint64_t connects; /* and accepted by the gateway */
};

/*
 * Memory for a device with this configuration and `outbox_bytes` of room for
 * unacknowledged packets: what sluice_device_open takes, for callers who allocate.
 */
size_t sluice_device_size(const struct sluice_device_config *config, size_t outbox_bytes);

/*
 * Makes a device in `memory`, aligned as malloc aligns; what the configuration
 * does not need of it becomes the outbox, which must hold two packets of
 * packet_bytes. SLUICE_INVALID: a string is missing or malformed, or a number is
 * out of range, or packet_bytes are over what a record of the store holds;
 * SLUICE_NO_MEMORY: `memory_bytes` is too little. The first attempt to connect is
 * made by the first poll. With a store the outbox in RAM is a window on it, and
 * half of the outbox bounds a packet.
 */
enum sluice_error sluice_device_open(void *memory, size_t memory_bytes,
                                     const struct sluice_device_config *config, struct sluice_port *port,
                                     struct sluice_device **ret_device);

/*
 * One sample: a value for each channel, NAN where there is none. `time_ms` is
 * Unix time; 0 on a device without a clock: then the gateway stamps the frame
 * when it arrives, and samples keep their distances by `now_ms`. SLUICE_FULL: the
 * frame and the outbox are full, and the sample is dropped and counted.
 * SLUICE_INVALID: no channels, or the time cannot be encoded.
 */
enum sluice_error sluice_device_sample(struct sluice_device *device, uint64_t now_ms, uint64_t time_ms,
                                       const double *values);

/*
 * As sluice_device_sample, on a device with channels of type SLUICE_TEXT:
 * `texts[i]` is the text of channel i, a string of UTF-8 of up to 255 bytes, NULL
 * where there is none. Both arrays have an element for each channel; that of the
 * other kind is not looked at. (sluice_device_sample gives such channels no value.)
 * Also SLUICE_INVALID: a text is not UTF-8 or too long; SLUICE_TOO_LARGE: the
 * sample's texts do not fit packet_bytes. The sample is dropped and counted.
 *
 *     sluice_device_sample_texts(device, now_ms, time_ms, (double[]){21.5, 0},
 *                                (const char *[]){NULL, "heating"});
 */
enum sluice_error sluice_device_sample_texts(struct sluice_device *device, uint64_t now_ms, uint64_t time_ms,
                                             const double *values, const char *const *texts);

/* Publishes what was sampled so far without waiting: call it after an urgent sample. SLUICE_FULL: the
 * outbox is full; the samples stay in the frame and are tried again by poll. */
enum sluice_error sluice_device_flush(struct sluice_device *device);

/*
 * Publishes one message with QoS 1, after what is already in the outbox: an event,
 * any JSON or bytes on a topic beside that of the telemetry; or a request, whose
 * answer comes to on_message on the response_topic that it names.
 * SLUICE_INVALID: topic or response_topic is no Topic Name, or error_type no UTF-8;
 * SLUICE_FULL: see when_full; SLUICE_TOO_LARGE: it can never fit the outbox, or
 * response_topic, correlation and error_type together are over 240 bytes.
 */
enum sluice_error sluice_device_publish(struct sluice_device *device, const struct sluice_message *message);

/*
 * Answers a command, in on_message or later with copies of its response_topic and
 * correlation: the payload, and what went wrong in one word ("NoSuchValve"; NULL:
 * nothing), which the answer carries as errors of functions do. As
 * sluice_device_publish; a command that wants no answer gets none, and SLUICE_OK.
 *
 *     static void on_message(void *context, const struct sluice_message *command)
 *     {
 *         struct shed *shed = context;
 *         bool done = open_valve(shed, command->payload);
 *         sluice_device_answer(shed->device, command, (struct sluice_bytes){"{}", 2}, done ? NULL : "Stuck");
 *     }
 *
 * A command is acknowledged when on_message returns, so a device that loses power
 * in it gets the command again. Who may publish to the device's filters may make
 * it publish to any topic that its own rights cover.
 */
enum sluice_error sluice_device_answer(struct sluice_device *device, const struct sluice_message *command,
                                       struct sluice_bytes payload, const char *error_type);

/*
 * Does what can be done now: connects, sends, receives, runs callbacks. Never
 * blocks. Gives the time, on the clock of now_ms, when it must be called again at
 * the latest; UINT64_MAX: not before something happens on sluice_device_wait.
 * Call it also after sample, flush and publish.
 */
uint64_t sluice_device_poll(struct sluice_device *device, uint64_t now_ms);

/* What poll(2) should watch until then. */
struct sluice_wait sluice_device_wait(const struct sluice_device *device);

/*
 * For a device that sleeps: poll connects, publishes what was gathered and what is
 * in the outbox, takes the commands that have waited, until a PINGREQ shows that
 * there are no more, and disconnects when all is acknowledged, its answers too, or
 * `limit_ms` have passed; the state is then SLUICE_DEVICE_ASLEEP, and
 * counters.queued is what is left for the next time. Where there is nothing to
 * publish and no filter, it does not connect.
 */
void sluice_device_deliver(struct sluice_device *device, uint64_t now_ms, uint32_t limit_ms);

/*
 * For a device whose RAM loses its power while it sleeps: writes what is not
 * delivered to `memory`, as bytes that the caller keeps (in RTC memory, a file), and
 * takes them back into a device that was just opened with the same configuration.
 * The frame under construction goes on being filled then, packets keep their
 * order and MQTT Session, and the subscriptions need not be repeated. Of samples
 * without a clock the frame is finished instead. Times of the two calls are of
 * clocks that need not be the same.
 *
 * Saving changes nothing, and is best done when the device is asleep or closed: a
 * packet that is acknowledged later is delivered twice. What is saved takes at
 * most the outbox, packet_bytes, and 200 bytes for each channel and two more; of a
 * device with a store the packets stay in the store, which is committed.
 *
 * save: SLUICE_TOO_LARGE: capacity_bytes are too few; SLUICE_IO: the store.
 * restore: SLUICE_INVALID: damaged, or the channels are others: packets may be
 * missing, and the device goes on without; SLUICE_FULL: what did not fit the outbox
 * is counted as dropped_too_large; SLUICE_EXISTS: the device has taken samples or
 * messages already.
 */
enum sluice_error sluice_device_save(struct sluice_device *device, uint64_t now_ms, void *memory,
                                     size_t capacity_bytes, size_t *ret_len);
enum sluice_error sluice_device_restore(struct sluice_device *device, uint64_t now_ms, const void *data,
                                        size_t len);

/*
 * Begins the end: poll goes on sending until all is acknowledged or `linger_ms`
 * have passed, then disconnects; the state is then SLUICE_DEVICE_CLOSED, and what
 * stays unacknowledged is counters.queued. The memory is the caller's again after that.
 */
void sluice_device_close(struct sluice_device *device, uint64_t now_ms, uint32_t linger_ms);

enum sluice_device_state sluice_device_state(const struct sluice_device *device);
const char *sluice_device_state_name(enum sluice_device_state state); /* "online" */
/* The last failure in one sentence, until the next one; empty: there was none. */
const char *sluice_device_error(const struct sluice_device *device);
/*
 * What kind of failure that is; SLUICE_OK: there was none.
 * SLUICE_DENIED: one side refuses the other, and will next time: the gateway's
 *   certificate is not for this host, not of this CA or not valid now, or the
 *   gateway refuses this device's certificate, a subscription or a message
 * SLUICE_FULL: the outbox is full, said once until something is acknowledged
 *   again, or the gateway has no room
 * SLUICE_TOO_LARGE: a message is over the gateway's Maximum Packet Size
 * SLUICE_INVALID: who answers is no MQTT Server, or breaks the protocol
 * SLUICE_TIMEOUT: the gateway is silent
 * SLUICE_NOT_FOUND: the host name has no address
 * SLUICE_CLOSED, SLUICE_IO: the connection ended, or was not to be had
 * SLUICE_NO_MEMORY: mbedTLS found none
 */
enum sluice_error sluice_device_failure(const struct sluice_device *device);
struct sluice_device_counters sluice_device_counters(const struct sluice_device *device);

#ifdef __cplusplus
}
#endif

#endif

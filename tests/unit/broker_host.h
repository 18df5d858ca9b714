/*
 * A world around a broker for tests: a clock that the test moves, a journal and a
 * state that are on disk when the test says so, and clients that speak MQTT to
 * channels without a network. host_crash throws away what is not on disk and
 * starts a new broker from the rest. A fault in the setting up fails the test.
 */
#ifndef SLUICE_TESTS_BROKER_HOST_H
#define SLUICE_TESTS_BROKER_HOST_H

#include "broker/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HOST_ENTRIES_MAX = 4096, HOST_NAMES_MAX = 64, HOST_OWED_MAX = 64 };

struct host_entry { /* one message in one session's queue */
    struct broker_target target;
    struct message *message;                         /* NULL: a free place */
    uint64_t stored_seq, finished_seq, received_seq; /* 0: not */
};

struct host_packet_id {
    uint64_t queue, held_seq, freed_seq;
    uint16_t packet_id;
};

struct host_retained {       /* one change of the retained messages */
    struct message *message; /* NULL: a free place */
    uint64_t stored_seq;
};

struct host_will {
    uint64_t id; /* 0: a free place */
    struct message *message;
    struct identity owner;
    uint64_t due_ms;
};

struct host_session {
    char client_id[64];
    struct identity owner;
    uint32_t expiry_s;
    uint64_t disconnected_ms, queue;
    bool saved;
};

struct host_subscription {
    char client_id[64];
    char filter[64];
    struct broker_subscription wanted;
};

struct host {
    struct broker *broker;
    struct broker_config config;
    uint64_t now_ms, wall_ms;
    bool manual_commit; /* nothing is durable before host_commit */
    uint64_t seq, durable_seq, ticket;
    enum sluice_error store_answer;
    bool state_is_full;
    enum mqtt_reason transform_answer;
    size_t awaits; /* functions that must process what is published from now on */
    struct broker_processing *owed[HOST_OWED_MAX];
    size_t owed_count;
    size_t copies; /* messages that transform makes of one: over 1 their topics and payloads are 0, 1, ... */
    struct span made; /* the payload that transform gives a message instead of its own, if it is not empty */
    size_t stored_count, replay_count, load_count;
    bool keeps_no_retained; /* so there may be more than its table takes, and none after a crash */
    size_t failing_loads;   /* so many of the next ones */
    /* Who a client is: NULL, as its listener says; set it before host_restart_with_config. */
    enum sluice_error (*authenticate)(void *ctx, struct channel *channel, void **exchange,
                                      const struct broker_credentials *credentials,
                                      struct broker_answer *ret_answer);
    void (*authentication_ended)(void *ctx, void *exchange);
    bool (*allowed)(void *ctx, void *connection, const struct identity *identity);
    void *test; /* the test's own */
    uint64_t next_queue;
    uint64_t random;
    struct host_entry entries[HOST_ENTRIES_MAX];
    struct host_packet_id packet_ids[HOST_NAMES_MAX];
    struct host_session sessions[HOST_NAMES_MAX];
    struct host_subscription subscriptions[HOST_NAMES_MAX];
    struct host_will wills[HOST_NAMES_MAX];
    struct host_retained retained[HOST_NAMES_MAX]; /* as they came */
};

/* Everybody may publish and subscribe to everything; see host_rules. Ready for a broker of this
 * configuration. */
struct host *host_new(void);
/* Starts again, empty, with what the test has changed in host->config. */
void host_restart_with_config(struct host *host);
void host_free(struct host *host);
void host_advance(struct host *host, uint64_t ms);
void host_commit(struct host *host);
/* The function that was asked for as the `place`-th since the start is done; its result is in the next
 * commit. */
void host_process(struct host *host, size_t place);
/* The process dies and starts again: every client must have been dropped with client_vanish. */
void host_crash(struct host *host);
struct access *host_everything(void);
struct identity host_certificate(const char *name);
size_t host_unfinished_count(const struct host *host);
uint64_t host_dropped(const struct host *host, enum broker_drop reason);

struct client {
    struct host *host;
    struct channel *channel;
    struct buffer out; /* of the Server */
    struct buffer in;  /* given to the Server, not consumed */
    enum mqtt_version version;
    size_t shown_bytes; /* of `out`, that the last packet handed out occupies */
    bool asked_to_close, paused;
    uint16_t next_packet_id;
};

/* All that a CONNECT may say; zeroes are a clean 3.1.1 one. */
struct client_options {
    enum mqtt_version version;
    const char *client_id;
    const struct identity *identity; /* NULL: anonymous */
    bool keep_session;               /* Clean Start 0 */
    uint16_t keep_alive_s;
    uint32_t expiry_s;
    uint16_t receive_maximum;
    uint32_t maximum_packet_bytes;
    bool no_problem_information; /* Request Problem Information 0 */
    const struct mqtt_will *will;
    const char *user_name, *password;                        /* NULL: none */
    const char *authentication_method, *authentication_data; /* NULL: none */
};

void client_open(struct client *client, struct host *host, const struct identity *identity);
void client_give(struct client *client, struct span bytes);
void client_send(struct client *client, const struct mqtt_packet *packet);
/* Opens, sends CONNECT; the CONNACK is still to be read. */
void client_begin(struct client *client, struct host *host, const struct client_options *options);
/* The same, and reads the CONNACK, which must accept. Returns Session Present. */
bool client_connect(struct client *client, struct host *host, const struct client_options *options);
/* The connection ends without DISCONNECT. */
void client_vanish(struct client *client);
void client_disconnect(struct client *client);

/* The next packet from the Server, valid until the next call; false: none. */
bool client_next(struct client *client, struct mqtt_packet *ret_packet);
/* The next packet must be there, and of this type. */
struct mqtt_packet client_expect(struct client *client, enum mqtt_type type);
void client_expect_nothing(struct client *client);
/* The next packet must be this PUBLISH. */
struct mqtt_packet client_expect_publish(struct client *client, const char *topic, const char *payload,
                                         uint8_t qos);
void client_expect_ack(struct client *client, enum mqtt_type type, uint16_t packet_id,
                       enum mqtt_reason reason);
/* The Server has ended the connection; a v5 client was told this reason by DISCONNECT. */
void client_expect_closed(struct client *client, enum mqtt_reason reason);

/* Returns the Packet Identifier, 0 at QoS 0. */
uint16_t client_publish(struct client *client, const char *topic, const char *payload, uint8_t qos,
                        bool retain);
void client_ack(struct client *client, enum mqtt_type type, uint16_t packet_id);
/* One filter; returns the Reason Code of its SUBACK. */
enum mqtt_reason client_subscribe(struct client *client, const char *filter, uint8_t qos);
enum mqtt_reason client_subscribe_with(struct client *client, const struct mqtt_filter *filter,
                                       uint32_t identifier);
enum mqtt_reason client_unsubscribe(struct client *client, const char *filter);

#endif

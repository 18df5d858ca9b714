/*
 * Exact bytes over the world of broker_host.h: what a Client sends in one read,
 * and everything that the Server writes to it. A difference fails the test with
 * both in hex. The caller owns the client and the host, as there.
 */
#ifndef SLUICE_TESTS_EXCHANGE_H
#define SLUICE_TESTS_EXCHANGE_H

#include "../unit/broker_host.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define V3          MQTT_3_1_1
#define V5          MQTT_5

extern const enum mqtt_version both_versions[2];

/* A new host with one client, "a", that is connected in this version, and wants no Reason Strings. */
struct host *begin_exchange(struct client *client, enum mqtt_version version);
/* The connection ends, and so does the host. */
void end_exchange(struct host *host, struct client *client);

/* Everything that the Server has written since the last look is this. */
void expect_bytes(struct client *client, struct span expected);
/* Gives bytes, and expects these back. */
void exchange(struct client *client, struct span given, struct span expected);

/* A packet that breaks the standard, in each version (empty: it has none such), and the Reason Code that v5
 * is told. */
struct bad_packet {
    const char *title;
    struct span v3, v5;
    enum mqtt_reason reason;
};
/* Each of them closes its connection, 3.1.1's without a word, and has no other effect. */
void expect_each_closes(const struct bad_packet *packets, size_t count);

/* A PUBLISH at QoS 0 with this property block. */
void publish_with(struct client *client, const char *topic, struct span properties);
/* SUBSCRIBE or UNSUBSCRIBE with several filters under Packet Identifier 9; its answer, a view. */
struct mqtt_packet request_filters(struct client *client, enum mqtt_type type,
                                   const struct mqtt_filter *filters, size_t count);

#endif

/*
 * What a device's connection costs, hour by hour and by cause: a port that stands
 * before another one and counts what passes. A device without it links none of it.
 *
 *     static struct sluice_hour hours[24];
 *     static struct sluice_ledger ledger;
 *
 *     sluice_posix_new(..., &port);
 *     sluice_ledger_init(&ledger, &(struct sluice_ledger_config){
 *         .port = port, .now_ms = sluice_posix_now_ms, .traffic = sluice_posix_traffic, .hours = hours,
 * .hour_count = 24}); sluice_device_open(memory, sizeof memory, &config, &ledger.port, &device);
 *     ...
 *     const struct sluice_hour *last = sluice_ledger_hour(&ledger, 1);
 *     if (last)
 *         printf("%u bytes of data\n", (unsigned)last->sent[SLUICE_CAUSE_DATA]);
 *
 * MQTT's bytes are exact: the causes up to SLUICE_CAUSE_RETRANSMISSION add up to the
 * device's bytes_sent and bytes_received, where the port tells no traffic. With it,
 * those of TLS are exact too, and what TCP and IP take is estimated from the
 * system's count of packets: headers without Ethernet's, and without the packets
 * that follow close. Of a connection with ten frames all of it was 3 % less than
 * the IP bytes that the system's firewall counted.
 *
 * Memory: all of it the caller's, which must outlive the device; nothing is
 * allocated. Thread: the device's.
 */
#ifndef SLUICE_LEDGER_H
#define SLUICE_LEDGER_H

#include "sluice/port.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sluice_cause {
    SLUICE_CAUSE_DATA,            /* PUBLISH: frames, messages; received: commands */
    SLUICE_CAUSE_ACKNOWLEDGEMENT, /* PUBACK */
    SLUICE_CAUSE_KEEP_ALIVE,      /* PINGREQ, PINGRESP */
    SLUICE_CAUSE_HANDSHAKE,       /* CONNECT, SUBSCRIBE, DISCONNECT and their answers; the TLS handshake */
    SLUICE_CAUSE_RETRANSMISSION,  /* PUBLISH again after a reconnect; and TCP's, estimated */
    SLUICE_CAUSE_TLS,             /* around what is above: 21 bytes a record */
    SLUICE_CAUSE_TCP_IP,          /* headers, also of packets without data; estimated */
    SLUICE_CAUSE_COUNT,
};

struct sluice_hour {
    uint64_t start_ms; /* on the clock of now_ms */
    uint32_t sent[SLUICE_CAUSE_COUNT], received[SLUICE_CAUSE_COUNT];
};

/* What a connection has cost below MQTT, so far. */
struct sluice_traffic {
    uint64_t sent_bytes, received_bytes; /* of TLS, its handshake included */
    uint64_t sent_header_bytes, received_header_bytes;
    uint64_t resent_bytes; /* by TCP */
};

struct sluice_ledger_config {
    struct sluice_port *port;  /* the one that makes the connections */
    uint64_t (*now_ms)(void);  /* the clock of the device's now_ms */
    struct sluice_hour *hours; /* a ring: this hour and those before */
    size_t hour_count;         /* 1 or more */
    /* The figures of the port's connection, also of one that has just ended; NULL: only MQTT is counted. */
    void (*traffic)(struct sluice_port *port, struct sluice_traffic *ret_traffic);
};

/* How far one direction of an MQTT stream has got. */
struct sluice_ledger_stream {
    enum sluice_cause cause; /* of the packet under way */
    bool in_length;          /* of its Remaining Length */
    uint8_t shift;
    uint32_t left_bytes;
};

struct sluice_ledger {
    struct sluice_port port; /* for sluice_device_open; what follows is the ledger's own */
    struct sluice_ledger_config config;
    struct sluice_ledger_stream sending, receiving;
    struct sluice_traffic before;
    bool is_open;
    int64_t sent_overhead_bytes, received_overhead_bytes;
    size_t now; /* the place of this hour in the ring */
    size_t kept_count;
};

void sluice_ledger_init(struct sluice_ledger *ledger, const struct sluice_ledger_config *config);
/* What was counted in this hour (0), the one before (1), ...; NULL: that is not kept, or was before the
 * start. Good until the device is polled again. */
const struct sluice_hour *sluice_ledger_hour(struct sluice_ledger *ledger, size_t hours_ago);
const char *sluice_cause_name(enum sluice_cause cause); /* "keep_alive" */

#ifdef __cplusplus
}
#endif

#endif

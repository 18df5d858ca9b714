/* What the device's files share: device.c and save.c. */
#ifndef SLUICE_CLIENT_DEVICE_INTERNAL_H
#define SLUICE_CLIENT_DEVICE_INTERNAL_H

#include "client/batch.h"
#include "client/engine.h"

enum link {
    LINK_WAITING, /* for the next attempt */
    LINK_CONNECTING,
    LINK_UP,
    LINK_CLOSED,
};

/* What comes when all is delivered, or late_ms is over. */
enum then {
    THEN_STAY,
    THEN_SLEEP, /* sluice_device_deliver */
    THEN_CLOSE, /* sluice_device_close */
};

/* Small members come first, as in struct engine. */
struct sluice_device {
    bool more_to_receive; /* poll was left before the port had nothing more */
    bool asleep;          /* LINK_WAITING: not for attempt_ms, but to be told to deliver */
    enum link link;
    enum then then;
    struct sluice_port *port;
    unsigned failed_count;        /* attempts since the gateway last answered */
    uint64_t attempt_ms;          /* LINK_WAITING: when */
    uint64_t connect_deadline_ms; /* LINK_CONNECTING */
    uint64_t late_ms;

    enum sluice_device_state told_state; /* on_state knows this much */
    unsigned told_failure_count;

    struct batch batch;
    struct engine engine;
    struct sluice_device_config config;
    struct sluice_device_counters counters;
};

#endif

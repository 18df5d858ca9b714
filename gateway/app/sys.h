/*
 * The $SYS topics: the gateway's figures as retained messages, named as mosquitto
 * names them where the meaning is the same. Each interval the figures are read,
 * averages of one, five and fifteen minutes are carried on, and what has changed
 * is published. What it costs is bounded by its tables. It reads no clock and does
 * no I/O; one thread owns it; `publish` must not call back.
 */
#ifndef SLUICE_APP_SYS_H
#define SLUICE_APP_SYS_H

#include "broker/broker.h"
#include "net/net.h"

struct sys;

/* The figures of a moment; from totals the averages are made. */
struct sys_figures {
    uint64_t uptime_s;
    const struct broker_counters *broker;
    struct net_counters net; /* of all listeners */
};

struct sys_hooks {
    void *ctx;
    struct sys_figures (*read)(void *ctx);
    void (*publish)(void *ctx, struct span topic, struct span payload);
};

/* `version` is published once; the rest for the first time with the first turn. */
struct sys *sys_new(uint64_t interval_ms, const char *version, const struct sys_hooks *hooks,
                    uint64_t now_ms);
void sys_free(struct sys *sys); /* NULL is allowed */
void sys_turn(struct sys *sys, uint64_t now_ms);
uint64_t sys_next_deadline(const struct sys *sys);

#endif

/*
 * What the gateway must have kept over a kill besides messages in queues, asked of
 * it after its start and before anybody else is back: the retained message of each
 * publisher is its last acknowledged one or a later, and each connection that ended
 * without a DISCONNECT has published its will, or a later one has.
 */
#ifndef KEPT_CHECK_H
#define KEPT_CHECK_H

#include "durable_client.h"

/* How many of them are missing; each was logged. */
uint64_t kept_check(uint16_t port, struct durable_client *const *clients, size_t count);

#endif

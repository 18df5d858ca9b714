/*
 * What the engine does with a store (sluice/store.h). The outbox in RAM is then a
 * window on the front of the store: the packets that are sent or come next. A
 * packet is encoded in the window, goes to the store, and stays in the window too
 * where nothing waits in the store before it and there is room; else it is read
 * back when its turn comes. Stored packets take half of the window, in bytes and in
 * number, so that a new one always has a place to be encoded in.
 *
 * The engine reaches this through struct sluice_spool, which the store names, so
 * that a device without a store does not link it.
 */
#ifndef SLUICE_CLIENT_SPOOL_H
#define SLUICE_CLIENT_SPOOL_H

#include "client/engine.h"
#include "sluice/store.h"

struct sluice_spool {
    /* The outbox of a new engine becomes a window on the configuration's store. SLUICE_INVALID: packet_bytes
     * are over what its records hold. */
    enum sluice_error (*open)(struct engine *engine);
    /*
     * `entry`, the last of the outbox, goes to the store. SLUICE_FULL,
     * SLUICE_TOO_LARGE: it is gone from the outbox again. A store that fails is
     * named, and the entry stays in RAM.
     */
    enum sluice_error (*keep)(struct engine *engine, struct outbox_entry *entry);
    /* Reads what comes next into the window, as far as there is room. */
    void (*refill)(struct engine *engine);
    /* Commits now; a failure is named. */
    enum sluice_error (*commit)(struct engine *engine);
    /* Commits when it is due; when it is due next, or ENGINE_NEVER. */
    uint64_t (*tick)(struct engine *engine, uint64_t now_ms);
};

#endif

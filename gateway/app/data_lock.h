/*
 * The lock of a data folder, which belongs to one running gateway, and the word
 * that the gateway leaves there for `sluice reload`. DATA/lock is locked by the
 * gateway's process, so it is free when that ends, however it ends, and the
 * system says whose it is. It holds the outcome of the last reload, written in
 * place through the descriptor that is open anyway: a gateway that has run out of
 * descriptors still says that it could not reload.
 *
 * The lock is the process's: opening and closing DATA/lock anywhere else in it
 * would give it up. One thread.
 */
#ifndef SLUICE_APP_DATA_LOCK_H
#define SLUICE_APP_DATA_LOCK_H

#include "base/buffer.h"
#include "sluice/error.h"

#include <sys/types.h>

/* What became of a reload. `began_ns` is CLOCK_MONOTONIC, which all processes of a machine share. */
struct data_lock_word {
    uint64_t began_ns;
    bool done;
    struct span text; /* sentences, each a line */
};

/* SLUICE_EXISTS: another gateway has it; SLUICE_IO. The log has the sentence. */
enum sluice_error data_lock_take(const char *data, int *ret_lock);
void data_lock_leave_word(int lock, const struct data_lock_word *word);

/* The process that has the folder; SLUICE_NOT_FOUND: none. */
enum sluice_error data_lock_owner(const char *data, pid_t *ret_pid);
/* The last word; its text is in ret_bytes. SLUICE_NOT_FOUND: there is none, or it is just being written. */
enum sluice_error data_lock_read_word(const char *data, struct buffer *ret_bytes,
                                      struct data_lock_word *ret_word);

#endif

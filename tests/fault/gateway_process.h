/*
 * The real gateway as a process of a test: started on a configuration, watched,
 * killed, stopped. It and its workers end with the test, however that ends. What
 * cannot be done ends the program with status 1 and a sentence. One thread.
 */
#ifndef GATEWAY_PROCESS_H
#define GATEWAY_PROCESS_H

#include "base/buffer.h"

#include <sys/types.h>

struct gateway_process {
    const char *program;
    const char *config_file;
    pid_t pid;         /* 0: it is not running */
    uint16_t port;     /* where it listens for MQTT without TLS */
    uint64_t ready_us; /* from its start to its word that it is ready */
    int log_fd;        /* what it writes; to be polled, then gateway_process_log */
    struct buffer log; /* all that it wrote since its last start */
};

/* Returns when it is ready. */
void gateway_process_start(struct gateway_process *gateway);
/* Takes what it wrote. */
void gateway_process_log(struct gateway_process *gateway);
/* As `kill -9` does, and returns when it is gone. */
void gateway_process_kill(struct gateway_process *gateway);
/* Asks it to stop, and returns its exit status; its last words are in `log`. */
int gateway_process_stop(struct gateway_process *gateway);
/* Waits for what it left behind: workers that outlive their gateway would keep this from returning. */
void gateway_process_reap(void);

#endif

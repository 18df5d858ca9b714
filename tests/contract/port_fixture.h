/*
 * What tests of the posix port share: certificates of every kind in a temporary
 * folder, TLS servers (`openssl s_server`) on loopback, and a machine whose clock
 * and name service the test sets (the programs are linked with --wrap for that).
 */
#ifndef SLUICE_TESTS_PORT_FIXTURE_H
#define SLUICE_TESTS_PORT_FIXTURE_H

#include "sluice/posix.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

struct server_wish {
    const char *certificate;
    const char *address; /* NULL: 127.0.0.1 */
    uint16_t tcp_port;   /* 0: the system chooses */
    const char *says;    /* NULL: sends each line back, reversed; else it says this, and nothing else */
    size_t says_bytes;
    bool once; /* ends after its first connection; server_heard tells of it */
};

struct server {
    pid_t pid;
    uint16_t tcp_port;
    FILE *output; /* open while it runs: it writes a line for each connection */
    int input;    /* what it is to say */
};

struct server server_start_as(struct server_wish wish);
struct server server_start(const char *certificate, uint16_t tcp_port);
void server_stop(struct server *server);
/* Whether a server that was started `once` got this line, or named it as its error: reads to its end. */
bool server_heard(struct server *server, const char *text);

/* The certificates' folder, as cmocka wants it; path_of(name, ".crt") until four calls later. */
int make_certificates(void **state);
int remove_certificates(void **state);
const char *path_of(const char *name, const char *suffix);
struct sluice_port *open_posix(const char *ca, const char *certificate);
/* Until the port can go on; and until connect gives anything but SLUICE_AGAIN. */
void wait_for(struct sluice_port *port);
enum sluice_error connect_to(struct sluice_port *port, const char *host, uint16_t tcp_port);

/* Each test leaves them as they are at start: 0, NULL, false. */
extern _Atomic int64_t machine_late_s;        /* the wall clock is this late; below 0: early */
extern const char *_Atomic machine_localhost; /* the address that `localhost` has */
extern atomic_bool machine_names_unanswered;  /* lookups do not end */

#endif

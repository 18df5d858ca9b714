/*
 * Host name lookup that does not block: getaddrinfo, with all that the system
 * configures for it, in a thread of its own that lives for one lookup. The answer
 * comes on a descriptor that poll(2) can watch. A lookup that is no longer wanted
 * is abandoned by closing the descriptor; its thread then ends by itself.
 */
#ifndef SLUICE_PORT_RESOLVE_H
#define SLUICE_PORT_RESOLVE_H

#include "sluice/error.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RESOLVE_ADDRESSES_MAX = 6 };

union resolve_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct resolve_answer {
    int error; /* of getaddrinfo, for gai_strerror; 0: at least one address */
    size_t count;
    union resolve_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* Begins a lookup. SLUICE_NO_MEMORY, SLUICE_IO: the system refused. */
enum sluice_error resolve_start(const char *host, uint16_t tcp_port, int *ret_descriptor);
/* Takes the answer, or SLUICE_AGAIN. The descriptor is still the caller's to close. */
enum sluice_error resolve_finish(int descriptor, struct resolve_answer *ret_answer);
socklen_t resolve_address_bytes(const union resolve_address *address);

#endif

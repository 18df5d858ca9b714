#include "port/resolve.h"

#include "port/sentence.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024 }; /* name service modules of glibc take more than 128 KB */

struct lookup {
    int descriptor; /* where the answer goes */
    char service[6];
    char host[];
};

socklen_t resolve_address_bytes(const union resolve_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static struct resolve_answer look_up(const char *host, const char *service)
{
    struct resolve_answer answer = {0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    answer.error = getaddrinfo(host, service, &hints, &list);
    if (answer.error)
        return answer;
    for (struct addrinfo *at = list; at && answer.count < RESOLVE_ADDRESSES_MAX; at = at->ai_next)
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            memcpy(&answer.addresses[answer.count++], at->ai_addr, at->ai_addrlen);
    freeaddrinfo(list);
    if (answer.count == 0)
        answer.error = EAI_NONAME;
    return answer;
}

static void *lookup_thread(void *argument)
{
    struct lookup *lookup = argument;
    struct resolve_answer answer = look_up(lookup->host, lookup->service);
    /* Fails only where the lookup was abandoned. */
    (void)!send(lookup->descriptor, &answer, sizeof answer, MSG_NOSIGNAL);
    close(lookup->descriptor);
    free(lookup);
    return NULL;
}

/* Signals stay with the threads of the program. */
static int start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

enum sluice_error resolve_start(const char *host, uint16_t tcp_port, int *ret_descriptor)
{
    int pair[2];
    size_t len = strlen(host) + 1;
    struct lookup *lookup = malloc(sizeof *lookup + len);
    if (!lookup)
        return SLUICE_NO_MEMORY;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
        free(lookup);
        return SLUICE_IO;
    }
    lookup->descriptor = pair[1];
    sentence_write(lookup->service, sizeof lookup->service, "%u", tcp_port);
    memcpy(lookup->host, host, len);
    if (start_thread(lookup)) {
        close(pair[0]);
        close(pair[1]);
        free(lookup);
        return SLUICE_IO;
    }
    *ret_descriptor = pair[0];
    return SLUICE_OK;
}

enum sluice_error resolve_finish(int descriptor, struct resolve_answer *ret_answer)
{
    struct resolve_answer answer;
    ssize_t len = recv(descriptor, &answer, sizeof answer, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return SLUICE_AGAIN;
    if (len != sizeof answer)
        return SLUICE_IO;
    *ret_answer = answer;
    return SLUICE_OK;
}

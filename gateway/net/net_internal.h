/*
 * What the files of this folder share. Public: net/net.h.
 *
 * Closing has one path. Whoever finds a reason (the peer, a deadline, a caller)
 * calls connection_end, which only notes it; at the end of the loop's turn
 * connection_settle takes the connection down, unless a thread of the pool works
 * on its handshake: then that job's return does.
 *
 * The connections' sockets are in an epoll set of net's own, which libuv polls as
 * one: a uv_poll_t for each would be half of what an idle connection holds.
 */
#ifndef SLUICE_NET_INTERNAL_H
#define SLUICE_NET_INTERNAL_H

#include "base/timers.h"
#include "net/addresses.h"
#include "net/connect_rate.h"
#include "net/net.h"
#include "net/tls_stream.h"
#include "net/websocket.h"

#include <netinet/in.h>
#include <sys/epoll.h>

enum {
    READ_BYTES = 256 * 1024,    /* the largest stroke; also what one connection may take of a turn */
    HEADROOM_BYTES = 64 * 1024, /* before it: where what the last stroke left over is put */
};

struct handshake {
    uv_work_t work;
    struct net_connection *connection;
    struct handshake *next;   /* in the queue for the pool */
    bool busy;                /* queued, or in the pool: the connection has to stay */
    enum sluice_error result; /* of the step in the pool */
    struct net_peer peer;
};

struct net_connection {
    struct net_listener *listener;
    struct net_connection *previous, *next; /* of the listener's */
    struct net_connection *next_dirty;
    void *user;
    struct tls_stream *stream;   /* NULL: plain TCP */
    struct websocket *websocket; /* NULL: the bytes are the user's own */
    struct handshake *handshake;
    struct buffer input; /* what on_data left over */
    struct buffer output;
    struct timer deadline; /* of the handshake, then of closing */
    uint64_t address_key;
    int fd;
    uint32_t events; /* of epoll, that it is polled for; 0: it is not in the set */
    enum sluice_error why;
    bool open : 1;         /* on_open gave a user: on_closed is owed */
    bool dirty : 1;        /* is in the list of net */
    bool paused : 1;       /* reads nothing */
    bool present : 1;      /* what was left over is to be presented again */
    bool stuck : 1;        /* the socket took not all: wait until it is writable */
    bool owes_drained : 1; /* there was output: on_drained is owed once all of it has left */
    bool unwritable : 1;   /* a write failed: only what has arrived is still read */
    bool refused : 1;      /* TLS was replaced by one that does not accept it: on_refused is owed */
    bool closing : 1;      /* net_close: send the output, then half-close */
    bool lingering : 1;    /* half-closed: wait for the peer's end, so that nothing it has to read is lost */
    bool ending : 1;       /* `why` is set: to be taken down */
    bool gone : 1;         /* being taken down */
};

struct net_listener {
    uv_poll_t poll;
    struct net *net;
    struct net_listener *previous, *next;
    struct net_connection *connections;
    struct net_listener_config config; /* name is its own copy */
    struct net_callbacks callbacks;
    struct net_counters counters;
    struct addresses addresses;
    struct connect_rate rate;
    struct timer retry; /* of accepting, where descriptors have run out */
    size_t refs;        /* its handle and its connections */
    int fd;
    uint16_t port;
    bool stopped;
};

struct net {
    uv_loop_t *loop;
    uv_prepare_t turn_end;
    uv_timer_t timer;
    uv_poll_t sockets; /* epoll: some are ready */
    int epoll;
    struct timers timers;
    struct timer trim; /* a second after there were many handshakes at once */
    uint64_t armed_ms; /* what `timer` is set to */
    struct net_listener *listeners;
    struct net_connection *dirty, **dirty_end;
    struct handshake *queue, **queue_end; /* handshakes that wait for a thread */
    int jobs_count;                       /* handshakes that have one */
    int handles_count;                    /* open: turn_end, timer and sockets */
    bool stopping;
    uint8_t *read_buffer;   /* HEADROOM_BYTES, READ_BYTES, then what TLS may add */
    uint8_t *cipher_buffer; /* READ_BYTES; NULL until the first TLS connection */
};

/* net.c */
uint64_t net_now_ms(const struct net *net);

/* listener.c */
void listener_unref(struct net_listener *listener);
/* Polls for connections, or stops if it has as many handshakes as it may. */
void listener_poll(struct net_listener *listener);
/* Stops it; `why` ends its connections at once, SLUICE_OK lets them send their output. */
void listener_stop(struct net_listener *listener, enum sluice_error why);

/* connection.c */
/* Takes over `fd`. `peer` is copied where it is needed later. */
void connection_start(struct net_listener *listener, int fd, uint64_t address_key,
                      const struct net_peer *peer);
/* The handshake is over: tells the user. */
void connection_open(struct net_connection *connection, const struct net_peer *peer);
/* The listener's TLS was replaced. */
void connection_check(struct net_connection *connection);
void connection_poll(struct net_connection *connection, uint32_t events);
/* It can be read or written, or is broken. */
void connection_ready(struct net_connection *connection, uint32_t events);
/* Notes that it is over; the first reason stays. */
void connection_end(struct net_connection *connection, enum sluice_error why);
/* What a turn of the loop owes a connection: presents, sends, closes. */
void connection_settle(struct net_connection *connection);
void connection_touch(struct net_connection *connection); /* has it settled at the end of the turn */

/* transfer.c */
void transfer_read(struct net_connection *connection);
/* Presents what was left over. */
void transfer_present(struct net_connection *connection);
/* Sends; true when everything is out. */
bool transfer_flush(struct net_connection *connection);

/* handshake.c */
void handshake_start(struct net_connection *connection, const struct net_peer *peer);
/* Its socket is ready: takes the next step. */
void handshake_ready(struct net_connection *connection);
void handshake_free(struct net_connection *connection);

#endif

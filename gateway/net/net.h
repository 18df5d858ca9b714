/*
 * Listeners and connections on a libuv loop. A connection takes bytes from its
 * socket to a function and the function's answer back; TLS (net/tls.h), limits,
 * deadlines and the order of closing are settled in here.
 *
 * Threads: everything is called, and calls back, on the loop's thread. TLS
 * handshakes take their public-key work to the libuv thread pool, a few at once,
 * so that the loop never waits for one and the disk keeps its threads.
 *
 * Ownership: a connection belongs to its struct net until on_closed returns.
 * Spans and the struct net_peer live until the callback that gets them returns.
 * No function of this header calls back from inside, so each is safe in every
 * callback, net_close and net_abort of the same connection included.
 *
 * Strokes: what arrives is read into one buffer that all connections share and
 * is presented there; only what on_data leaves over is copied. What one turn of
 * the loop writes to a connection leaves with one system call at the turn's end.
 * An idle connection holds neither an input nor an output buffer.
 *
 * Limits: connections in all and for one address, handshakes at once, and a
 * deadline for each handshake and each close. The bytes that on_data leaves over
 * are its own to bound: net_close what never becomes complete. A connection's
 * output is bounded by whoever writes: net_output says how much is unsent.
 */
#ifndef SLUICE_NET_NET_H
#define SLUICE_NET_NET_H

#include "base/buffer.h"
#include "sluice/error.h"

#include <uv.h>

struct net;
struct net_listener;
struct net_connection;
struct net_tls;

enum {
    NET_ADDRESS_BYTES = 46, /* of an IPv4 or IPv6 address as text, with its NUL */
    NET_NAME_BYTES = 129,   /* of a certificate, with its NUL; a Common Name has at most 64 characters */
    NET_FINGERPRINT_BYTES = 65,
    NET_TEXT_BYTES = 512, /* of the sentence that says what is wrong with a configuration */
};

/* Who is at the other end. */
struct net_peer {
    const char *listener; /* its name */
    char address[NET_ADDRESS_BYTES];
    bool tls;
    bool certificate; /* it gave one that the listener's clientCa vouches for; the two names are of it */
    char name[NET_NAME_BYTES];
    char fingerprint[NET_FINGERPRINT_BYTES]; /* SHA-256 of its DER, hexadecimal */
};

/* What a listener's connections do. on_drained and on_refused may be NULL. */
struct net_callbacks {
    void *ctx;
    /* A connection is ready; over TLS, after the handshake. Returns the `user` of the other callbacks;
     * NULL refuses it, and nothing is called for it again. */
    void *(*on_open)(void *ctx, struct net_connection *connection, const struct net_peer *peer);
    /* Returns the bytes taken; the rest is presented again, in one piece with what follows. */
    size_t (*on_data)(void *user, struct span input);
    /* All output has left, at once or later: who held back because there was so much may go on. */
    void (*on_drained)(void *user);
    /* The listener (net_listener_set_tls, net_listener_check) does not accept the connection's certificate
     * any more. Last words may be written to its output; it is closed as by net_close. */
    void (*on_refused)(void *user);
    /* Exactly once for each on_open that gave a user: SLUICE_OK after net_close, SLUICE_CLOSED when the
     * peer has ended it, SLUICE_TIMEOUT when it did not take the last output in time, SLUICE_DENIED
     * after net_abort, SLUICE_INVALID for bytes that break TLS, SLUICE_IO for the system's errors.
     * The connection and its output are gone when it returns. */
    void (*on_closed)(void *user, enum sluice_error why);
};

struct net_listener_config {
    const char *name;    /* for the log and for struct net_peer */
    const char *address; /* IPv4 or IPv6, literal; "::" takes both */
    uint16_t port;       /* 0: the system chooses, see net_listener_port */
    struct net_tls *tls; /* NULL: plain TCP */
    int backlog_count;
    /* Beyond these a connection is accepted and closed. They count those of all listeners. */
    uint32_t connections_count;             /* at once */
    uint32_t connections_per_address_count; /* the same for an IPv4 address or an IPv6 /64 */
    uint32_t connects_a_second;             /* of one address, at this listener; ten seconds' at once */
    uint32_t handshakes_count;              /* at once; more wait in the backlog */
    uint32_t handshake_timeout_ms;
    uint32_t close_timeout_ms; /* for the peer to take the last output */
};

/* Name, address and port are to be filled in; the rest is set. */
struct net_listener_config net_listener_config_default(void);

struct net_counters {
    uint64_t accepted;
    uint64_t refused_full;        /* over connections_count */
    uint64_t refused_per_address; /* over connections_per_address_count */
    uint64_t refused_rate;        /* over connects_a_second */
    uint64_t handshakes_failed;   /* TLS errors, certificates and deadlines */
    uint64_t bytes_received;      /* as on_data sees them: without TLS */
    uint64_t bytes_sent;
    /* What there is now: */
    uint32_t connections; /* handshakes included */
    uint32_t handshakes;
};

/* Keeps `loop` running until net_stop. */
struct net *net_new(uv_loop_t *loop);

/* Closes the listeners and aborts every connection; frees `net` after the last close callback. Run the
 * loop until it has nothing left to do. on_closed is still called for each connection. */
void net_stop(struct net *net);

/* SLUICE_INVALID: the address is none; SLUICE_EXISTS: the port is in use; SLUICE_DENIED: not allowed to
 * this user; SLUICE_IO. Then `ret_text`, NET_TEXT_BYTES long, says so in one sentence. */
enum sluice_error net_listener_start(struct net *net, const struct net_listener_config *config,
                                     const struct net_callbacks *callbacks,
                                     struct net_listener **ret_listener, char *ret_text);
/* Accepts no more and closes its connections as net_close does; its memory goes with the last of them. */
void net_listener_stop(struct net_listener *listener);
const char *net_listener_name(const struct net_listener *listener);
uint16_t net_listener_port(const struct net_listener *listener);
const struct net_counters *net_listener_counters(const struct net_listener *listener);
struct net_tls *net_listener_tls(const struct net_listener *listener); /* NULL: plain TCP */
/* The listener has this one from now on. Connections whose certificate it does not accept (revoked, out of
 * date, of a CA that is not there any more, or none where one is required) are told so by on_refused at the
 * end of this turn and closed; the others are not touched. Only for a listener that has TLS. */
void net_listener_set_tls(struct net_listener *listener, struct net_tls *tls);

/* The same for who has run out since: a certificate, its CA or the CRL. Only for a listener that has TLS. */
void net_listener_check(struct net_listener *listener);

/* Where to append what is to be sent; call net_flush_soon afterwards. It holds what is unsent. */
struct buffer *net_output(struct net_connection *connection);
void net_flush_soon(struct net_connection *connection);
/* Paused, nothing is read, and on_data is not called. Continuing presents what was left over again. */
void net_pause(struct net_connection *connection, bool paused);
/* Takes no more input, sends what is in the output, then closes. */
void net_close(struct net_connection *connection);
/* Closes at the end of this turn; what is unsent is lost. */
void net_abort(struct net_connection *connection);
/* What is in the output leaves as it is; from there on the connection speaks WebSocket (net/websocket.h): the
 * user's bytes, in and out, are what frames carry. Once, and not with input that on_data leaves over. */
void net_start_websocket(struct net_connection *connection, uint64_t frame_bytes_max);

#endif

/* What the parts of the gateway's joining share: gateway.c, restore.c, clients.c, ledger.c, status.c. Nobody
 * else includes it. */
#ifndef SLUICE_APP_GATEWAY_INTERNAL_H
#define SLUICE_APP_GATEWAY_INTERNAL_H

#include "app/authenticator.h"
#include "app/functions.h"
#include "app/gateway.h"
#include "app/https.h"
#include "app/intake.h"
#include "app/storage.h"
#include "app/sys.h"
#include "broker/broker.h"
#include "net/net.h"
#include "net/tls.h"

enum {
    GATEWAY_LISTENERS = 4,
    TLS_SESSIONS_COUNT = 20000, /* that can be resumed */
    TLS_SESSION_TIMEOUT_S = 24 * 3600,
};

struct gateway {
    uv_loop_t *loop;
    const struct config *config; /* what was loaded last; what needs a restart is as it was at the start */
    struct config *reloaded;     /* the same, or NULL: it is the one of the start */
    const struct config *started;
    struct storage *storage;
    struct broker *broker;
    struct authenticator *authenticator;
    struct functions *functions;
    struct frames *frames;
    struct retained_queue *retained;
    struct intake *intake;
    struct sys *sys;       /* NULL: $SYS is off */
    uint64_t started_ms;   /* on the loop's clock */
    uint64_t wall_ms;      /* the wall clock, read once a turn: reading it for each message costs a tenth */
    uint64_t wall_read_ms; /* the loop's clock at that time */
    struct net *net;
    struct https *https;
    struct invoke_api *invoke_api;
    size_t http_invocation_count; /* under way, for whoever waits for the answer */
    struct net_listener *listeners[GATEWAY_LISTENERS];
    size_t listener_count;
    uv_check_t turn;     /* the end of each loop turn */
    uv_prepare_t before; /* sets the timer before the loop sleeps */
    uv_timer_t deadline;
    uv_timer_t daily, each_minute;               /* look for what runs out */
    size_t client_count;                         /* open connections and, once more, those of WebSocket */
    struct functions_counters function_counters; /* as they were when the functions stopped */
    bool stopping;
    bool failed; /* to start */
    unsigned handles_open;
};

/* host.c: what the broker asks for, answered by the journal, the state and the functions. */
struct broker_hooks gateway_broker_hooks(struct gateway *gateway);
/* restore.c: gives the broker and the functions what the disk holds. */
enum sluice_error gateway_restore(struct gateway *gateway);
/* clients.c: listens as configured. */
enum sluice_error gateway_listen(struct gateway *gateway);
/* A listener's settings, as they are now. */
const struct config_listen *gateway_listen_of(const struct gateway *gateway, const char *listener);
/* broker_hooks.allowed; what was allowed may have been withdrawn by a reload since the connection was opened.
 */
bool gateway_client_allowed(void *ctx, void *connection, const struct identity *identity);
/* The TLS of a listener, which goes on with the sessions of the `previous` one, NULL for the first; on
 * failure ret_text, NET_TEXT_BYTES long, says why. */
enum sluice_error gateway_make_tls(const struct config *config, const char *listener,
                                   const struct net_tls *previous, struct net_tls **ret_tls, char *ret_text);
/* Those of TLS listeners go to the data folder, which must be this gateway's. */
void gateway_keep_tls_sessions(struct gateway *gateway);
/* gateway.c: the rules of a configuration, compiled. */
struct access *gateway_make_access(const struct config *config);
/* expiry.c: looks from now on for what runs out. */
void gateway_start_expiry(struct gateway *gateway);
/* Says which files have run out or will soon. */
void gateway_warn_of_expiry(const struct gateway *gateway);
/* status.c: begins to publish $SYS, if the configuration wants it. */
void gateway_start_status(struct gateway *gateway);
/* What a Client's connection does. */
struct net_callbacks gateway_client_callbacks(struct gateway *gateway);
/* gateway.c: one of client_count is no more; when stopping, the workers stop after the last one. */
void gateway_client_gone(struct gateway *gateway);
/* ledger.c: one line of JSON on standard output: what came in, and what became of it. */
void gateway_print_ledger(const struct gateway *gateway);

/* The one clock and the one randomness of all parts; ctx is not used. */
uint64_t gateway_wall_ms(void *ctx); /* Unix epoch */
void gateway_random(void *ctx, uint8_t *bytes, size_t len);

/* rollouts.c: what was asked for before this start, or while the gateway started anew and was not there to
 * hear of it. */
void gateway_refuse_rollout(struct gateway *gateway);

#endif

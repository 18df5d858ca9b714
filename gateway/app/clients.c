#include "app/gateway_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <limits.h>
#include <stdio.h>

/* A connection and the channel of the broker that is on it. */
struct client {
    struct gateway *gateway;
    struct net_connection *connection;
    struct channel *channel;
    const char *listener;
};

/* ---- What a channel asks of its connection ---- */

static void flush_soon(void *ctx)
{
    net_flush_soon(((struct client *)ctx)->connection);
}

static void close_connection(void *ctx)
{
    net_close(((struct client *)ctx)->connection);
}

static void pause_connection(void *ctx, bool paused)
{
    net_pause(((struct client *)ctx)->connection, paused);
}

/* ---- What a connection tells its channel ---- */

const struct config_listen *gateway_listen_of(const struct gateway *gateway, const char *listener)
{
    const struct config *config = gateway->config;
    return strcmp(listener, "mqtt") == 0    ? &config->mqtt
           : strcmp(listener, "mqtts") == 0 ? &config->mqtts
           : strcmp(listener, "https") == 0 ? &config->https
                                            : &config->http;
}

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct gateway *gateway = ctx;
    const struct config_listen *listen = gateway_listen_of(gateway, peer->listener);
    bool knows_names = credentials_any(authenticator_credentials(gateway->authenticator));
    if (gateway->stopping || (!peer->certificate && !listen->anonymous && !knows_names))
        return NULL;
    struct identity identity = {.kind = peer->certificate   ? IDENTITY_CERTIFICATE
                                        : listen->anonymous ? IDENTITY_ANONYMOUS
                                                            : IDENTITY_UNKNOWN};
    if (peer->certificate) {
        snprintf(identity.name, sizeof identity.name, "%s", peer->name);
        snprintf(identity.fingerprint, sizeof identity.fingerprint, "%s", peer->fingerprint);
    }
    struct client *client = memory_new(sizeof *client);
    client->gateway = gateway;
    client->connection = connection;
    client->listener = peer->listener;
    struct channel_io io = {.ctx = client,
                            .out = net_output(connection),
                            .flush_soon = flush_soon,
                            .close = close_connection,
                            .pause = pause_connection};
    client->channel = channel_open(gateway->broker, &io, &identity, uv_now(gateway->loop));
    gateway->client_count++;
    return client;
}

static size_t on_data(void *user, struct span input)
{
    struct client *client = user;
    return channel_input(client->channel, input, uv_now(client->gateway->loop));
}

static void on_drained(void *user)
{
    channel_drained(((struct client *)user)->channel);
}

static void on_refused(void *user)
{
    channel_disconnect(((struct client *)user)->channel, MQTT_NOT_AUTHORIZED);
}

static void on_closed(void *user, enum sluice_error why)
{
    (void)why; /* for the broker every end without a DISCONNECT is the same */
    struct client *client = user;
    struct gateway *gateway = client->gateway;
    channel_closed(client->channel, uv_now(gateway->loop));
    memory_free(client);
    gateway_client_gone(gateway);
}

struct net_callbacks gateway_client_callbacks(struct gateway *gateway)
{
    return (struct net_callbacks){.ctx = gateway,
                                  .on_open = on_open,
                                  .on_data = on_data,
                                  .on_drained = on_drained,
                                  .on_refused = on_refused,
                                  .on_closed = on_closed};
}

bool gateway_client_allowed(void *ctx, void *connection, const struct identity *identity)
{
    const struct gateway *gateway = ctx;
    const struct client *client = connection;
    if (identity->kind == IDENTITY_ANONYMOUS)
        return gateway_listen_of(gateway, client->listener)->anonymous;
    return credentials_still_valid(authenticator_credentials(gateway->authenticator), identity);
}

/* ---- Listeners ---- */

static struct net_listener_config listener_config(const struct gateway *gateway, const char *name,
                                                  const struct config_listen *listen)
{
    const struct config_limits *limits = &gateway->config->limits;
    struct net_listener_config config = net_listener_config_default();
    config.name = name;
    config.address = listen->host;
    config.port = listen->port;
    config.connections_count = (uint32_t)limits->connections_count;
    config.connections_per_address_count = (uint32_t)limits->connections_per_address_count;
    config.connects_a_second = (uint32_t)limits->connect_rate;
    config.handshakes_count = (uint32_t)limits->handshakes_count;
    config.handshake_timeout_ms = (uint32_t)limits->handshake_timeout_ms;
    return config;
}

static enum sluice_error start_listener(struct gateway *gateway, const char *name, struct net_tls *tls,
                                        const struct net_callbacks *callbacks)
{
    char text[NET_TEXT_BYTES];
    const struct config_listen *listen = gateway_listen_of(gateway, name);
    struct net_listener_config config = listener_config(gateway, name, listen);
    config.tls = tls;
    struct net_listener **listener = &gateway->listeners[gateway->listener_count];
    enum sluice_error error = net_listener_start(gateway->net, &config, callbacks, listener, text);
    if (error) {
        log_error("%s", text); /* it names the listener */
        return error;
    }
    gateway->listener_count++;
    log_info("%s listens on %s:%u", name, listen->host, net_listener_port(*listener));
    return SLUICE_OK;
}

/* Pages are for people too, who have no certificate; and a browser that is asked for one may not connect. */
enum sluice_error gateway_make_tls(const struct config *config, const char *listener,
                                   const struct net_tls *previous, struct net_tls **ret_tls, char *ret_text)
{
    bool is_https = strcmp(listener, "https") == 0, asks = !is_https || config->https_certificates;
    struct net_tls_config tls_config = {
        .certificate = config->tls.certificate,
        .key = config->tls.key,
        .client_ca = asks ? config->tls.client_ca : NULL,
        .crl = asks ? config->tls.crl : NULL,
        .client_certificate_required =
            !is_https && !config->mqtts.anonymous && !config->passwords && config->token_count == 0,
        .identity =
            config->tls.identity == CONFIG_SUBJECT_ALT_NAME ? NET_TLS_SUBJECT_ALT_NAME : NET_TLS_COMMON_NAME,
        .sessions_count = TLS_SESSIONS_COUNT,
        .session_timeout_s = TLS_SESSION_TIMEOUT_S,
        .previous = previous,
    };
    return net_tls_new(&tls_config, ret_tls, ret_text);
}

void gateway_keep_tls_sessions(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->listener_count; i++) {
        char path[PATH_MAX];
        struct net_tls *tls = net_listener_tls(gateway->listeners[i]);
        snprintf(path, sizeof path, "%s/%s.sessions", gateway->started->data,
                 net_listener_name(gateway->listeners[i]));
        if (tls)
            net_tls_keep_sessions(tls, path);
    }
}

static enum sluice_error start_tls_listener(struct gateway *gateway, const char *name,
                                            const struct net_callbacks *callbacks)
{
    char text[NET_TEXT_BYTES];
    struct net_tls *tls;
    enum sluice_error error = gateway_make_tls(gateway->config, name, NULL, &tls, text);
    if (error) {
        log_error("%s cannot listen: %s", name, text);
        return error;
    }
    error = start_listener(gateway, name, tls, callbacks);
    net_tls_unref(tls);
    return error;
}

/* All that are configured are tried, so that the log says all that is wrong. */
enum sluice_error gateway_listen(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    enum sluice_error plain = SLUICE_OK, tls = SLUICE_OK, https = SLUICE_OK, http = SLUICE_OK;
    struct net_callbacks mqtt = gateway_client_callbacks(gateway);
    struct net_callbacks requests = https_callbacks(gateway->https);
    if (config->mqtt.host)
        plain = start_listener(gateway, "mqtt", NULL, &mqtt);
    if (config->mqtts.host)
        tls = start_tls_listener(gateway, "mqtts", &mqtt);
    if (config->https.host)
        https = start_tls_listener(gateway, "https", &requests);
    if (config->http.host)
        http = start_listener(gateway, "http", NULL, &requests);
    return plain ? plain : tls ? tls : https ? https : http;
}

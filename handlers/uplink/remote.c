#include "uplink/remote.h"

#include "base/memory.h"
#include "uplink/properties.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_S = 20, /* TCP, TLS and CONNACK together */
    RECEIVE_MAXIMUM_DEFAULT = 65535,
    PACKET_BYTES_MAX = 268435460, /* MQTT's own bound: header, and 268,435,455 bytes */
    BUFFERED_MAX = 2 * SETTINGS_INFLIGHT_MAX,
    EXPIRY_BYTES = 1 + 4, /* of a Message Expiry Interval */
    PORT_DEFAULT = 1883,
    PORT_DEFAULT_TLS = 8883,
    URI_BYTES = 512,
    DOWN_SESSION_S = 7 * 24 * 3600, /* how long the remote keeps what is to come down */
};

struct remote {
    const struct settings *settings;
    char uri[URI_BYTES]; /* as Paho writes it */
    MQTTAsync keeper;    /* never connected: Paho tears its threads down with the last handle, and slowly */
    MQTTAsync handle;    /* NULL: no connection and no attempt */
    int wake_fd;
    pthread_mutex_t lock; /* of the events, which Paho's threads add to, and of `unsettled` */
    pthread_cond_t settled;
    bool unsettled; /* a message that arrived waits for remote_settle */
    struct remote_event *events;
    size_t event_first, event_count, event_capacity;
};

/* ---- Events: from Paho's threads to the caller's ---- */

static void grow(struct remote *remote)
{
    size_t capacity = remote->event_capacity ? remote->event_capacity * 2 : 64;
    struct remote_event *events = memory_new_array(capacity, sizeof *events);
    for (size_t i = 0; i < remote->event_count; i++)
        events[i] = remote->events[(remote->event_first + i) % remote->event_capacity];
    memory_free(remote->events);
    remote->events = events;
    remote->event_first = 0;
    remote->event_capacity = capacity;
}

static void post(struct remote *remote, const struct remote_event *event)
{
    pthread_mutex_lock(&remote->lock);
    if (remote->event_count == remote->event_capacity)
        grow(remote);
    remote->events[(remote->event_first + remote->event_count++) % remote->event_capacity] = *event;
    bool was_empty = remote->event_count == 1;
    pthread_mutex_unlock(&remote->lock);
    if (was_empty)
        eventfd_write(remote->wake_fd, 1);
}

bool remote_next(struct remote *remote, struct remote_event *ret_event)
{
    pthread_mutex_lock(&remote->lock);
    bool any = remote->event_count > 0;
    if (any) {
        *ret_event = remote->events[remote->event_first];
        remote->event_first = (remote->event_first + 1) % remote->event_capacity;
        remote->event_count--;
    }
    eventfd_t ignored;
    if (!any) /* once for all that came together */
        eventfd_read(remote->wake_fd, &ignored);
    pthread_mutex_unlock(&remote->lock);
    return any;
}

int remote_fd(const struct remote *remote)
{
    return remote->wake_fd;
}

static uint32_t property_of(const MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t otherwise)
{
    /* Paho's reader takes them as not constant, and only reads. */
    MQTTProperties *read = (MQTTProperties *)(uintptr_t)properties;
    return MQTTProperties_hasProperty(read, code) ? (uint32_t)MQTTProperties_getNumericValue(read, code)
                                                  : otherwise;
}

static void on_not_subscribed(void *ctx, MQTTAsync_failureData *data)
{
    post(ctx,
         &(struct remote_event){.type = REMOTE_NOT_SUBSCRIBED, .reason = data ? (uint8_t)data->code : 0});
}

static void on_not_subscribed_5(void *ctx, MQTTAsync_failureData5 *data)
{
    post(ctx, &(struct remote_event){.type = REMOTE_NOT_SUBSCRIBED,
                                     .reason = data ? (uint8_t)data->reasonCode : 0});
}

/* In Paho's own thread: another would wait for what the session brings at once, see remote_settle. */
static void subscribe(struct remote *remote)
{
    const struct settings *settings = remote->settings;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = remote;
    if (settings->version_5)
        response.onFailure5 = on_not_subscribed_5;
    else
        response.onFailure = on_not_subscribed;
    for (size_t i = 0; i < settings->down_count; i++)
        MQTTAsync_subscribe(remote->handle, settings->down[i], 1, &response);
}

static void on_connected(void *ctx, MQTTAsync_successData *data)
{
    (void)data;
    subscribe(ctx);
    post(ctx, &(struct remote_event){.type = REMOTE_CONNECTED,
                                     .receive_maximum = RECEIVE_MAXIMUM_DEFAULT,
                                     .packet_bytes_max = PACKET_BYTES_MAX,
                                     .takes_qos_1 = true,
                                     .takes_retain = true});
}

static void on_connected_5(void *ctx, MQTTAsync_successData5 *data)
{
    const MQTTProperties *properties = &data->properties;
    subscribe(ctx);
    post(ctx, &(struct remote_event){
                  .type = REMOTE_CONNECTED,
                  .receive_maximum =
                      property_of(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM_DEFAULT),
                  .packet_bytes_max =
                      property_of(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, PACKET_BYTES_MAX),
                  .takes_qos_1 = property_of(properties, MQTTPROPERTY_CODE_MAXIMUM_QOS, 2) >= 1,
                  .takes_retain = property_of(properties, MQTTPROPERTY_CODE_RETAIN_AVAILABLE, 1) == 1,
              });
}

static void post_refused(struct remote *remote, int code, const char *reason, const char *message)
{
    struct remote_event event = {.type = REMOTE_REFUSED};
    snprintf(event.text, sizeof event.text, "%s%s%s", reason ? reason : MQTTAsync_strerror(code),
             message ? ": " : "", message ? message : "");
    post(remote, &event);
}

/* MQTT 3.1.1, table 3.1: what CONNACK may refuse with. */
static const char *connack_text(int code)
{
    static const char *const texts[] = {NULL,
                                        "unacceptable protocol version",
                                        "identifier rejected",
                                        "server unavailable",
                                        "bad user name or password",
                                        "not authorized"};
    return code > 0 && code < (int)(sizeof texts / sizeof texts[0]) ? texts[code] : NULL;
}

static void on_refused(void *ctx, MQTTAsync_failureData *data)
{
    post_refused(ctx, data ? data->code : MQTTASYNC_FAILURE, connack_text(data ? data->code : 0),
                 data ? data->message : NULL);
}

static void on_refused_5(void *ctx, MQTTAsync_failureData5 *data)
{
    int code =
        data ? data->code : MQTTASYNC_FAILURE; /* below 0 Paho's own, otherwise CONNACK's Reason Code */
    post_refused(ctx, code, code > 0 ? MQTTReasonCode_toString((enum MQTTReasonCodes)code) : NULL,
                 data ? data->message : NULL);
}

static void on_lost(void *ctx, char *cause)
{
    (void)cause; /* always NULL */
    post(ctx, &(struct remote_event){.type = REMOTE_LOST});
}

/* It comes before on_lost, which then says nothing more. */
static void on_disconnect(void *ctx, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
    (void)properties;
    post(ctx, &(struct remote_event){.type = REMOTE_LOST, .reason = (uint8_t)reason});
}

static void on_puback(void *ctx, MQTTAsync_successData *data)
{
    post(ctx, &(struct remote_event){.type = REMOTE_ACKNOWLEDGED, .token = data->token});
}

static void on_puback_5(void *ctx, MQTTAsync_successData5 *data)
{
    post(ctx, &(struct remote_event){
                  .type = REMOTE_ACKNOWLEDGED, .token = data->token, .reason = (uint8_t)data->reasonCode});
}

/* Also for each message that is open when the connection ends, without a Reason Code: LOST says so of all. */
static void on_puback_error_5(void *ctx, MQTTAsync_failureData5 *data)
{
    if (data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR)
        post(ctx, &(struct remote_event){.type = REMOTE_ACKNOWLEDGED,
                                         .token = data->token,
                                         .reason = (uint8_t)data->reasonCode});
}

/* Paho sends PUBACK when this returns: not before the message is settled. */
static int on_arrived(void *ctx, char *topic, int topic_len, MQTTAsync_message *message)
{
    struct remote *remote = ctx;
    struct buffer properties = {0};
    properties_write(&message->properties, &properties);
    struct remote_arrival arrival = {
        .topic = span_of(topic, topic_len > 0 ? (size_t)topic_len : strlen(topic)),
        .payload = span_of(message->payload, (size_t)message->payloadlen),
        .properties = buffer_span(&properties),
        .retain = message->retained,
    };
    pthread_mutex_lock(&remote->lock);
    remote->unsettled = true;
    pthread_mutex_unlock(&remote->lock);
    post(remote, &(struct remote_event){.type = REMOTE_ARRIVED, .arrival = &arrival});
    pthread_mutex_lock(&remote->lock);
    while (remote->unsettled)
        pthread_cond_wait(&remote->settled, &remote->lock);
    pthread_mutex_unlock(&remote->lock);
    buffer_fini(&properties);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

void remote_settle(struct remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    remote->unsettled = false;
    pthread_cond_signal(&remote->settled);
    pthread_mutex_unlock(&remote->lock);
}

/* ---- Connecting ---- */

/* Paho's own schemes, and the port where none is given: a colon after the host, which may be [IPv6]. */
static void write_uri(struct remote *remote)
{
    const struct settings *settings = remote->settings;
    const char *host = settings->url + (settings->encrypted ? strlen("mqtts://") : strlen("mqtt://"));
    const char *bracket = strrchr(host, ']');
    bool has_port = strchr(bracket ? bracket : host, ':') != NULL;
    char port[16] = "";
    if (!has_port)
        snprintf(port, sizeof port, ":%d", settings->encrypted ? PORT_DEFAULT_TLS : PORT_DEFAULT);
    snprintf(remote->uri, sizeof remote->uri, "%s://%s%s", settings->encrypted ? "ssl" : "tcp", host, port);
}

static int create(const struct remote *remote, const char *client_id, MQTTAsync *ret_handle)
{
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
    options.MQTTVersion = remote->settings->version_5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    options.maxBufferedMessages = BUFFERED_MAX;
    return MQTTAsync_createWithOptions(ret_handle, remote->uri, client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                       &options);
}

struct remote *remote_new(const struct settings *settings, char *error)
{
    struct remote *remote = memory_new(sizeof *remote);
    remote->settings = settings;
    write_uri(remote);
    MQTTAsync_global_init(&(MQTTAsync_init_options){{'M', 'Q', 'T', 'G'}, 0, 1});
    pthread_mutex_init(&remote->lock, NULL);
    pthread_cond_init(&remote->settled, NULL);
    remote->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = create(remote, "keeper", &remote->keeper);
    if (failed != MQTTASYNC_SUCCESS || remote->wake_fd < 0) {
        snprintf(error, SETTINGS_ERROR_BYTES, "%s: %s", remote->uri,
                 failed ? MQTTAsync_strerror(failed) : "no descriptor is left");
        remote_free(remote);
        return NULL;
    }
    return remote;
}

void remote_free(struct remote *remote)
{
    remote_close(remote);
    if (remote->keeper)
        MQTTAsync_destroy(&remote->keeper);
    if (remote->wake_fd >= 0)
        close(remote->wake_fd);
    pthread_cond_destroy(&remote->settled);
    pthread_mutex_destroy(&remote->lock);
    memory_free(remote->events);
    memory_free(remote);
}

/* The chain and the host's name are always checked. */
static MQTTAsync_SSLOptions tls_options(const struct settings *settings)
{
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    tls.trustStore = settings->ca;
    tls.keyStore = settings->certificate;
    tls.privateKey = settings->key;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;
    return tls;
}

/* What is to come down waits in a session at the remote while there is no connection. */
static void ask_for_session(const struct settings *settings, MQTTAsync_connectOptions *options,
                            MQTTProperties *properties)
{
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = DOWN_SESSION_S;
    if (settings->version_5) {
        MQTTProperties_add(properties, &expiry);
        options->connectProperties = properties;
        options->cleanstart = 0;
    } else {
        options->cleansession = 0;
    }
}

static int start_connecting(struct remote *remote)
{
    const struct settings *settings = remote->settings;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions options_5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_SSLOptions tls = tls_options(settings);
    if (settings->version_5) {
        options = options_5;
        options.cleanstart = 1;
        options.onSuccess5 = on_connected_5;
        options.onFailure5 = on_refused_5;
    } else {
        options.MQTTVersion = MQTTVERSION_3_1_1;
        options.cleansession = 1;
        options.onSuccess = on_connected;
        options.onFailure = on_refused;
    }
    MQTTProperties properties = MQTTProperties_initializer;
    if (settings->down_count > 0)
        ask_for_session(settings, &options, &properties);
    options.context = remote;
    options.keepAliveInterval = (int)settings->keep_alive_s;
    options.connectTimeout = CONNECT_TIMEOUT_S;
    options.username = settings->user;
    options.password = settings->password;
    options.ssl = settings->encrypted ? &tls : NULL;
    int failed = create(remote, settings->client_id, &remote->handle);
    if (!failed)
        failed = MQTTAsync_setCallbacks(remote->handle, remote, on_lost, on_arrived, NULL);
    if (!failed && settings->version_5)
        failed = MQTTAsync_setDisconnected(remote->handle, remote, on_disconnect);
    if (!failed)
        failed = MQTTAsync_connect(remote->handle, &options);
    MQTTProperties_free(&properties);
    return failed;
}

void remote_connect(struct remote *remote)
{
    int failed = start_connecting(remote);
    if (failed)
        post_refused(remote, failed, NULL, NULL);
}

/* Paho calls back under the lock that it destroys a handle under: none of its callbacks comes later. */
void remote_close(struct remote *remote)
{
    if (remote->handle)
        MQTTAsync_destroy(&remote->handle);
    pthread_mutex_lock(&remote->lock);
    remote->event_count = 0;
    pthread_mutex_unlock(&remote->lock);
}

/* ---- Publishing ---- */

enum sluice_error remote_publish(struct remote *remote, const struct remote_message *message, int *ret_token)
{
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = remote;
    if (remote->settings->version_5) {
        response.onSuccess5 = on_puback_5;
        response.onFailure5 = on_puback_error_5;
    } else {
        response.onSuccess = on_puback;
    }
    if (remote->settings->version_5) {
        properties_read(message->properties, &response.properties);
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL};
        expiry.value.integer4 = message->expiry_s;
        if (message->expiry_s > 0)
            MQTTProperties_add(&response.properties, &expiry);
    }
    int failed = MQTTAsync_send(remote->handle, message->topic, (int)message->payload.len,
                                message->payload.data, 1, message->retain, &response);
    MQTTProperties_free(&response.properties);
    if (failed == MQTTASYNC_BAD_UTF8_STRING)
        return SLUICE_INVALID;
    if (failed)
        return SLUICE_CLOSED;
    *ret_token = response.token;
    return SLUICE_OK;
}

size_t remote_packet_bytes(const struct remote_message *message)
{
    size_t properties_bytes = message->properties.len + (message->expiry_s > 0 ? EXPIRY_BYTES : 0);
    size_t remaining = 2 + strlen(message->topic) + 2 + varint_size((uint32_t)properties_bytes) +
                       properties_bytes + message->payload.len;
    return 1 + varint_size((uint32_t)remaining) + remaining;
}

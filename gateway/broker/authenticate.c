#include "broker/authenticate.h"

#include "base/memory.h"
#include "broker/parts.h"

#include <assert.h>

struct authentication {
    struct channel *channel;
    void *exchange;              /* the world's */
    struct broker_answer answer; /* the last one */
    bool answered;               /* it came later, and is for the packet that is given again */
    bool running;                /* an enhanced authentication waits for the Client's next AUTH */
    char *method;                /* that was agreed on; NULL: none */
    struct buffer connect;       /* the CONNECT, while its enhanced authentication runs */
    struct timer expiry;
};

/* ---- Asking ---- */

static void end_exchange(struct authentication *authentication)
{
    struct broker *broker = authentication->channel->broker;
    if (authentication->exchange)
        broker->hooks.authentication_ended(broker->hooks.ctx, authentication->exchange);
    authentication->exchange = NULL;
    authentication->running = false;
    authentication->answer.data = SPAN_EMPTY;
    buffer_fini(&authentication->connect);
}

void authenticate_forget(struct channel *channel)
{
    struct authentication *authentication = channel->authentication;
    if (!authentication)
        return;
    end_exchange(authentication);
    timers_stop(&channel->broker->timers, &authentication->expiry);
    memory_free(authentication->method);
    memory_free(authentication);
    channel->authentication = NULL;
}

/* Once the identity's time is over. The wall clock may have been set meanwhile. */
static void on_expiry(void *owner, uint64_t now_ms)
{
    struct authentication *authentication = owner;
    struct channel *channel = authentication->channel;
    uint64_t wall_ms = broker_wall_ms(channel->broker), expires_ms = authentication->answer.expires_ms;
    if (wall_ms >= expires_ms)
        channel_disconnect(channel, MQTT_NOT_AUTHORIZED);
    else
        timers_set(&channel->broker->timers, &authentication->expiry, now_ms + (expires_ms - wall_ms));
}

static struct authentication *authentication_of(struct channel *channel)
{
    if (!channel->authentication) {
        channel->authentication = memory_new(sizeof *channel->authentication);
        channel->authentication->channel = channel;
        channel->authentication->expiry =
            (struct timer){.on_expired = on_expiry, .owner = channel->authentication};
    }
    return channel->authentication;
}

/* SLUICE_OK: the answer is there. */
static enum sluice_error ask(struct channel *channel, const struct broker_credentials *credentials)
{
    struct broker *broker = channel->broker;
    struct authentication *authentication = channel->authentication;
    if (authentication->answered) {
        authentication->answered = false;
        return SLUICE_OK;
    }
    authentication->answer = (struct broker_answer){.reason = MQTT_NOT_AUTHORIZED};
    enum sluice_error error = broker->hooks.authenticate(
        broker->hooks.ctx, channel, &authentication->exchange, credentials, &authentication->answer);
    if (error == SLUICE_AGAIN)
        channel_pause(channel, PAUSE_AUTHENTICATION);
    return error;
}

void channel_authenticated(struct channel *channel, const struct broker_answer *answer)
{
    channel->authentication->answer = *answer;
    channel->authentication->answered = true;
    channel_continue(channel, PAUSE_AUTHENTICATION);
}

static struct broker_credentials credentials_of(const struct channel *channel,
                                                const struct mqtt_packet *packet)
{
    struct broker_credentials credentials = {.transport = channel->identity};
    credentials.has_method =
        mqtt_property_bytes(packet->properties, MQTT_AUTHENTICATION_METHOD, &credentials.method);
    credentials.has_data =
        mqtt_property_bytes(packet->properties, MQTT_AUTHENTICATION_DATA, &credentials.data);
    if (packet->type == MQTT_CONNECT) {
        credentials.client_id = packet->connect.client_id;
        credentials.has_user_name = packet->connect.has_user_name;
        credentials.user_name = packet->connect.user_name;
        credentials.has_password = packet->connect.has_password;
        credentials.password = packet->connect.password;
    }
    return credentials;
}

static void adopt_identity(struct channel *channel)
{
    identity_release(channel->identity);
    channel->identity = identity_keep(&channel->authentication->answer.identity);
}

/* ---- AUTH packets ---- */

void authenticate_write(const struct channel *channel, struct writer *properties)
{
    const struct authentication *authentication = channel->authentication;
    if (!authentication || !authentication->method)
        return; /* [MQTT-4.12.0-6] */
    struct span method = span_from_string(authentication->method), data = authentication->answer.data;
    assert(method.len + data.len <= BROKER_AUTHENTICATION_BYTES);
    mqtt_write_bytes_property(properties, MQTT_AUTHENTICATION_METHOD, method); /* [MQTT-4.12.0-5] */
    if (data.len > 0)
        mqtt_write_bytes_property(properties, MQTT_AUTHENTICATION_DATA, data);
}

static void send_auth(struct channel *channel, enum mqtt_reason reason)
{
    uint8_t bytes[AUTHENTICATE_PROPERTIES_BYTES];
    struct writer block = writer_of(bytes, sizeof bytes);
    authenticate_write(channel, &block);
    struct mqtt_packet packet = {
        .type = MQTT_AUTH, .version = MQTT_5, .reason = reason, .properties.bytes = writer_span(&block)};
    if (!channel_send(channel, &packet))
        channel_fail(channel, MQTT_PACKET_TOO_LARGE);
}

/* Ends an enhanced authentication that has failed [MQTT-4.12.0-4] [MQTT-4.12.1-2]. */
static void reject(struct channel *channel, enum mqtt_reason reason)
{
    if (channel->state == CHANNEL_AUTHENTICATING)
        connect_refuse(channel, MQTT_5, reason);
    else
        channel_disconnect(channel, reason);
}

static void keep_connect(struct authentication *authentication, const struct mqtt_packet *connect)
{
    size_t size = mqtt_encoded_size(connect);
    struct writer out = writer_of(buffer_reserve(&authentication->connect, size), size);
    mqtt_encode(&out, connect);
    buffer_grown(&authentication->connect, writer_len(&out));
}

/* The Server wants more: the Client's answer is an AUTH. */
static void go_on(struct channel *channel)
{
    channel->authentication->running = true;
    send_auth(channel, MQTT_CONTINUE_AUTHENTICATION); /* [MQTT-4.12.0-2] */
}

enum sluice_error authenticate_connect(struct channel *channel, const struct mqtt_packet *connect,
                                       enum mqtt_reason *ret_reason)
{
    struct broker_credentials credentials = credentials_of(channel, connect);
    if (credentials.has_data && !credentials.has_method) {
        *ret_reason = MQTT_PROTOCOL_ERROR; /* section 3.1.2.11.10 */
        return SLUICE_OK;
    }
    if (!channel->broker->hooks.authenticate) {
        bool is_unknown = channel->identity->kind == IDENTITY_UNKNOWN;
        *ret_reason = credentials.has_method ? MQTT_BAD_AUTHENTICATION_METHOD
                      : is_unknown           ? MQTT_NOT_AUTHORIZED
                                             : MQTT_SUCCESS;
        return SLUICE_OK;
    }
    struct authentication *authentication = authentication_of(channel);
    if (ask(channel, &credentials) == SLUICE_AGAIN)
        return SLUICE_AGAIN;
    *ret_reason = authentication->answer.reason;
    if (credentials.has_method && *ret_reason < MQTT_UNSPECIFIED_ERROR)
        authentication->method = memory_string(credentials.method);
    if (*ret_reason == MQTT_SUCCESS) {
        adopt_identity(channel);
    } else if (*ret_reason == MQTT_CONTINUE_AUTHENTICATION) {
        keep_connect(authentication, connect);
        channel->version = MQTT_5;
        channel->state = CHANNEL_AUTHENTICATING;
        go_on(channel);
    }
    return SLUICE_OK;
}

void authenticate_accepted(struct channel *channel, uint64_t now_ms)
{
    struct authentication *authentication = channel->authentication;
    if (!authentication)
        return;
    end_exchange(authentication);
    if (authentication->answer.expires_ms > 0)
        on_expiry(authentication, now_ms);
    else if (authentication->method)
        timers_stop(&channel->broker->timers, &authentication->expiry);
    else
        authenticate_forget(channel);
}

static void finish_connect(struct channel *channel, uint64_t now_ms)
{
    struct buffer kept = channel->authentication->connect;
    struct mqtt_packet connect;
    enum mqtt_reason reason;
    channel->authentication->connect = (struct buffer){0};
    adopt_identity(channel);
    enum sluice_error error = mqtt_decode(buffer_span(&kept), MQTT_SERVER, MQTT_5, &connect, &reason);
    assert(error == SLUICE_OK); /* it was decoded before it was kept */
    (void)error;
    connect_authenticated(channel, &connect, now_ms);
    buffer_fini(&kept);
}

/* A re-authentication must come to the same identity: sessions and rights are that one's. */
static void finish_again(struct channel *channel, uint64_t now_ms)
{
    if (!identity_same(channel->identity, &channel->authentication->answer.identity)) {
        reject(channel, MQTT_NOT_AUTHORIZED);
        return;
    }
    adopt_identity(channel);
    send_auth(channel, MQTT_SUCCESS);
    authenticate_accepted(channel, now_ms);
}

enum sluice_error authenticate_on_auth(struct channel *channel, const struct mqtt_packet *packet,
                                       uint64_t now_ms)
{
    struct authentication *authentication = channel->authentication;
    struct broker_credentials credentials = credentials_of(channel, packet);
    bool is_agreed = authentication && authentication->method && credentials.has_method &&
                     span_equal(credentials.method, span_from_string(authentication->method));
    enum mqtt_reason expected =
        is_agreed && authentication->running ? MQTT_CONTINUE_AUTHENTICATION : MQTT_REAUTHENTICATE;
    if (!is_agreed || packet->reason != expected) { /* [MQTT-4.12.0-3] [MQTT-4.12.0-7] [MQTT-4.12.1-1] */
        channel->broker->counters.protocol_errors++;
        reject(channel, MQTT_PROTOCOL_ERROR);
        return SLUICE_OK;
    }
    if (ask(channel, &credentials) == SLUICE_AGAIN)
        return SLUICE_AGAIN;
    enum mqtt_reason reason = authentication->answer.reason;
    if (reason == MQTT_CONTINUE_AUTHENTICATION)
        go_on(channel);
    else if (reason != MQTT_SUCCESS)
        reject(channel, reason);
    else if (channel->state == CHANNEL_AUTHENTICATING)
        finish_connect(channel, now_ms);
    else
        finish_again(channel, now_ms);
    return SLUICE_OK;
}

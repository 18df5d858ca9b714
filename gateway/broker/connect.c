/* CONNECT and DISCONNECT: who is it, which session is it, and on what terms. */
#include "broker/authenticate.h"
#include "broker/parts.h"
#include "broker/reason_string.h"

#include <stdio.h>

enum { CONNACK_PROPERTIES_BYTES = 128 + AUTHENTICATE_PROPERTIES_BYTES, ASSIGNED_ID_BYTES = 32 };

#define ASSIGNED_PREFIX "auto-"

void connect_refuse(struct channel *channel, enum mqtt_version version, enum mqtt_reason reason)
{
    struct mqtt_packet packet = {.type = MQTT_CONNACK, .version = version, .reason = reason};
    if (version == MQTT_3_1_1)
        packet.reason = (enum mqtt_reason)mqtt_v3_return_code(reason);
    channel->broker->counters.connects_refused++;
    uint8_t block[REASON_STRING_BLOCK_BYTES];
    reason_string_add(channel, &packet, block);
    channel_send(channel, &packet);
    channel_abort(channel);
}

void connect_on_undecodable(struct channel *channel, struct span packet, enum mqtt_reason reason)
{
    struct reader reader = reader_of(packet);
    read_u8(&reader);
    read_varint(&reader);
    bool is_mqtt = span_equal(read_u16_bytes(&reader), SPAN_LITERAL("MQTT"));
    uint8_t level = read_u8(&reader);
    channel->broker->counters.protocol_errors++;
    if (is_mqtt && !reader.failed && level >= MQTT_5)
        connect_refuse(channel, MQTT_5, reason);
    else if (reason == MQTT_UNSUPPORTED_PROTOCOL_VERSION)
        connect_refuse(channel, MQTT_3_1_1, reason); /* [MQTT-3.1.2-2] of 3.1.1 */
    else
        channel_abort(channel);
}

/* What a CONNECT comes to. */
struct terms {
    struct span client_id;
    char assigned[ASSIGNED_ID_BYTES]; /* client_id's bytes where the Server chose it */
    bool is_assigned;
    uint32_t asked_expiry_s, expiry_s;
    uint16_t keep_alive_s;
};

static bool has_control_character(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    }
    return false;
}

/* The certificate that names a Client Identifier owns it. */
static bool is_named(const struct identity *identity, struct span client_id)
{
    return identity->kind == IDENTITY_CERTIFICATE && span_equal(span_from_string(identity->name), client_id);
}

/* One that no session has [MQTT-3.2.2-16]; a client may have chosen a name of the same form. */
static void assign_client_id(struct broker *broker, struct terms *terms)
{
    do {
        uint64_t number;
        broker->hooks.random(broker->hooks.ctx, (uint8_t *)&number, sizeof number);
        snprintf(terms->assigned, sizeof terms->assigned, ASSIGNED_PREFIX "%016llx",
                 (unsigned long long)number);
        terms->client_id = span_from_string(terms->assigned);
    } while (session_find(broker, terms->client_id));
    terms->is_assigned = true;
}

static bool has_too_many_properties(const struct broker_config *config, const struct mqtt_packet *packet)
{
    return packet->properties.bytes.len > config->property_bytes ||
           (packet->connect.has_will && packet->connect.will.properties.bytes.len > config->property_bytes);
}

/* What can be said of a CONNECT before it is known whose it is. */
static enum mqtt_reason check(struct broker *broker, const struct mqtt_packet *packet)
{
    const struct mqtt_connect *connect = &packet->connect;
    if (connect->client_id.len > broker->config.client_id_bytes || has_control_character(connect->client_id))
        return MQTT_CLIENT_IDENTIFIER_NOT_VALID;
    if (connect->client_id.len == 0 && packet->version == MQTT_3_1_1 && !connect->clean_start)
        return MQTT_CLIENT_IDENTIFIER_NOT_VALID; /* [MQTT-3.1.3-8] of 3.1.1 */
    if (has_too_many_properties(&broker->config, packet)) {
        broker_limited(broker, BROKER_LIMIT_PROPERTY_BYTES);
        return MQTT_QUOTA_EXCEEDED;
    }
    return MQTT_SUCCESS;
}

/* One that the Server once chose stays its owner's. */
bool connect_client_id_kept(const struct session *session)
{
    struct span client_id = session_client_id(session);
    return span_starts_with(client_id, SPAN_LITERAL(ASSIGNED_PREFIX)) ||
           access_client_id(session->broker->access, session->owner, client_id);
}

/* Whether the Client may use the Client Identifier, and the session that is under it. */
static enum mqtt_reason agree_session(struct channel *channel, const struct terms *terms)
{
    struct broker *broker = channel->broker;
    struct session *session = session_find(broker, terms->client_id);
    bool is_own = session && identity_same(session->owner, channel->identity);
    bool is_allowed = terms->is_assigned ||
                      access_client_id(broker->access, channel->identity, terms->client_id) ||
                      (is_own && connect_client_id_kept(session));
    if (!is_allowed)
        return MQTT_CLIENT_IDENTIFIER_NOT_VALID;
    if (session && !is_own && !is_named(channel->identity, terms->client_id))
        return MQTT_NOT_AUTHORIZED;
    if (!session && broker->sessions.count >= broker->config.sessions_count) {
        broker_limited(broker, BROKER_LIMIT_SESSIONS);
        return MQTT_QUOTA_EXCEEDED;
    }
    return MQTT_SUCCESS;
}

static void agree_times(const struct broker_config *config, const struct mqtt_packet *packet,
                        struct terms *terms)
{
    bool is_v5 = packet->version == MQTT_5;
    uint32_t v3_expiry_s = packet->connect.clean_start ? 0 : config->session_expiry_max_s;
    terms->asked_expiry_s =
        is_v5 ? mqtt_property_number(packet->properties, MQTT_SESSION_EXPIRY_INTERVAL, 0) : v3_expiry_s;
    terms->expiry_s = terms->asked_expiry_s < config->session_expiry_max_s ? terms->asked_expiry_s
                                                                           : config->session_expiry_max_s;
    uint16_t asked = packet->connect.keep_alive_s;
    bool replaced = is_v5 && config->keep_alive_max_s > 0 && (asked == 0 || asked > config->keep_alive_max_s);
    terms->keep_alive_s = replaced ? config->keep_alive_max_s : asked;
}

static enum mqtt_reason agree(struct channel *channel, const struct mqtt_packet *packet, struct terms *terms)
{
    struct broker *broker = channel->broker;
    if (broker->stopping)
        return MQTT_SERVER_BUSY;
    terms->client_id = packet->connect.client_id;
    if (terms->client_id.len == 0)
        assign_client_id(broker, terms);
    agree_times(&broker->config, packet, terms);
    enum mqtt_reason reason = agree_session(channel, terms);
    if (reason != MQTT_SUCCESS || !packet->connect.has_will)
        return reason;
    struct grants *grants = grants_new(broker->access, channel->identity, terms->client_id);
    reason = will_check(broker, &packet->connect.will, grants);
    grants_free(grants);
    return reason;
}

/* The session's connection ends; what the session is then, it is by the usual way. */
static void part(struct session *session, enum mqtt_reason reason, uint64_t now_ms)
{
    struct channel *old = session->channel;
    old->session = NULL;
    channel_disconnect(old, reason);
    session_detach(session, now_ms);
}

/* Ends the connection that the Client Identifier has. Returns the session that goes on, or NULL. A squatter's
 * does not: it goes with all that it had. */
static struct session *take_over(struct channel *channel, struct span client_id, bool clean, uint64_t now_ms)
{
    struct broker *broker = channel->broker;
    struct session *session = session_find(broker, client_id);
    bool is_own = session && identity_same(session->owner, channel->identity);
    if (session && !is_own)
        session->expiry_s = 0;
    if (session && session->channel) {
        /* A will that a delay holds back is not sent when the session goes on [MQTT-3.1.3-9]; it fires here
         * if there is no delay, and with the session's end below if that is what Clean Start asks for. */
        broker->counters.takeovers++;
        part(session, is_own ? MQTT_SESSION_TAKEN_OVER : MQTT_NOT_AUTHORIZED, now_ms); /* [MQTT-3.1.4-3] */
        session = session_find(broker, client_id);
    }
    if (session && (clean || session->expiry_s == 0)) { /* 0: it is ending, and only hands over what it has */
        session_end(session);
        session = NULL;
    }
    return session;
}

static struct session *begin_session(struct channel *channel, const struct terms *terms, bool clean,
                                     bool *ret_present, uint64_t now_ms)
{
    struct broker *broker = channel->broker;
    struct session *session = take_over(channel, terms->client_id, clean, now_ms);
    *ret_present = session != NULL;
    if (!session) {
        uint64_t queue =
            terms->expiry_s > 0 ? broker->hooks.queue_open(broker->hooks.ctx, terms->client_id) : 0;
        session = session_new(broker, terms->client_id, channel->identity, terms->expiry_s, queue, 0);
    }
    timers_stop(&broker->timers, &session->expiry);
    will_discard(session);
    identity_release(session->owner); /* the same owner, perhaps with a renewed certificate */
    session->owner = identity_keep(channel->identity);
    session->expiry_s = terms->expiry_s;
    session->channel = channel;
    channel->session = session;
    if (++broker->counters.connected > broker->counters.connected_maximum)
        broker->counters.connected_maximum = broker->counters.connected;
    return session;
}

static void number_unless(struct writer *block, enum mqtt_property id, uint32_t value, uint32_t expected)
{
    if (value != expected)
        mqtt_write_number_property(block, id, value);
}

/* What the Server's terms differ in from what the client asked for or takes for granted. */
static void write_terms(struct writer *block, const struct channel *channel, const struct terms *terms,
                        const struct mqtt_packet *connect)
{
    const struct broker_config *config = &channel->broker->config;
    number_unless(block, MQTT_SESSION_EXPIRY_INTERVAL, terms->expiry_s, terms->asked_expiry_s);
    number_unless(block, MQTT_RECEIVE_MAXIMUM, config->receive_maximum, UINT16_MAX);
    mqtt_write_number_property(block, MQTT_MAXIMUM_PACKET_SIZE, config->packet_bytes);
    number_unless(block, MQTT_TOPIC_ALIAS_MAXIMUM, config->topic_alias_maximum, 0);
    number_unless(block, MQTT_SERVER_KEEP_ALIVE, terms->keep_alive_s, connect->connect.keep_alive_s);
    authenticate_write(channel, block);
    if (terms->is_assigned)
        mqtt_write_bytes_property(block, MQTT_ASSIGNED_CLIENT_IDENTIFIER, terms->client_id);
}

static void accept(struct channel *channel, const struct terms *terms, const struct mqtt_packet *connect,
                   bool session_present, uint64_t ticket)
{
    uint8_t block_bytes[CONNACK_PROPERTIES_BYTES], bytes[CONNACK_PROPERTIES_BYTES + 16];
    struct writer block = writer_of(block_bytes, sizeof block_bytes), out = writer_of(bytes, sizeof bytes);
    struct mqtt_packet packet = {
        .type = MQTT_CONNACK, .version = connect->version, .connack.session_present = session_present};
    if (connect->version == MQTT_5) {
        write_terms(&block, channel, terms, connect);
        packet.properties.bytes = writer_span(&block);
    }
    mqtt_encode(&out, &packet);
    if (ticket > channel->broker->durable_ticket)
        channel_pause(channel, PAUSE_CONNACK);
    acknowledge_state(channel, MQTT_CONNACK, writer_span(&out), ticket);
}

static void apply_limits(struct channel *channel, const struct mqtt_packet *packet, const struct terms *terms,
                         uint64_t now_ms)
{
    const struct broker_config *config = &channel->broker->config;
    uint32_t receive = mqtt_property_number(packet->properties, MQTT_RECEIVE_MAXIMUM, UINT16_MAX);
    channel->receive_maximum =
        receive < config->inflight_maximum ? (uint16_t)receive : config->inflight_maximum;
    uint32_t aliases = mqtt_property_number(packet->properties, MQTT_TOPIC_ALIAS_MAXIMUM, 0);
    channel->outgoing_alias_maximum =
        aliases < config->topic_alias_out_maximum ? (uint16_t)aliases : config->topic_alias_out_maximum;
    channel->keep_alive_s = terms->keep_alive_s;
    uint64_t allowed_ms = channel->keep_alive_s * UINT64_C(1500);
    timers_set(&channel->broker->timers, &channel->timer, allowed_ms ? now_ms + allowed_ms : TIMERS_NEVER);
}

/* What the client asks for in every answer, a refusal included. */
static void note_wishes(struct channel *channel, struct mqtt_properties properties)
{
    channel->maximum_packet_bytes = mqtt_property_number(properties, MQTT_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    channel->problem_information = mqtt_property_number(properties, MQTT_REQUEST_PROBLEM_INFORMATION, 1) != 0;
}

void connect_authenticated(struct channel *channel, const struct mqtt_packet *packet, uint64_t now_ms)
{
    struct terms terms = {.client_id = SPAN_EMPTY};
    enum mqtt_reason reason =
        channel_is_allowed(channel) ? agree(channel, packet, &terms) : MQTT_NOT_AUTHORIZED;
    if (reason != MQTT_SUCCESS) {
        connect_refuse(channel, packet->version, reason);
        return;
    }
    bool present;
    struct session *session = begin_session(channel, &terms, packet->connect.clean_start, &present, now_ms);
    channel->version = (uint8_t)packet->version;
    channel->state = CHANNEL_CONNECTING;
    channel->broker->counters.connects++;
    apply_limits(channel, packet, &terms, now_ms);
    uint64_t saved = session_save(session, 0), ticket = present ? 0 : saved;
    if (packet->connect.has_will)
        ticket = will_set(session, &packet->connect.will);
    accept(channel, &terms, packet, present, ticket);
    authenticate_accepted(channel, now_ms);
}

enum sluice_error connect_on_connect(struct channel *channel, const struct mqtt_packet *packet,
                                     uint64_t now_ms)
{
    if (channel->state != CHANNEL_NEW) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR); /* [MQTT-3.1.0-2] */
        return SLUICE_OK;
    }
    note_wishes(channel, packet->properties);
    enum mqtt_reason reason = check(channel->broker, packet);
    if (reason == MQTT_SUCCESS && authenticate_connect(channel, packet, &reason) == SLUICE_AGAIN)
        return SLUICE_AGAIN;
    if (reason == MQTT_SUCCESS)
        connect_authenticated(channel, packet, now_ms);
    else if (reason != MQTT_CONTINUE_AUTHENTICATION)
        connect_refuse(channel, packet->version, reason);
    return SLUICE_OK;
}

/* The Session Expiry Interval may be changed here, but a session that was to end cannot be made to stay. */
static bool change_expiry(struct session *session, const struct mqtt_packet *packet)
{
    uint32_t asked =
        mqtt_property_number(packet->properties, MQTT_SESSION_EXPIRY_INTERVAL, session->expiry_s);
    if (session->expiry_s == 0 && asked > 0)
        return false;
    uint32_t maximum = session->broker->config.session_expiry_max_s;
    session->expiry_s = asked < maximum ? asked : maximum;
    return true;
}

enum sluice_error connect_on_disconnect(struct channel *channel, const struct mqtt_packet *packet,
                                        uint64_t now_ms)
{
    (void)now_ms;
    struct session *session = channel->session;
    if (!session) { /* in the middle of its enhanced authentication */
        channel_abort(channel);
        return SLUICE_OK;
    }
    if (!change_expiry(session, packet)) {
        channel_fail(channel, MQTT_PROTOCOL_ERROR);
        return SLUICE_OK;
    }
    if (packet->version == MQTT_3_1_1 || packet->reason == MQTT_SUCCESS)
        will_discard(session);
    channel_abort(channel);
    return SLUICE_OK;
}

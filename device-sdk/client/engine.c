#include "client/engine_internal.h"
#include "client/spool.h"

enum {
    /* Messages that the gateway may send before we acknowledge: each PUBACK needs its place in `control`. */
    RECEIVE_MAXIMUM = 8,
    /* Beside CONNECT or the filters of SUBSCRIBE: its header, 8 PUBACKs of 4 bytes, PINGREQ, DISCONNECT. */
    CONTROL_SPARE_BYTES = 64,
    CONNECT_PROPERTIES_BYTES = 32,
    DUP_FLAG = 0x08,
    RETAIN_FLAG = 0x01,
};

static enum sluice_error say(struct engine *engine, enum sluice_error error, const char *const parts[3])
{
    struct writer sentence = writer_of(engine->error, sizeof engine->error - 1);
    for (size_t i = 0; i < 3; i++) {
        size_t room = (size_t)(sentence.end - sentence.at), len = strlen(parts[i]);
        write_bytes(&sentence, span_of(parts[i], len < room ? len : room));
    }
    *sentence.at = '\0';
    engine->failure = error;
    engine->failure_count++;
    return error;
}

enum sluice_error engine_fail(struct engine *engine, enum sluice_error error, const char *what,
                              const char *detail)
{
    return say(engine, error, (const char *[]){what, detail, ""});
}

enum sluice_error engine_blame(struct engine *engine, enum sluice_error error, const char *what,
                               const char *detail)
{
    return say(engine, error, (const char *[]){"the gateway ", what, detail});
}

static struct mqtt_packet connect_packet(const struct sluice_device_config *config,
                                         uint8_t memory[CONNECT_PROPERTIES_BYTES])
{
    struct writer properties = writer_of(memory, CONNECT_PROPERTIES_BYTES);
    mqtt_write_number_property(&properties, MQTT_SESSION_EXPIRY_INTERVAL, config->session_expiry_s);
    mqtt_write_number_property(&properties, MQTT_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM);
    mqtt_write_number_property(&properties, MQTT_MAXIMUM_PACKET_SIZE, config->receive_bytes);
    /*
     * Never Clean Start: a Client that only uses QoS 1 has a Session State after a
     * restart too, an empty one, and wants the commands that came meanwhile.
     */
    return (struct mqtt_packet){
        .type = MQTT_CONNECT,
        .version = MQTT_5,
        .properties = {writer_span(&properties)},
        .connect = {.client_id = span_from_string(config->client_id), .keep_alive_s = config->keep_alive_s},
    };
}

static size_t filters_bytes(const struct sluice_device_config *config)
{
    size_t bytes = 0;
    for (size_t i = 0; i < config->filter_count; i++)
        bytes += 2 + strlen(config->filters[i]) + 1;
    return bytes;
}

static size_t control_bytes(const struct sluice_device_config *config)
{
    uint8_t memory[CONNECT_PROPERTIES_BYTES];
    struct mqtt_packet packet = connect_packet(config, memory);
    size_t connect = mqtt_encoded_size(&packet), subscribe = filters_bytes(config);
    return (connect > subscribe ? connect : subscribe) + CONTROL_SPARE_BYTES;
}

size_t engine_memory_bytes(const struct sluice_device_config *config)
{
    return config->receive_bytes + control_bytes(config) + filters_bytes(config);
}

void engine_init(struct engine *engine, const struct sluice_device_config *config,
                 struct sluice_device_counters *counters, void *memory)
{
    uint8_t *bytes = memory;
    *engine = (struct engine){.config = config, .counters = counters, .outbox = engine->outbox};
    engine->receive_memory = bytes;
    engine->control = writer_of(bytes + config->receive_bytes, control_bytes(config));
    struct writer list = writer_of(engine->control.end, filters_bytes(config));
    for (size_t i = 0; i < config->filter_count; i++)
        mqtt_write_filter(&list, MQTT_SUBSCRIBE,
                          &(struct mqtt_filter){.filter = span_from_string(config->filters[i]), .qos = 1});
    engine->filters.list = writer_span(&list);
    engine_lost(engine);
}

void engine_lost(struct engine *engine)
{
    engine->state = ENGINE_IDLE;
    engine->received_bytes = 0;
    engine->control.at = engine->control.start;
    engine->control.failed = false;
    engine->sending_id = 0;
    engine->sending_bytes = 0;
    engine->subscribe_id = 0;
    engine->in_flight = 0;
    for (size_t i = 0; i < ENGINE_AWAITED_COUNT; i++)
        engine->deadlines_ms[i] = ENGINE_NEVER;
    engine->paused_until_ms = 0;
    outbox_rewind(&engine->outbox);
}

bool engine_send_control(struct engine *engine, const struct mqtt_packet *packet)
{
    struct writer before = engine->control;
    mqtt_encode(&engine->control, packet);
    if (engine->control.failed) {
        engine->control = before;
        return false;
    }
    return true;
}

bool engine_send_short(struct engine *engine, enum mqtt_type type, uint16_t packet_id,
                       enum mqtt_reason reason)
{
    return engine_send_control(
        engine,
        &(struct mqtt_packet){.type = type, .version = MQTT_5, .packet_id = packet_id, .reason = reason});
}

void engine_connected(struct engine *engine, uint64_t now_ms)
{
    uint8_t memory[CONNECT_PROPERTIES_BYTES];
    struct mqtt_packet packet = connect_packet(engine->config, memory);
    engine_send_control(engine, &packet);
    engine->state = ENGINE_OPENING;
    engine->answered = false;
    engine->fetch = ENGINE_FETCH_UNKNOWN;
    engine->last_sent_ms = now_ms;
    engine->deadlines_ms[ENGINE_AWAITS_CONNACK] = now_ms + engine->config->answer_ms;
}

static bool ping(struct engine *engine, uint64_t now_ms)
{
    if (!engine_send_short(engine, MQTT_PINGREQ, 0, MQTT_SUCCESS))
        return false;
    engine->deadlines_ms[ENGINE_AWAITS_PINGRESP] = now_ms + engine->config->answer_ms;
    return true;
}

void engine_fetch(struct engine *engine, uint64_t now_ms)
{
    if (engine->fetch == ENGINE_FETCH_UNKNOWN && engine->state == ENGINE_ONLINE && !engine->subscribe_id &&
        engine->deadlines_ms[ENGINE_AWAITS_PINGRESP] == ENGINE_NEVER && ping(engine, now_ms))
        engine->fetch = ENGINE_FETCH_ASKED;
}

void engine_leave(struct engine *engine)
{
    engine_send_short(engine, MQTT_DISCONNECT, 0, MQTT_SUCCESS);
    engine->state = ENGINE_LEAVING;
}

uint16_t engine_next_packet_id(struct engine *engine)
{
    do
        engine->last_packet_id++;
    while (engine->last_packet_id == 0 || engine->last_packet_id == engine->subscribe_id ||
           outbox_find(&engine->outbox, engine->last_packet_id));
    return engine->last_packet_id;
}

static void drop_too_large(struct engine *engine, struct outbox_entry *entry)
{
    outbox_settle(&engine->outbox, entry);
    engine->counters->dropped_too_large++;
    engine_fail(engine, SLUICE_TOO_LARGE, "a message is over the gateway's Maximum Packet Size", "");
}

/* The PUBLISH to send next, after dropping those before it that the gateway does not take; or NULL. */
static struct outbox_entry *first_unsent(struct engine *engine)
{
    for (;;) {
        if (engine->outbox.store)
            engine->outbox.store->spool->refill(engine);
        struct outbox_entry *entry = outbox_unsent(&engine->outbox);
        if (!entry || entry->len <= engine->packet_max_bytes)
            return entry;
        drop_too_large(engine, entry);
    }
}

/* The same, if it may be sent now. */
static struct outbox_entry *start_publish(struct engine *engine, uint64_t now_ms)
{
    if (engine->state != ENGINE_ONLINE || now_ms < engine->paused_until_ms ||
        engine->in_flight >= engine->in_flight_max)
        return NULL;
    struct outbox_entry *entry = first_unsent(engine);
    if (!entry)
        return NULL;
    uint8_t *header = outbox_packet(entry);
    *header = (uint8_t)(entry->state == OUTBOX_AGAIN ? *header | DUP_FLAG : *header & ~DUP_FLAG);
    if (!engine->retain_available) /* then the message still reaches who is there [MQTT-3.2.2-14] */
        *header &= (uint8_t)~RETAIN_FLAG;
    engine->sending_id = entry->packet_id;
    return entry;
}

/* A PUBLISH that was begun is finished first. Other packets go before further PUBLISHes, so that PUBACKs
 * do not wait behind a full outbox. */
struct span engine_output(struct engine *engine, uint64_t now_ms)
{
    struct span output = engine->sending_id ? SPAN_EMPTY : writer_span(&engine->control);
    if (output.len == 0) {
        struct outbox_entry *entry = engine->sending_id ? outbox_find(&engine->outbox, engine->sending_id)
                                                        : start_publish(engine, now_ms);
        if (entry)
            output = span_skip(span_of(outbox_packet(entry), entry->len), engine->sending_bytes);
    }
    if (output.len > 0 && engine->deadlines_ms[ENGINE_AWAITS_ROOM] == ENGINE_NEVER)
        engine->deadlines_ms[ENGINE_AWAITS_ROOM] = now_ms + engine->config->puback_ms;
    return output;
}

static void publish_sent(struct engine *engine, struct outbox_entry *entry, uint64_t now_ms)
{
    if (entry->state == OUTBOX_AGAIN)
        engine->counters->resent++;
    entry->state = OUTBOX_SENT;
    engine->sending_id = 0;
    engine->sending_bytes = 0;
    if (engine->in_flight++ == 0)
        engine->deadlines_ms[ENGINE_AWAITS_PUBACK] = now_ms + engine->config->puback_ms;
}

void engine_sent(struct engine *engine, size_t len, uint64_t now_ms)
{
    engine->last_sent_ms = now_ms;
    engine->deadlines_ms[ENGINE_AWAITS_ROOM] = ENGINE_NEVER;
    engine->counters->bytes_sent += len;
    if (engine->sending_id) {
        struct outbox_entry *entry = outbox_find(&engine->outbox, engine->sending_id);
        engine->sending_bytes += len;
        if (engine->sending_bytes == entry->len)
            publish_sent(engine, entry, now_ms);
        return;
    }
    size_t left = writer_len(&engine->control) - len;
    memmove(engine->control.start, engine->control.start + len, left);
    engine->control.at = engine->control.start + left;
}

static uint64_t ping_due_ms(const struct engine *engine)
{
    /* While something waits to go out, that does the work of a ping. */
    bool wanted = engine->state == ENGINE_ONLINE && engine->keep_alive_ms &&
                  engine->deadlines_ms[ENGINE_AWAITS_PINGRESP] == ENGINE_NEVER &&
                  engine->deadlines_ms[ENGINE_AWAITS_ROOM] == ENGINE_NEVER;
    return wanted ? engine->last_sent_ms + engine->keep_alive_ms : ENGINE_NEVER;
}

enum sluice_error engine_tick(struct engine *engine, uint64_t now_ms)
{
    static const char *const awaited[] = {
        [ENGINE_AWAITS_CONNACK] = "CONNACK",
        [ENGINE_AWAITS_SUBACK] = "SUBACK",
        [ENGINE_AWAITS_PINGRESP] = "PINGRESP",
        [ENGINE_AWAITS_PUBACK] = "PUBACK",
        [ENGINE_AWAITS_ROOM] = "room for what is to be sent",
    };
    for (size_t i = 0; i < ENGINE_AWAITED_COUNT; i++)
        if (now_ms >= engine->deadlines_ms[i])
            return engine_blame(engine, SLUICE_TIMEOUT, "is silent: no ", awaited[i]);
    if (now_ms >= engine->paused_until_ms)
        engine->paused_until_ms = 0;
    if (now_ms >= ping_due_ms(engine) && engine_output(engine, now_ms).len == 0)
        ping(engine, now_ms);
    return SLUICE_OK;
}

uint64_t engine_deadline_ms(const struct engine *engine)
{
    uint64_t earliest_ms = ping_due_ms(engine);
    if (engine->paused_until_ms && engine->paused_until_ms < earliest_ms)
        earliest_ms = engine->paused_until_ms;
    for (size_t i = 0; i < ENGINE_AWAITED_COUNT; i++)
        if (engine->deadlines_ms[i] < earliest_ms)
            earliest_ms = engine->deadlines_ms[i];
    return earliest_ms;
}

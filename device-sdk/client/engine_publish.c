#include "client/engine_internal.h"
#include "client/spool.h"
#include "wire/topic.h"

/* 240 of the caller's, and around them the headers of three properties and the name of one. */
enum { PROPERTIES_MAX_BYTES = 240 + 3 + 3 + 14 };

static bool make_room(struct engine *engine)
{
    struct outbox *outbox = &engine->outbox;
    if (!engine->told_full)
        engine_fail(engine, SLUICE_FULL, "the outbox is full", "");
    engine->told_full = true;
    if (outbox->store)
        outbox->store->spool->refill(engine);
    struct outbox_entry *sending = engine->sending_id ? outbox_find(outbox, engine->sending_id) : NULL;
    struct outbox_entry *first = outbox_first(outbox);
    switch (engine->config->when_full) {
    case SLUICE_DROP_OLDEST:
        if (first == sending)
            return false;
        outbox_settle(outbox, first);
        engine->counters->dropped_oldest++;
        return true;
    case SLUICE_THIN_OUT:;
        size_t thinned_count = outbox_thin(outbox, sending), stored_count = 0;
        bool has_room = outbox->store && outbox->store->thin(outbox->store, &stored_count);
        engine->counters->dropped_thinned += thinned_count + stored_count;
        return thinned_count > 0 || has_room;
    case SLUICE_REFUSE: return false;
    }
    return false;
}

static enum sluice_error publish_properties(const struct sluice_message *message, struct writer *block)
{
    struct span response_topic = span_of(message->response_topic.data, message->response_topic.len);
    struct span correlation = span_of(message->correlation.data, message->correlation.len);
    struct span error_type = span_of(message->error_type.data, message->error_type.len);
    if ((response_topic.len > 0 && !topic_name_valid(response_topic)) || !utf8_valid(error_type))
        return SLUICE_INVALID;
    if (response_topic.len > 0)
        mqtt_write_bytes_property(block, MQTT_RESPONSE_TOPIC, response_topic);
    if (correlation.len > 0)
        mqtt_write_bytes_property(block, MQTT_CORRELATION_DATA, correlation);
    if (error_type.len > 0)
        mqtt_write_user_property(block, SPAN_LITERAL("errorType"), error_type);
    return block->failed ? SLUICE_TOO_LARGE : SLUICE_OK;
}

/* Into the outbox, and from there to the store. */
static enum sluice_error add(struct engine *engine, const struct mqtt_packet *packet, uint16_t sample_count)
{
    struct outbox *outbox = &engine->outbox;
    size_t len = mqtt_encoded_size(packet);
    uint8_t *place;
    enum sluice_error error =
        len ? outbox_add(outbox, len, packet->packet_id, sample_count, &place) : SLUICE_TOO_LARGE;
    if (error)
        return error;
    struct writer out = writer_of(place, len);
    mqtt_encode(&out, packet);
    return outbox->store ? outbox->store->spool->keep(engine, outbox_entry_of(place)) : SLUICE_OK;
}

static enum sluice_error publish(struct engine *engine, const struct mqtt_publish *publish,
                                 struct span properties, uint16_t sample_count)
{
    struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                 .version = MQTT_5,
                                 .packet_id = engine_next_packet_id(engine),
                                 .properties = {properties},
                                 .publish = *publish};
    enum sluice_error error;
    do
        error = add(engine, &packet, sample_count);
    while (error == SLUICE_FULL && make_room(engine));
    engine->counters->published += error == SLUICE_OK;
    return error;
}

enum sluice_error engine_publish_frame(struct engine *engine, struct span frame, uint16_t sample_count)
{
    struct span topic = span_from_string(engine->config->topic);
    return publish(engine, &(struct mqtt_publish){.topic = topic, .payload = frame, .qos = 1}, SPAN_EMPTY,
                   sample_count);
}

enum sluice_error engine_publish_message(struct engine *engine, const struct sluice_message *message)
{
    struct span topic = span_of(message->topic.data, message->topic.len);
    struct span payload = span_of(message->payload.data, message->payload.len);
    uint8_t memory[PROPERTIES_MAX_BYTES];
    struct writer block = writer_of(memory, sizeof memory);
    enum sluice_error error = topic_name_valid(topic) ? publish_properties(message, &block) : SLUICE_INVALID;
    if (error)
        return error;
    return publish(
        engine,
        &(struct mqtt_publish){.topic = topic, .payload = payload, .qos = 1, .retain = message->retain},
        writer_span(&block), 0);
}

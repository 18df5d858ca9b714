#include "app/frames.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/mqtt.h"

struct frames {
    struct frame_limits limits;
    size_t bytes_max;
    struct frame_decoder decoder;
    bool is_frame;       /* the last message was one; it is open in `decoder` */
    struct message view; /* that message, its spans the caller's */
    struct buffer text;  /* JSON of all samples */
    struct buffer senml; /* JSON of the whole frame */
    struct buffer name;
    struct buffer properties[2]; /* of the samples, of the SenML message */
    struct message *messages;
    size_t capacity;
};

struct frames *frames_new(const struct frame_limits *limits, size_t bytes_max)
{
    struct frames *frames = memory_new(sizeof *frames);
    frames->limits = *limits;
    frames->bytes_max = bytes_max;
    return frames;
}

void frames_free(struct frames *frames)
{
    if (!frames)
        return;
    buffer_fini(&frames->text);
    buffer_fini(&frames->senml);
    buffer_fini(&frames->name);
    buffer_fini(&frames->properties[0]);
    buffer_fini(&frames->properties[1]);
    memory_free(frames->messages);
    memory_free(frames);
}

/* The publisher's properties, with what said "a frame" about the payload now saying "JSON text". */
static struct span json_properties(struct buffer *memory, struct span given, const char *content_type)
{
    buffer_consume(memory, buffer_len(memory));
    size_t capacity = given.len + strlen(content_type) + 8;
    struct writer block = writer_of(buffer_reserve(memory, capacity), capacity);
    mqtt_write_number_property(&block, MQTT_PAYLOAD_FORMAT_INDICATOR, 1);
    mqtt_write_bytes_property(&block, MQTT_CONTENT_TYPE, span_from_string(content_type));
    struct reader at = reader_of(given);
    const uint8_t *start = at.at;
    struct mqtt_property_value value;
    for (; mqtt_property_next(&at, &value); start = at.at) {
        if (value.id != MQTT_PAYLOAD_FORMAT_INDICATOR && value.id != MQTT_CONTENT_TYPE)
            write_bytes(&block, span_of(start, (size_t)(at.at - start)));
    }
    return writer_span(&block);
}

static void make_room(struct frames *frames, size_t count)
{
    if (count <= frames->capacity)
        return;
    frames->messages = memory_resize(frames->messages, count * sizeof *frames->messages);
    frames->capacity = count;
}

/* Writes every sample behind the last one; payloads hold offsets until the text no longer moves. */
static enum sluice_error write_samples(struct frames *frames, const struct message *sample, size_t *ret_count)
{
    struct frame_value values[FRAME_CHANNELS_MAX];
    size_t bytes_max = frame_json_bytes_max(&frames->decoder);
    size_t count = 0;
    int64_t time_ms;
    buffer_consume(&frames->text, buffer_len(&frames->text));
    while (frame_next_sample(&frames->decoder, &time_ms, values)) {
        struct writer out = writer_of(buffer_reserve(&frames->text, bytes_max), bytes_max);
        frame_write_json(&out, &frames->decoder, time_ms, values);
        buffer_grown(&frames->text, writer_len(&out));
        frames->messages[count] = *sample;
        frames->messages[count++].payload = span_of(NULL, writer_len(&out));
        if (buffer_len(&frames->text) + count * message_bytes(sample) > frames->bytes_max)
            return SLUICE_TOO_LARGE;
    }
    const uint8_t *at = buffer_span(&frames->text).data;
    for (size_t i = 0; i < count; i++) {
        frames->messages[i].payload.data = at;
        at += frames->messages[i].payload.len;
    }
    *ret_count = count;
    return SLUICE_OK;
}

static enum sluice_error expand(struct frames *frames, const struct message *view, size_t *ret_count)
{
    enum sluice_error error =
        frame_decode_open(&frames->decoder, view->payload, &frames->limits, view->received_ms);
    if (error)
        return error;
    frames->view = *view;
    make_room(frames, frames->decoder.sample_count);
    struct message sample = *view;
    sample.payload = SPAN_EMPTY;
    sample.payload_is_json = false;
    sample.properties = json_properties(&frames->properties[0], view->properties, "application/json");
    return write_samples(frames, &sample, ret_count);
}

enum sluice_error frames_expand(struct frames *frames, const struct message *view,
                                const struct message **ret_messages, size_t *ret_count)
{
    frames->is_frame = frame_is(view->payload);
    if (!frames->is_frame) {
        *ret_messages = view;
        *ret_count = 1;
        return SLUICE_OK;
    }
    size_t count = 0;
    enum sluice_error error = expand(frames, view, &count);
    if (error) {
        frames->is_frame = false;
        log_warning("refused a telemetry frame of %.*s: %s", (int)view->client_id.len,
                    (const char *)view->client_id.data, sluice_error_text(error));
        return error;
    }
    *ret_messages = frames->messages;
    *ret_count = count;
    return SLUICE_OK;
}

bool frames_made(const struct frames *frames, const struct message *first)
{
    return frames->is_frame && first == frames->messages;
}

enum sluice_error frames_senml(struct frames *frames, const struct message *first,
                               struct message *ret_message)
{
    if (!frames_made(frames, first))
        return SLUICE_NOT_FOUND;
    /* The client is named in front of each record: RFC 8428 wants names that are unique in the world. */
    buffer_consume(&frames->name, buffer_len(&frames->name));
    buffer_append(&frames->name, frames->view.client_id);
    buffer_append(&frames->name, SPAN_LITERAL("/"));
    struct span name = buffer_span(&frames->name);
    size_t bytes_max = frame_senml_bytes_max(&frames->decoder, name);
    bytes_max = bytes_max < frames->bytes_max ? bytes_max : frames->bytes_max;
    buffer_consume(&frames->senml, buffer_len(&frames->senml));
    struct writer out = writer_of(buffer_reserve(&frames->senml, bytes_max), bytes_max);
    frame_write_senml(&out, &frames->decoder, name);
    if (out.failed)
        return SLUICE_TOO_LARGE;
    *ret_message = frames->view;
    ret_message->payload = writer_span(&out);
    ret_message->payload_is_json = false;
    ret_message->properties =
        json_properties(&frames->properties[1], frames->view.properties, "application/senml+json");
    return SLUICE_OK;
}

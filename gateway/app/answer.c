/*
 * The answer to a request of MQTT 5: what came with a Response Topic has its result published there, with its
 * Correlation Data; and where it is given up, Lambda's error document, with the error in User Properties,
 * since a PUBLISH has no Reason String. A message of a batch is not answered: the result is of all of them.
 */
#include "app/functions_internal.h"

#include "base/log.h"
#include "wire/mqtt.h"
#include "wire/topic.h"

enum { PROPERTY_TEXT_BYTES = 1024 };

bool answer_topic(const struct mapping *mapping, const struct message *request, struct span *ret_topic)
{
    struct functions *all = mapping->function->all;
    struct mqtt_properties properties = {request->properties};
    if (properties.bytes.len == 0 || mapping->event->batch_size > 0 ||
        !mqtt_property_bytes(properties, MQTT_RESPONSE_TOPIC, ret_topic))
        return false;
    if (all->host.may_receive(all->host.ctx, request, *ret_topic))
        return true;
    all->counters.unpublished++;
    log_warning("function %s: its answer for %.*s is not published: who asked may not subscribe to that",
                mapping->function->config->name, (int)ret_topic->len, (const char *)ret_topic->data);
    return false;
}

/* What is no text of MQTT's is in the document only; a long one is cut between two characters. */
static void write_text(struct writer *block, struct span name, struct span text)
{
    if (text.len > PROPERTY_TEXT_BYTES) {
        text.len = PROPERTY_TEXT_BYTES;
        while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    if (utf8_valid(text))
        mqtt_write_user_property(block, name, text);
}

void answer_write_properties(const struct message *request, const struct queue_dead *dead, struct buffer *out)
{
    struct span correlation = SPAN_EMPTY;
    mqtt_property_bytes((struct mqtt_properties){request->properties}, MQTT_CORRELATION_DATA, &correlation);
    size_t most = correlation.len + (size_t)4 * PROPERTY_TEXT_BYTES;
    struct writer block = writer_of(buffer_reserve(out, most), most);
    if (correlation.len > 0)
        mqtt_write_bytes_property(&block, MQTT_CORRELATION_DATA, correlation);
    if (dead) {
        write_text(&block, SPAN_LITERAL("reason"), destination_condition(dead));
        write_text(&block, SPAN_LITERAL("errorType"), dead->error_type);
        write_text(&block, SPAN_LITERAL("errorMessage"), dead->error_message);
    }
    buffer_grown(out, writer_len(&block));
}

#include "base/message.h"

#include "base/memory.h"

#include <assert.h>

static struct span copy_in(uint8_t **at, struct span bytes)
{
    struct span copy = {*at, bytes.len};
    if (bytes.len > 0)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return copy;
}

struct message *message_new(const struct message *source)
{
    struct message *message = memory_new(message_bytes(source));
    uint8_t *at = (uint8_t *)(message + 1);
    *message = *source;
    message->refs = 1;
    message->topic = copy_in(&at, source->topic);
    message->payload = copy_in(&at, source->payload);
    message->properties = copy_in(&at, source->properties);
    message->client_id = copy_in(&at, source->client_id);
    message->principal = copy_in(&at, source->principal);
    message->publisher_name = copy_in(&at, source->publisher_name);
    return message;
}

struct message *message_ref(struct message *message)
{
    message->refs++;
    return message;
}

void message_unref(struct message *message)
{
    if (!message)
        return;
    assert(message->refs > 0);
    if (--message->refs == 0)
        memory_free(message);
}

size_t message_bytes(const struct message *message)
{
    return sizeof *message + message->topic.len + message->payload.len + message->properties.len +
           message->client_id.len + message->principal.len + message->publisher_name.len;
}

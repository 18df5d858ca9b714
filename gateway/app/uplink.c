/* What a function that is another MQTT Server has of its own. */
#include "app/functions_internal.h"

#include "base/json_write.h"
#include "base/memory.h"
#include "route/reply.h"

static void write_string(struct buffer *out, const char *name, const char *value)
{
    if (!value)
        return;
    json_write_raw(out, ",");
    json_write_string(out, span_from_string(name));
    json_write_raw(out, ":");
    json_write_string(out, span_from_string(value));
}

char *uplink_settings(const struct config_uplink *uplink)
{
    struct buffer out = {0};
    json_write_raw(&out, "{\"inflight\":");
    json_write_u64(&out, uplink->inflight_count);
    json_write_raw(&out, ",\"keepAlive\":");
    json_write_u64(&out, uplink->keep_alive_ms / 1000);
    write_string(&out, "url", uplink->url);
    write_string(&out, "version", uplink->version_5 ? "5" : "3.1.1");
    write_string(&out, "clientId", uplink->client_id);
    write_string(&out, "user", uplink->user);
    write_string(&out, "password", uplink->password);
    write_string(&out, "ca", uplink->ca);
    write_string(&out, "certificate", uplink->certificate);
    write_string(&out, "key", uplink->key);
    json_write_raw(&out, "}");
    char *settings = memory_string(buffer_span(&out));
    buffer_fini(&out);
    return settings;
}

enum sluice_error uplink_write_publish(const struct config_uplink *uplink, const struct message *message,
                                       struct span event, struct buffer *out)
{
    struct buffer topic = {0};
    enum sluice_error error =
        reply_topic_from(span_from_string(uplink->topic), message->topic, event, message->client_id, &topic);
    if (!error) {
        json_write_raw(out, ",\"publish\":{\"topic\":");
        json_write_string(out, buffer_span(&topic));
        json_write_raw(out, ",\"retain\":");
        buffer_append(out, message->retain ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
        json_write_raw(out, "}");
    }
    buffer_fini(&topic);
    return error;
}

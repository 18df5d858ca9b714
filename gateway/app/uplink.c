/* What a function that is another MQTT Server has of its own. */
#include "app/functions_internal.h"

#include "base/digits.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/memory.h"
#include "route/reply.h"
#include "wire/mqtt.h"
#include "wire/topic.h"

#include <stdio.h>

static void write_client_id(struct buffer *out, const char *client_id, bool down)
{
    struct buffer id = {0};
    buffer_append(&id, span_from_string(client_id));
    if (down)
        buffer_append(&id, SPAN_LITERAL("-down"));
    json_write_raw(out, ",\"clientId\":");
    json_write_string(out, buffer_span(&id));
    buffer_fini(&id);
}

static void write_filters(struct buffer *out, const struct config_uplink *uplink)
{
    json_write_raw(out, ",\"down\":[");
    for (size_t i = 0; i < uplink->down_count; i++) {
        if (i > 0)
            json_write_raw(out, ",");
        json_write_string(out, span_from_string(uplink->down[i].filter));
    }
    json_write_raw(out, "]");
}

char *uplink_settings(const struct config_uplink *uplink, bool down)
{
    struct buffer out = {0};
    json_write_raw(&out, "{\"inflight\":");
    json_write_u64(&out, uplink->inflight_count);
    json_write_raw(&out, ",\"keepAlive\":");
    json_write_u64(&out, uplink->keep_alive_ms / 1000);
    json_write_member(&out, "url", uplink->url);
    json_write_member(&out, "version", uplink->version_5 ? "5" : "3.1.1");
    write_client_id(&out, uplink->client_id, down);
    if (down)
        write_filters(&out, uplink);
    json_write_member(&out, "user", uplink->user);
    json_write_member(&out, "password", uplink->password);
    json_write_member(&out, "ca", uplink->ca);
    json_write_member(&out, "certificate", uplink->certificate);
    json_write_member(&out, "key", uplink->key);
    json_write_raw(&out, "}");
    char *settings = memory_string(buffer_span(&out));
    buffer_fini(&out);
    return settings;
}

/* ---- The path: which gateways a message has passed, so that it passes none twice ---- */

#define PATH_PROPERTY SPAN_LITERAL("sluice-path")

enum {
    PATH_BYTES_MAX = 1024,                /* what is longer than that has gone round */
    PATH_PROPERTY_BYTES = 1 + 2 + 11 + 2, /* all of it but the path */
    MS_PER_S = 1000,
};

static bool is_path(const struct mqtt_property_value *value)
{
    return value->id == MQTT_USER_PROPERTY && span_equal(value->name, PATH_PROPERTY);
}

static struct span path_of(struct span properties)
{
    struct reader at = reader_of(properties);
    struct mqtt_property_value value;
    while (mqtt_property_next(&at, &value)) {
        if (is_path(&value))
            return value.bytes;
    }
    return SPAN_EMPTY;
}

/* The message's own path, and this gateway behind it. A longer path than any that gateways make is none. */
static void append_path(const struct config_uplink *uplink, const struct message *message, struct buffer *out)
{
    struct span path = path_of(message->properties);
    if (path.len > 0 && path.len <= PATH_BYTES_MAX) {
        buffer_append(out, path);
        buffer_append(out, SPAN_LITERAL(","));
    }
    buffer_append(out, span_from_string(uplink->client_id));
}

static bool path_has(struct span path, struct span client_id)
{
    while (path.len > 0) {
        const uint8_t *comma = memchr(path.data, ',', path.len);
        size_t len = comma ? (size_t)(comma - path.data) : path.len;
        if (span_equal(span_of(path.data, len), client_id))
            return true;
        path = span_skip(path, comma ? len + 1 : len);
    }
    return false;
}

/* ---- Up ---- */

/* What speaks of the payload is left out where another one goes up. */
static bool goes_up(const struct mqtt_property_value *value, bool is_payload)
{
    bool of_payload = value->id == MQTT_PAYLOAD_FORMAT_INDICATOR || value->id == MQTT_CONTENT_TYPE;
    return (is_payload || !of_payload) && !is_path(value);
}

/* The message's properties, and its path. */
static void write_properties(const struct config_uplink *uplink, const struct message *message,
                             bool is_payload, struct buffer *out)
{
    struct buffer path = {0}, block = {0};
    append_path(uplink, message, &path);
    size_t capacity = message->properties.len + buffer_len(&path) + PATH_PROPERTY_BYTES;
    struct writer properties = writer_of(buffer_reserve(&block, capacity), capacity);
    struct reader at = reader_of(message->properties);
    const uint8_t *start = at.at;
    struct mqtt_property_value value;
    for (; mqtt_property_next(&at, &value); start = at.at) {
        if (goes_up(&value, is_payload))
            write_bytes(&properties, span_of(start, (size_t)(at.at - start)));
    }
    mqtt_write_user_property(&properties, PATH_PROPERTY, buffer_span(&path));
    struct span written = writer_span(&properties);
    json_write_raw(out, ",\"properties\":\"");
    hex_write(written, (char *)buffer_reserve(out, 2 * written.len + 1));
    buffer_grown(out, 2 * written.len);
    json_write_raw(out, "\"");
    buffer_fini(&block);
    buffer_fini(&path);
}

static void write_publish(const struct config_uplink *uplink, const struct message *message, bool is_payload,
                          struct span topic, uint64_t now_ms, struct buffer *out)
{
    json_write_raw(out, ",\"publish\":{\"topic\":");
    json_write_string(out, topic);
    json_write_raw(out, ",\"retain\":");
    buffer_append(out, message->retain ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
    if (uplink->version_5)
        write_properties(uplink, message, is_payload, out);
    if (message->expires_ms != 0) {
        json_write_raw(out, ",\"messageExpiryInterval\":");
        json_write_u64(out, (message->expires_ms - now_ms + MS_PER_S - 1) / MS_PER_S);
    }
    json_write_raw(out, "}");
}

enum sluice_error uplink_write_publish(const struct function *function, const struct message *message,
                                       struct span event, uint64_t wall_ms, struct buffer *out,
                                       struct queue_error *ret_error)
{
    const struct config_uplink *uplink = &function->config->uplink;
    struct span from = functions_view(function->all, message).topic;
    struct buffer topic = {0};
    buffer_append(&topic, span_from_string(function->all->config->topic_prefix));
    enum sluice_error error =
        reply_topic_from(span_from_string(uplink->topic), from, event, message->client_id, &topic);
    if (error) {
        *ret_error = (struct queue_error){
            .type = SPAN_LITERAL("InvalidTopic"),
            .message = SPAN_LITERAL("a part of uplink.topic has no value in this event")};
    } else if (message->expires_ms != 0 && message->expires_ms <= wall_ms) {
        error = SLUICE_INVALID;
        *ret_error = (struct queue_error){
            .type = SPAN_LITERAL("MessageExpired"),
            .message = SPAN_LITERAL("its Message Expiry Interval passed before the other Server took it")};
    } else {
        write_publish(uplink, message, span_equal(event, message->payload), buffer_span(&topic), wall_ms,
                      out);
    }
    buffer_fini(&topic);
    return error;
}

/* ---- Down ---- */

enum { CLIENT_ID_BYTES = 80 };

/* Whom the gateway names as the publisher of what came down. */
static struct span publisher_of(const struct config_function *function, char text[static CLIENT_ID_BYTES])
{
    snprintf(text, CLIENT_ID_BYTES, "uplink:%s", function->name);
    return span_from_string(text);
}

bool uplink_brought(const struct config_function *function, const struct message *message)
{
    char text[CLIENT_ID_BYTES];
    return function->uplink.down_count > 0 && span_equal(message->client_id, publisher_of(function, text));
}

static const struct config_down *find_down(const struct config_uplink *uplink, struct span topic)
{
    for (size_t i = 0; i < uplink->down_count; i++) {
        if (topic_matches(span_from_string(uplink->down[i].filter), topic))
            return &uplink->down[i];
    }
    return NULL;
}

/* Takes over what is forwarded of them, into `out`. */
static void take_properties(struct span properties, struct message *message, struct buffer *out)
{
    struct reader at = reader_of(properties);
    const uint8_t *start = at.at;
    struct mqtt_property_value value;
    for (; mqtt_property_next(&at, &value); start = at.at) {
        if (value.id == MQTT_MESSAGE_EXPIRY_INTERVAL)
            message->expires_ms = message->received_ms + value.number * UINT64_C(1000);
        else if (value.id != MQTT_TOPIC_ALIAS)
            buffer_append(out, span_of(start, (size_t)(at.at - start)));
    }
    message->properties = buffer_span(out);
}

/* What the configuration's `down` allows is allowed: the publisher is the gateway itself. */
static enum sluice_error publish_here(struct function *function, const struct config_down *down,
                                      const struct invoke_publication *publication)
{
    const struct functions_host *host = &function->all->host;
    char client_id[CLIENT_ID_BYTES];
    struct buffer topic = {0}, properties = {0};
    struct message message = {.qos = 1,
                              .retain = publication->retain,
                              .payload = publication->payload,
                              .client_id = publisher_of(function->config, client_id),
                              .received_ms = host->wall_ms(host->ctx)};
    take_properties(publication->properties, &message, &properties);
    message.topic = publication->topic;
    struct span from = functions_view(function->all, &message).topic;
    buffer_append(&topic, span_from_string(function->all->config->topic_prefix));
    enum sluice_error error =
        reply_topic_from(span_from_string(down->topic), from, publication->payload, SPAN_EMPTY, &topic);
    message.topic = buffer_span(&topic);
    if (!error)
        error = host->publish(host->ctx, &message);
    buffer_fini(&properties);
    buffer_fini(&topic);
    return error;
}

/*
 * The crash argument: the remote's PUBACK waits for the worker, which waits for PUBLISHED, and that for what
 * the journal was given for this message, and before it, to be on disk. A crash in between brings the message
 * again.
 */
void uplink_publish(void *ctx, const struct invoke_publication *publication)
{
    struct function *function = ((struct function_version *)ctx)->function;
    const struct config_uplink *uplink = &function->config->uplink;
    const struct config_down *down = find_down(uplink, publication->topic);
    bool valid = mqtt_properties_check(publication->properties, MQTT_PUBLISH, MQTT_SERVER) == MQTT_SUCCESS;
    struct span path = valid ? path_of(publication->properties) : SPAN_EMPTY;
    bool was_here = path.len > PATH_BYTES_MAX || path_has(path, span_from_string(uplink->client_id));
    enum worker_published outcome = WORKER_PUBLISHED_REFUSED;
    enum sluice_error error = SLUICE_DENIED;
    if (down && valid && !was_here)
        error = publish_here(function, down, publication);
    if (!error) {
        struct journal_stats stats = journal_stats(function->all->host.journal);
        function->coming_down.worker = publication->worker;
        function->coming_down.id = publication->id;
        function->coming_down.seq = stats.last_seq;
        uplink_durable(function, stats.durable_seq);
        return;
    }
    if (error == SLUICE_FULL || error == SLUICE_IO)
        outcome = WORKER_PUBLISHED_FULL;
    else if (!was_here)
        log_warning("function %s: what comes down on %.*s is not published: %s", function->config->name,
                    (int)publication->topic.len, (const char *)publication->topic.data,
                    down ? "its topic here would be none, or it is too large" : "no `down` filter is for it");
    invoke_published(function->down_pool, publication->worker, publication->id, outcome);
}

void uplink_durable(struct function *function, uint64_t seq)
{
    uint64_t id = function->coming_down.id;
    if (id == 0 || seq < function->coming_down.seq)
        return;
    function->coming_down.id = 0;
    invoke_published(function->down_pool, function->coming_down.worker, id, WORKER_PUBLISHED_STORED);
}

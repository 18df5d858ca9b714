#include "kept_check.h"

#include "base/log.h"
#include "base/memory.h"
#include "retained_probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct found {
    uint32_t retained_count; /* one over the number of the message; 0: there is none */
    uint32_t will_number;
};

struct check {
    struct durable_client *const *clients;
    size_t count;
    struct found *found;
};

static void on_message(void *ctx, const struct mqtt_publish *publish)
{
    struct check *check = ctx;
    char text[CLIENT_PACKET_BYTES];
    size_t publisher;
    uint32_t number;
    snprintf(text, sizeof text, "%.*s", (int)publish->payload.len, (const char *)publish->payload.data);
    if (sscanf(text, "{\"publisher\":%zu,\"number\":%" SCNu32, &publisher, &number) != 2 ||
        publisher >= check->count)
        log_fatal("nobody published what is retained: %s", text);
    check->found[publisher].retained_count = number + 1;
}

static void on_will(void *ctx, const struct mqtt_publish *publish)
{
    struct check *check = ctx;
    char topic[128], payload[16], wanted[128];
    snprintf(topic, sizeof topic, "%.*s", (int)publish->topic.len, (const char *)publish->topic.data);
    snprintf(payload, sizeof payload, "%.*s", (int)publish->payload.len, (const char *)publish->payload.data);
    for (size_t i = 0; i < check->count; i++) {
        snprintf(wanted, sizeof wanted, "wills/%s", check->clients[i]->client_id);
        if (strcmp(topic, wanted) == 0 && sscanf(payload, "%" SCNu32, &check->found[i].will_number) == 1)
            return;
    }
    log_fatal("nobody has this will: %s %s", topic, payload);
}

uint64_t kept_check(uint16_t port, struct durable_client *const *clients, size_t count)
{
    struct check check = {clients, count, memory_new_array(count, sizeof *check.found)};
    uint64_t missing = 0;
    retained_probe(port, "load/#", on_message, &check);
    retained_probe(port, "wills/#", on_will, &check);
    for (size_t i = 0; i < count; i++) {
        uint32_t acknowledged = durable_client_acknowledged_count(clients[i]);
        if (check.found[i].retained_count < acknowledged) {
            log_error("%" PRIu32 " of %s are acknowledged, and %" PRIu32 " is what is retained", acknowledged,
                      clients[i]->client_id, check.found[i].retained_count);
            missing++;
        }
        if (check.found[i].will_number < clients[i]->owed_will) {
            log_error("the will of connection %" PRIu32 " of %s is missing: %" PRIu32, clients[i]->owed_will,
                      clients[i]->client_id, check.found[i].will_number);
            missing++;
        }
    }
    memory_free(check.found);
    return missing;
}

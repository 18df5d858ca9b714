#include "app/gateway_internal.h"

#include "base/json_write.h"

#include <stdio.h>

/* `before`: what stands in front of it, "{" or ",". */
static void field(struct buffer *out, const char *before, const char *name, uint64_t value)
{
    buffer_append(out, span_from_string(before));
    json_write_string(out, span_from_string(name));
    json_write_raw(out, ":");
    json_write_u64(out, value);
}

void gateway_print_ledger(const struct gateway *gateway)
{
    const struct broker_counters *broker = broker_counters(gateway->broker);
    const struct intake_counters *intake = intake_counters(gateway->intake);
    struct functions_counters functions = gateway->function_counters;
    struct buffer out = {0};
    field(&out, "{", "received", broker->messages);
    field(&out, ",", "frames", intake->frames);
    field(&out, ",", "stored", intake->stored);
    field(&out, ",", "accepted", functions.accepted);
    field(&out, ",", "restored", functions.restored);
    field(&out, ",", "replayed", functions.replayed);
    field(&out, ",", "invocations", functions.invocations);
    field(&out, ",", "invoked", functions.succeeded);
    field(&out, ",", "direct", functions.direct);
    field(&out, ",", "results", functions.results);
    field(&out, ",", "empty", functions.empty);
    field(&out, ",", "unpublished", functions.unpublished);
    field(&out, ",", "queued", functions.queued);
    field(&out, ",", "deadLetters", functions.dead_letters);
    field(&out, ",", "sentOn", functions.sent_on);
    field(&out, ",", "discarded", functions.discarded);
    field(&out, ",", "sent",
          broker->publishes_sent[0] + broker->publishes_sent[1] + broker->publishes_sent[2]);
    json_write_raw(&out, ",\"dropped\":{");
    const char *before = "";
    for (unsigned reason = 0; reason < BROKER_DROP_COUNT; reason++) {
        if (broker->dropped[reason] == 0)
            continue;
        field(&out, before, broker_drop_text((enum broker_drop)reason), broker->dropped[reason]);
        before = ",";
    }
    json_write_raw(&out, "}}\n");
    fwrite(buffer_span(&out).data, 1, buffer_len(&out), stdout);
    fflush(stdout);
    buffer_fini(&out);
}

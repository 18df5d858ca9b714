/* What a function in AWS Lambda has of its own. */
#include "app/functions_internal.h"

#include "base/json_write.h"
#include "base/memory.h"

static void write_iot(struct buffer *out, const struct config_iot *iot)
{
    if (!iot->endpoint)
        return;
    json_write_raw(out, ",\"iotCredentials\":{\"endpoint\":");
    json_write_string(out, span_from_string(iot->endpoint));
    json_write_member(out, "roleAlias", iot->role_alias);
    json_write_member(out, "thingName", iot->thing_name);
    json_write_member(out, "certificate", iot->certificate);
    json_write_member(out, "key", iot->key);
    json_write_member(out, "ca", iot->ca);
    json_write_raw(out, "}");
}

char *lambda_settings(const struct config *config, const struct config_function *function)
{
    struct buffer out = {0};
    json_write_raw(&out, "{\"concurrency\":");
    json_write_u64(&out, function->reserved_concurrency);
    json_write_member(&out, "function", function->lambda);
    json_write_member(&out, "region", config->region);
    json_write_member(&out, "endpoint", function->endpoint);
    json_write_member(&out, "invocationType",
                      function->invocation_type == CONFIG_EVENT ? "Event" : "RequestResponse");
    write_iot(&out, &config->iot);
    json_write_raw(&out, "}");
    char *settings = memory_string(buffer_span(&out));
    buffer_fini(&out);
    return settings;
}

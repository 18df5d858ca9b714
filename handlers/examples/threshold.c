/*
 * threshold: says when a device's value rises over HIGH, and again when it has fallen under LOW.
 * Between the two it keeps quiet, so a value that trembles at the limit gives one alert.
 *
 *   environment: CHANNEL  the field to watch, e.g. temperature
 *                HIGH     alert above this
 *                LOW      clear below this; HIGH where it is left out
 *   event:       {"device":"d1","temperature":31.5}, or a batch of such
 *   result:      {"device":"d1","channel":"temperature","value":31.5,"state":"high"}, later "state":"normal";
 *                of a batch {"alerts":[...]}; nothing when nothing has changed
 *
 * Which devices are high is known to this worker's memory alone: run it with
 * reservedConcurrency: 1. After a restart, a device that is still high is reported again.
 */
#include <cjson/cJSON.h>
#include <sluice/handler.h>
#include <stdlib.h>
#include <string.h>

SLUICE_HANDLER;

struct threshold {
    const char *channel;
    double high, low;
    cJSON *devices; /* an object with a key for each device that is high now */
};

enum sluice_outcome sluice_init(struct sluice_context *context)
{
    const char *channel = getenv("CHANNEL"), *high = getenv("HIGH"), *low = getenv("LOW");
    char *high_end, *low_end;
    if (!channel || !high)
        return sluice_fail(context, "Configuration", "set CHANNEL and HIGH in the function's environment");
    struct threshold *threshold = calloc(1, sizeof *threshold);
    if (!threshold)
        abort(); /* another worker is started in a while */
    *threshold = (struct threshold){channel, strtod(high, &high_end), strtod(low ? low : high, &low_end),
                                    cJSON_CreateObject()};
    sluice_set_state(context, threshold);
    if (*high_end || *low_end)
        return sluice_fail(context, "Configuration", "HIGH and LOW must be numbers");
    return SLUICE_SUCCEEDED;
}

void sluice_stop(struct sluice_context *context)
{
    struct threshold *threshold = sluice_state(context);
    if (threshold)
        cJSON_Delete(threshold->devices);
    free(threshold);
}

/* Looks at one sample; adds an alert to `alerts` if its device crossed a limit. */
static void judge(struct threshold *threshold, const cJSON *sample, cJSON *alerts)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(sample, threshold->channel);
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(sample, "device"));
    const char *device = name ? name : "";
    int was_high = cJSON_GetObjectItemCaseSensitive(threshold->devices, device) != NULL;
    if (!cJSON_IsNumber(value))
        return;
    if (was_high ? value->valuedouble >= threshold->low : value->valuedouble <= threshold->high)
        return;
    if (was_high)
        cJSON_DeleteItemFromObjectCaseSensitive(threshold->devices, device);
    else
        cJSON_AddTrueToObject(threshold->devices, device);
    cJSON *alert = cJSON_CreateObject();
    cJSON_AddStringToObject(alert, "device", device);
    cJSON_AddStringToObject(alert, "channel", threshold->channel);
    cJSON_AddNumberToObject(alert, "value", value->valuedouble);
    cJSON_AddStringToObject(alert, "state", was_high ? "normal" : "high");
    cJSON_AddItemToArray(alerts, alert);
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    cJSON *document = cJSON_ParseWithLength(event, event_len), *record;
    if (!document)
        return sluice_fail(context, "BadEvent", "the event is not JSON");
    cJSON *records = cJSON_GetObjectItemCaseSensitive(document, "Records");
    cJSON *result = cJSON_CreateObject(), *alerts = cJSON_AddArrayToObject(result, "alerts");
    judge(sluice_state(context), document, alerts); /* a single event; a batch has no such field */
    cJSON_ArrayForEach(record, records)
    {
        cJSON *sample = cJSON_Parse(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "body")));
        judge(sluice_state(context), sample, alerts);
        cJSON_Delete(sample);
    }
    if (cJSON_GetArraySize(alerts) > 0) {
        char *text = cJSON_PrintUnformatted(records ? result : cJSON_GetArrayItem(alerts, 0));
        sluice_write(context, text, strlen(text));
        free(text);
    }
    cJSON_Delete(result);
    cJSON_Delete(document);
    return SLUICE_SUCCEEDED;
}

/*
 * threshold: says when a device's value rises over HIGH, and again when it has
 * fallen under LOW; between the two it keeps quiet (hysteresis), so a value that
 * trembles at the limit gives one alert and not a hundred.
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

struct high_device {
    struct high_device *next;
    char name[];
};

struct threshold {
    const char *channel;
    double high, low;
    struct high_device *devices; /* those that are high now */
};

enum sluice_outcome sluice_init(struct sluice_context *context)
{
    const char *channel = getenv("CHANNEL"), *high = getenv("HIGH"), *low = getenv("LOW");
    struct threshold *threshold = calloc(1, sizeof *threshold);
    if (!channel || !high || !threshold) {
        free(threshold);
        return sluice_fail(context, "Configuration", "set CHANNEL and HIGH in the function's environment");
    }
    *threshold = (struct threshold){channel, strtod(high, NULL), strtod(low ? low : high, NULL), NULL};
    sluice_set_state(context, threshold);
    return SLUICE_SUCCEEDED;
}

/* Looks at one sample; adds an alert to `alerts` if its device crossed a limit. */
static void judge(struct threshold *threshold, const cJSON *sample, cJSON *alerts)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(sample, threshold->channel);
    const char *device = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(sample, "device"));
    struct high_device **at = &threshold->devices;
    if (!cJSON_IsNumber(value))
        return;
    device = device ? device : "";
    while (*at && strcmp((*at)->name, device) != 0)
        at = &(*at)->next;
    if (*at ? value->valuedouble >= threshold->low : value->valuedouble <= threshold->high)
        return;
    cJSON *alert = cJSON_CreateObject();
    cJSON_AddStringToObject(alert, "device", device);
    cJSON_AddStringToObject(alert, "channel", threshold->channel);
    cJSON_AddNumberToObject(alert, "value", value->valuedouble);
    cJSON_AddStringToObject(alert, "state", *at ? "normal" : "high");
    cJSON_AddItemToArray(alerts, alert);
    if (*at) {
        struct high_device *cleared = *at;
        *at = cleared->next;
        free(cleared);
    } else if ((*at = calloc(1, sizeof **at + strlen(device) + 1))) {
        strcpy((*at)->name, device);
    }
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    cJSON *document = cJSON_ParseWithLength(event, event_len);
    if (!document)
        return sluice_fail(context, "BadEvent", "the event is not JSON");
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(document, "Records"), *record;
    cJSON *result = cJSON_CreateObject(), *alerts = cJSON_AddArrayToObject(result, "alerts");
    if (!records)
        judge(sluice_state(context), document, alerts);
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

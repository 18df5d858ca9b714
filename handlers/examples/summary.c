/*
 * summary: count, minimum, mean and maximum of every device and channel of a
 * batch. It remembers nothing between batches, so any number of workers may run.
 *
 *   event:  {"Records":[...]} whose bodies are samples:
 * {"device":"d1","time":1700000000.5,"temperature":21.5}; every field that is a number, except time, is a
 * channel result:
 * {"summary":[{"device":"d1","channel":"temperature","count":60,"min":20.9,"mean":21.4,"max":21.8}]}; nothing
 * if there was no number
 */
#include <cjson/cJSON.h>
#include <sluice/handler.h>
#include <stdlib.h>
#include <string.h>

SLUICE_HANDLER;

struct group {
    struct group *next;
    const char *device, *channel; /* in a parsed sample, which is kept until the end */
    double count, min, sum, max;
};

static void add(struct group **groups, const char *device, const char *channel, double value)
{
    struct group *group = *groups;
    while (group && (strcmp(group->channel, channel) != 0 || strcmp(group->device, device) != 0))
        group = group->next;
    if (!group) {
        group = calloc(1, sizeof *group);
        if (!group)
            abort(); /* the batch is tried again on a fresh worker */
        *group = (struct group){*groups, device, channel, 0, value, 0, value};
        *groups = group;
    }
    group->count++;
    group->sum += value;
    group->min = value < group->min ? value : group->min;
    group->max = value > group->max ? value : group->max;
}

static void add_sample(struct group **groups, const cJSON *sample)
{
    const char *device = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(sample, "device"));
    const cJSON *field;
    cJSON_ArrayForEach(field, sample)
    {
        if (field->string && cJSON_IsNumber(field) && strcmp(field->string, "time") != 0)
            add(groups, device ? device : "", field->string, field->valuedouble);
    }
}

/* Writes the groups as JSON, and frees them. */
static void report(struct sluice_context *context, struct group *groups)
{
    cJSON *result = cJSON_CreateObject(), *summary = cJSON_AddArrayToObject(result, "summary");
    while (groups) {
        struct group *group = groups;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "device", group->device);
        cJSON_AddStringToObject(entry, "channel", group->channel);
        cJSON_AddNumberToObject(entry, "count", group->count);
        cJSON_AddNumberToObject(entry, "min", group->min);
        cJSON_AddNumberToObject(entry, "mean", group->sum / group->count);
        cJSON_AddNumberToObject(entry, "max", group->max);
        cJSON_AddItemToArray(summary, entry);
        groups = group->next;
        free(group);
    }
    char *text = cJSON_PrintUnformatted(result);
    sluice_write(context, text, strlen(text));
    free(text);
    cJSON_Delete(result);
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    cJSON *document = cJSON_ParseWithLength(event, event_len), *samples = cJSON_CreateArray(), *record;
    cJSON *records = cJSON_GetObjectItemCaseSensitive(document, "Records");
    struct group *groups = NULL;
    if (!cJSON_IsArray(records)) {
        cJSON_Delete(samples);
        cJSON_Delete(document);
        return sluice_fail(context, "BadEvent", "no Records: give this function's event a batchSize over 1");
    }
    cJSON_ArrayForEach(record, records)
    {
        cJSON *sample = cJSON_Parse(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "body")));
        add_sample(&groups, sample);
        cJSON_AddItemToArray(samples, sample);
    }
    if (groups)
        report(context, groups);
    cJSON_Delete(samples);
    cJSON_Delete(document);
    return SLUICE_SUCCEEDED;
}

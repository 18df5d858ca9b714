/*
 * A function that tries what it is told, for the tests of isolation: the event is
 * {"try":"read","with":"/etc/shadow"}, the answer {"try":"read","error":"Permission denied"}.
 * With "must":true the invocation fails instead.
 */
#include "launch_acts.h"

#include <sluice/handler.h>

#include <cjson/cJSON.h>

#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

static const char *text_of(const cJSON *event, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, name));
    return text ? text : "";
}

static void answer(struct sluice_context *context, const char *act, const char *error)
{
    cJSON *result = cJSON_CreateObject();
    cJSON_AddStringToObject(result, "try", act);
    cJSON_AddStringToObject(result, "error", error);
    char *text = cJSON_PrintUnformatted(result);
    sluice_write(context, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(result);
}

static enum sluice_outcome try(struct sluice_context *context, const cJSON *event)
{
    const char *act = text_of(event, "try");
    int error = launch_act(act, text_of(event, "with"));
    if (error && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(event, "must")))
        return sluice_fail(context, "Refused", "%s", strerror(error));
    answer(context, act, error ? strerror(error) : "none");
    return SLUICE_SUCCEEDED;
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event_text, size_t event_len)
{
    cJSON *event = cJSON_ParseWithLength(event_text, event_len);
    enum sluice_outcome outcome = SLUICE_SUCCEEDED;
    if (strcmp(text_of(event, "try"), "environment") == 0) {
        for (char **variable = environ; *variable; variable++)
            sluice_printf(context, "%s ", *variable);
    } else {
        outcome = try(context, event);
    }
    cJSON_Delete(event);
    return outcome;
}

/*
 * A function that tries what it is told, for the tests of isolation: the event is
 * {"try":"read","with":"/etc/shadow"}, the answer {"try":"read","error":"Permission denied"}.
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

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event_text, size_t event_len)
{
    cJSON *event = cJSON_ParseWithLength(event_text, event_len);
    const char *act = text_of(event, "try");
    if (strcmp(act, "environment") == 0) {
        for (char **variable = environ; *variable; variable++)
            sluice_printf(context, "%s ", *variable);
    } else {
        int error = launch_act(act, text_of(event, "with"));
        answer(context, act, error ? strerror(error) : "none");
    }
    cJSON_Delete(event);
    return SLUICE_SUCCEEDED;
}

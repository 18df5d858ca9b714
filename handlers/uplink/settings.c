#include "uplink/settings.h"

#include "base/memory.h"
#include "invoke/worker_protocol.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <string.h>

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* A whole number within its bounds, or 0. */
static uint32_t number_of(const cJSON *object, const char *name, uint32_t most)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    double number = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return number >= 1 && number <= most ? (uint32_t)number : 0;
}

/* Copies of pointers: the strings stay the tree's. */
static void read_down(struct settings *settings, const cJSON *list)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(list);
    if (count == 0)
        return;
    settings->down = memory_new_array((size_t)count, sizeof *settings->down);
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            settings->down[settings->down_count++] = item->valuestring;
    }
}

/* What is wrong with them, or NULL. */
static const char *fault_of(const struct settings *settings)
{
    bool plain = settings->url && strncmp(settings->url, "mqtt://", 7) == 0;
    if (!plain && !settings->encrypted)
        return "url is missing or no mqtt://HOST:PORT or mqtts://HOST:PORT";
    if (!settings->client_id || !*settings->client_id)
        return "clientId is missing";
    if (settings->keep_alive_s == 0)
        return "keepAlive is missing or out of its bounds";
    if (settings->inflight == 0)
        return "inflight is missing or out of its bounds";
    if (!settings->certificate != !settings->key)
        return "certificate and key go together";
    return NULL;
}

enum sluice_error settings_parse(struct span init_json, char *error, struct settings *ret_settings)
{
    cJSON *init = cJSON_ParseWithLength((const char *)init_json.data, init_json.len);
    const cJSON *protocol = cJSON_GetObjectItemCaseSensitive(init, "protocol");
    const cJSON *json = cJSON_GetObjectItemCaseSensitive(init, "settings");
    const char *version = string_of(json, "version");
    struct settings settings = {
        .json = init,
        .url = string_of(json, "url"),
        .version_5 = !version || strcmp(version, "3.1.1") != 0,
        .client_id = string_of(json, "clientId"),
        .user = string_of(json, "user"),
        .password = string_of(json, "password"),
        .ca = string_of(json, "ca"),
        .certificate = string_of(json, "certificate"),
        .key = string_of(json, "key"),
        .keep_alive_s = number_of(json, "keepAlive", UINT16_MAX),
        .inflight = number_of(json, "inflight", SETTINGS_INFLIGHT_MAX),
    };
    settings.encrypted = settings.url && strncmp(settings.url, "mqtts://", 8) == 0;
    const char *fault = cJSON_IsNumber(protocol) && (int)protocol->valuedouble == WORKER_PROTOCOL_VERSION
                            ? fault_of(&settings)
                            : "gateway and worker are of different versions: install both together";
    if (fault) {
        snprintf(error, SETTINGS_ERROR_BYTES, "%s", fault);
        cJSON_Delete(init);
        return SLUICE_INVALID;
    }
    read_down(&settings, cJSON_GetObjectItemCaseSensitive(json, "down"));
    *ret_settings = settings;
    return SLUICE_OK;
}

void settings_free(struct settings *settings)
{
    cJSON_Delete(settings->json);
    memory_free(settings->down);
}

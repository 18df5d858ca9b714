/*
 * What the `uplink` worker is told in INIT's `settings`: where the remote Server
 * is, as whom to go there, and how (README.md). Strings are views into the JSON
 * tree, which the settings own; settings_free gives all of it back.
 */
#ifndef SLUICE_UPLINK_SETTINGS_H
#define SLUICE_UPLINK_SETTINGS_H

#include "sluice/error.h"
#include "wire/span.h"

#include <stdint.h>

struct cJSON;

enum {
    SETTINGS_INFLIGHT_MAX = 1000, /* what the gateway allows a worker at most */
    SETTINGS_ERROR_BYTES = 1024,
};

struct settings {
    struct cJSON *json;
    const char *url; /* mqtt://HOST:PORT or mqtts://HOST:PORT */
    bool encrypted;
    bool version_5; /* false: MQTT 3.1.1 */
    const char *client_id;
    const char *user;        /* NULL: none; so are the following */
    const char *password;    /* only with a user */
    const char *ca;          /* files; NULL: the system's authorities */
    const char *certificate; /* with its key, or NULL */
    const char *key;
    uint32_t keep_alive_s;
    char **down; /* filters of what comes down; NULL: this worker forwards */
    size_t down_count;
    uint32_t inflight; /* messages that may wait for their PUBACK at once */
};

/* Of the INIT frame's JSON. SLUICE_INVALID: one sentence is in `error`, of SETTINGS_ERROR_BYTES. */
enum sluice_error settings_parse(struct span init_json, char *error, struct settings *ret_settings);
void settings_free(struct settings *settings);

#endif

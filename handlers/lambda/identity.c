#include "lambda/identity.h"

#include "base/memory.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>

enum { URL_BYTES = 1024 };

#define CONTAINER_HOST "169.254.170.2" /* of Amazon ECS */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Authorities for all TLS; NULL: the system's. */
static const char *authorities(void)
{
    return variable("SSL_CERT_FILE");
}

/* ---- AWS IoT ---- */

static struct provider *open_iot(const cJSON *iot, struct transfers *transfers)
{
    char url[URL_BYTES];
    const char *endpoint = string_of(iot, "endpoint"), *alias = string_of(iot, "roleAlias");
    const char *ca = string_of(iot, "ca");
    snprintf(url, sizeof url, "https://%s/role-aliases/%s/credentials", endpoint ? endpoint : "",
             alias ? alias : "");
    const struct provider_settings settings = {.url = url,
                                               .certificate = string_of(iot, "certificate"),
                                               .key = string_of(iot, "key"),
                                               .ca = ca ? ca : authorities(),
                                               .thing_name = string_of(iot, "thingName")};
    return provider_new(&settings, transfers);
}

/* ---- A container's endpoint ---- */

/* Without TLS only what is this machine's own gets the token: the hosts that AWS's SDKs allow. */
static bool is_allowed(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1",    "localhost",      "[::1]",
                                        CONTAINER_HOST, "169.254.170.23", "[fd00:ec2::23]"};
    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, "http://", 7) != 0 || strchr(url, '@')) /* before which no host stands */
        return false;
    const char *host = url + 7;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(host, hosts[i], len) == 0 && strchr(":/?", host[len])) /* or nothing follows */
            return true;
    }
    return false;
}

static enum sluice_error open_container(struct identity *identity, struct transfers *transfers, char *error,
                                        size_t error_bytes)
{
    const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[URL_BYTES];
    if (!relative && !full)
        return SLUICE_NOT_FOUND; /* `error` says already that the file has none */
    snprintf(url, sizeof url, "%s%s", relative ? "http://" CONTAINER_HOST : "", relative ? relative : full);
    if (!is_allowed(url)) {
        snprintf(error, error_bytes,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI is '%s'; allowed: https, or http to this machine", url);
        return SLUICE_INVALID;
    }
    const struct provider_settings settings = {.url = url,
                                               .ca = authorities(),
                                               .token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                                               .token_file =
                                                   variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")};
    identity->provider = provider_new(&settings, transfers);
    return SLUICE_OK;
}

/* ---- Which of them ---- */

enum sluice_error identity_open(struct identity *identity, const struct cJSON *iot,
                                struct transfers *transfers, char *error, size_t error_bytes)
{
    *identity = (struct identity){0};
    credentials_open(&identity->source);
    if (identity->source.current.access_key_id)
        return SLUICE_OK;
    if (iot) {
        identity->provider = open_iot(iot, transfers);
        return SLUICE_OK;
    }
    if (credentials_refresh(&identity->source, error, error_bytes) == SLUICE_OK)
        return SLUICE_OK;
    return open_container(identity, transfers, error, error_bytes);
}

void identity_close(struct identity *identity)
{
    if (identity->provider)
        provider_free(identity->provider);
    credentials_close(&identity->source);
    *identity = (struct identity){0};
}

const struct credentials *identity_credentials(const struct identity *identity)
{
    return identity->provider ? provider_credentials(identity->provider) : &identity->source.current;
}

void identity_run(struct identity *identity, const struct transfers_now *now, char *error, size_t error_bytes)
{
    *error = '\0';
    if (identity->provider)
        provider_run(identity->provider, now, error, error_bytes);
    else if (identity->source.current.access_key_id)
        credentials_refresh(&identity->source, error, error_bytes);
}

uint64_t identity_next_deadline_ms(const struct identity *identity)
{
    return identity->provider ? provider_next_deadline_ms(identity->provider) : UINT64_MAX;
}

void identity_refused(struct identity *identity, uint64_t now_ms)
{
    if (identity->provider)
        provider_refused(identity->provider, now_ms);
}

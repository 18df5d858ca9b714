#include "lambda/provider.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "client/backoff.h"

#include <cjson/cJSON.h>
#include <mbedtls/platform_util.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    DOCUMENT_BYTES_MAX = 64 * 1024,
    TOKEN_BYTES_MAX = 16 * 1024,
    REASON_BYTES = CURL_ERROR_SIZE,
    TIMEOUT_MS = 10 * 1000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 20 * 1000,
    EARLY_MAX_MS = 5 * 60 * 1000, /* before they expire; of short ones a quarter of their time */
    REFUSED_AGE_MS = 10 * 1000,   /* younger ones would be given out again */
    MS_PER_S = 1000,
};

#define NEVER UINT64_MAX

struct provider {
    struct transfer transfer; /* first: on_done gets it */
    struct transfers *transfers;
    char *thing_name, *token, *token_file;
    struct curl_slist *headers;
    struct buffer document;
    struct credentials current;
    bool fetching;
    unsigned failure_count; /* in a row */
    uint64_t fetched_ms;    /* this and the rest on the monotonic clock */
    uint64_t due_ms;        /* the next fetch; NEVER: not before something happens */
    uint64_t expires_ms;    /* NEVER: they do not */
    char reason[REASON_BYTES];
    char fault[2 * REASON_BYTES]; /* not said yet */
};

/* ---- The document ---- */

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, name)); /* of any case: Token, accessKeyId */
}

static char *copy(const char *string)
{
    return string ? memory_string(span_from_string(string)) : NULL;
}

/* A date of RFC 3339 in UTC; 0: it is none. */
static uint64_t date_ms(const char *text)
{
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    time_t seconds = end && strcmp(end, "Z") == 0 ? timegm(&utc) : 0;
    return seconds > 0 ? (uint64_t)seconds * MS_PER_S : 0;
}

enum sluice_error provider_parse(struct span document, struct credentials *ret_credentials,
                                 uint64_t *ret_expires_ms)
{
    cJSON *json = cJSON_ParseWithLength((const char *)document.data, document.len);
    const cJSON *nested = cJSON_GetObjectItem(json, "credentials"); /* AWS IoT's */
    const cJSON *object = nested ? nested : json;
    const char *id = string_of(object, "accessKeyId"), *secret = string_of(object, "secretAccessKey");
    const char *token = string_of(object, "sessionToken"), *date = string_of(object, "expiration");
    uint64_t expires_ms = date ? date_ms(date) : 0;
    bool valid = id && *id && secret && *secret && (!date || expires_ms > 0);
    if (valid) {
        *ret_expires_ms = expires_ms;
        *ret_credentials =
            (struct credentials){copy(id), copy(secret), copy(token ? token : string_of(object, "token"))};
    }
    cJSON_Delete(json);
    return valid ? SLUICE_OK : SLUICE_INVALID;
}

/* ---- What came of a fetch ---- */

static void clear_document(struct provider *provider)
{
    if (provider->document.data)
        mbedtls_platform_zeroize(provider->document.data, provider->document.capacity);
    buffer_fini(&provider->document);
}

static void fail(struct provider *provider, uint64_t now_ms, const char *reason)
{
    uint32_t random = 0;
    char *url = NULL;
    getrandom(&random, sizeof random, GRND_NONBLOCK);
    curl_easy_getinfo(provider->transfer.easy, CURLINFO_EFFECTIVE_URL, &url);
    snprintf(provider->fault, sizeof provider->fault, "no credentials from %.*s: %s", REASON_BYTES,
             url ? url : "", reason);
    provider->due_ms =
        now_ms + backoff_delay_ms(RETRY_MIN_MS, RETRY_MAX_MS, provider->failure_count++, random);
}

/* How they are used up: fetched again early enough for some failures, and not used past their end. */
static void keep(struct provider *provider, struct credentials *fresh, uint64_t expires_ms,
                 const struct transfers_now *now)
{
    credentials_fini(&provider->current);
    provider->current = *fresh;
    provider->failure_count = 0;
    provider->fetched_ms = now->monotonic_ms;
    provider->due_ms = provider->expires_ms = NEVER;
    if (expires_ms == 0)
        return;
    uint64_t left_ms = expires_ms - now->wall_ms;
    uint64_t early_ms = left_ms / 4 < EARLY_MAX_MS ? left_ms / 4 : EARLY_MAX_MS;
    provider->expires_ms = now->monotonic_ms + left_ms;
    provider->due_ms = provider->expires_ms - early_ms;
}

static void on_done(struct transfer *transfer, CURLcode code, const struct transfers_now *now)
{
    struct provider *provider = (struct provider *)transfer;
    struct credentials fresh;
    uint64_t expires_ms;
    char status[48];
    long http = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
    snprintf(status, sizeof status, "HTTP status %ld", http);
    provider->fetching = false;
    transfers_drop(provider->transfers, transfer);
    if (code != CURLE_OK)
        fail(provider, now->monotonic_ms, *provider->reason ? provider->reason : curl_easy_strerror(code));
    else if (http != 200)
        fail(provider, now->monotonic_ms, status);
    else if (provider_parse(buffer_span(&provider->document), &fresh, &expires_ms))
        fail(provider, now->monotonic_ms, "its answer has none");
    else if (expires_ms != 0 && expires_ms <= now->wall_ms) {
        credentials_fini(&fresh);
        fail(provider, now->monotonic_ms, "they have expired; is this machine's clock right?");
    } else {
        keep(provider, &fresh, expires_ms, now);
    }
    clear_document(provider);
}

/* ---- Fetching ---- */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct provider *provider = ctx;
    if (buffer_len(&provider->document) + size * count > DOCUMENT_BYTES_MAX)
        return 0;
    buffer_append(&provider->document, span_of(data, size * count));
    return size * count;
}

static void add_header(struct provider *provider, const char *name, struct span value)
{
    char line[TOKEN_BYTES_MAX + 64];
    snprintf(line, sizeof line, "%s: %.*s", name, (int)value.len, (const char *)value.data);
    provider->headers = curl_slist_append(provider->headers, line);
    mbedtls_platform_zeroize(line, sizeof line);
}

/* False: the file that should have it has none. What follows its first line is not of it. */
static bool add_token(struct provider *provider)
{
    char token[TOKEN_BYTES_MAX] = "";
    if (provider->token_file) {
        FILE *file = fopen(provider->token_file, "re");
        bool read = file && fgets(token, sizeof token, file);
        if (file)
            fclose(file);
        if (!read)
            return false;
    } else if (provider->token) {
        snprintf(token, sizeof token, "%s", provider->token);
    }
    size_t len = strcspn(token, "\r\n");
    if (len > 0)
        add_header(provider, "Authorization", span_of(token, len));
    mbedtls_platform_zeroize(token, sizeof token);
    return true;
}

static void fetch(struct provider *provider, uint64_t now_ms)
{
    curl_slist_free_all(provider->headers);
    provider->headers = NULL;
    provider->reason[0] = '\0';
    provider->due_ms = NEVER;
    if (provider->thing_name)
        add_header(provider, "x-amzn-iot-thingname", span_from_string(provider->thing_name));
    if (!add_token(provider)) {
        fail(provider, now_ms, "the file of its token cannot be read");
        return;
    }
    curl_easy_setopt(provider->transfer.easy, CURLOPT_HTTPHEADER, provider->headers);
    provider->fetching = true;
    transfers_start(provider->transfers, &provider->transfer);
}

void provider_run(struct provider *provider, const struct transfers_now *now, char *error, size_t error_bytes)
{
    if (now->monotonic_ms >= provider->expires_ms) {
        credentials_fini(&provider->current);
        provider->expires_ms = NEVER;
    }
    if (!provider->fetching && now->monotonic_ms >= provider->due_ms)
        fetch(provider, now->monotonic_ms);
    snprintf(error, error_bytes, "%s", provider->fault);
    provider->fault[0] = '\0';
}

uint64_t provider_next_deadline_ms(const struct provider *provider)
{
    return provider->due_ms < provider->expires_ms ? provider->due_ms : provider->expires_ms;
}

/* While the endpoint fails it is asked again anyway, with its back-off. */
void provider_refused(struct provider *provider, uint64_t now_ms)
{
    if (!provider->fetching && provider->failure_count == 0 && provider->current.access_key_id &&
        now_ms - provider->fetched_ms >= REFUSED_AGE_MS)
        provider->due_ms = now_ms;
}

const struct credentials *provider_credentials(const struct provider *provider)
{
    return &provider->current;
}

struct provider *provider_new(const struct provider_settings *settings, struct transfers *transfers)
{
    struct provider *provider = memory_new(sizeof *provider);
    CURL *easy = provider->transfer.easy = transfers_easy();
    provider->transfer.on_done = on_done;
    provider->transfers = transfers;
    provider->thing_name = copy(settings->thing_name);
    provider->token = copy(settings->token);
    provider->token_file = copy(settings->token_file);
    provider->expires_ms = NEVER;
    curl_easy_setopt(easy, CURLOPT_URL, settings->url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key);
    if (settings->ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca);
    if (!settings->certificate)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* a container's is on this machine */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, provider);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, provider->reason);
    return provider;
}

void provider_free(struct provider *provider)
{
    transfers_drop(provider->transfers, &provider->transfer);
    curl_easy_cleanup(provider->transfer.easy);
    curl_slist_free_all(provider->headers);
    clear_document(provider);
    credentials_fini(&provider->current);
    memory_free(provider->thing_name);
    memory_free(provider->token);
    memory_free(provider->token_file);
    memory_free(provider);
}

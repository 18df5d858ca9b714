#include "app/access_keys.h"

#include "app/file.h"
#include "base/memory.h"
#include "base/sigv4.h"

#include <errno.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { SECRET_BYTES_MIN = 16, SECRET_BYTES_MAX = 128 };

struct access_key {
    char *id;
    char *user;
    char *secret;
};

struct access_keys {
    struct access_key *keys;
    size_t count;
};

/* ---- Loading ---- */

static enum sluice_error load_secret(const struct config_key *config, struct access_key *key, char *ret_text)
{
    struct buffer file = {0};
    enum sluice_error error = file_read(config->secret, SECRET_BYTES_MAX + 1, &file);
    struct span secret = buffer_span(&file);
    while (secret.data && secret.len > 0 &&
           (secret.data[secret.len - 1] == '\n' || secret.data[secret.len - 1] == '\r'))
        secret.len--;
    if (error && error != SLUICE_TOO_LARGE) {
        snprintf(ret_text, ACCESS_KEYS_TEXT_BYTES, "%s cannot be read: %s", config->secret, strerror(errno));
    } else if (error || !secret.data || secret.len < SECRET_BYTES_MIN || memchr(secret.data, 0, secret.len)) {
        snprintf(ret_text, ACCESS_KEYS_TEXT_BYTES,
                 "%s is no secret access key; allowed: one line of %d to %d characters", config->secret,
                 SECRET_BYTES_MIN, SECRET_BYTES_MAX);
        error = SLUICE_INVALID;
    } else {
        key->secret = memory_string(secret);
    }
    if (file.data)
        mbedtls_platform_zeroize(file.data, file.capacity);
    buffer_fini(&file);
    return error;
}

enum sluice_error access_keys_new(const struct config *config, struct access_keys **ret_keys, char *ret_text)
{
    struct access_keys *keys = memory_new(sizeof *keys);
    keys->keys = memory_new_array(config->key_count + 1, sizeof *keys->keys);
    enum sluice_error error = SLUICE_OK;
    for (size_t i = 0; i < config->key_count && !error; i++) {
        const struct config_key *from = &config->keys[i];
        struct access_key *key = &keys->keys[keys->count++];
        key->id = memory_string(span_from_string(from->id));
        key->user = memory_string(span_from_string(from->user ? from->user : from->id));
        error = load_secret(from, key, ret_text);
    }
    if (error)
        access_keys_free(keys);
    else
        *ret_keys = keys;
    return error;
}

void access_keys_free(struct access_keys *keys)
{
    for (size_t i = 0; keys && i < keys->count; i++) {
        if (keys->keys[i].secret)
            mbedtls_platform_zeroize(keys->keys[i].secret, strlen(keys->keys[i].secret));
        memory_free(keys->keys[i].secret);
        memory_free(keys->keys[i].user);
        memory_free(keys->keys[i].id);
    }
    if (keys)
        memory_free(keys->keys);
    memory_free(keys);
}

/* ---- The header Authorization ---- */

struct authorization {
    struct span id, date, region, service, end; /* of Credential */
    struct span signed_headers;
    struct span signature;
};

/* What comes before `end`, which goes too; all, if there is none. */
static struct span take_until(struct span *rest, char end)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
    struct span part = span_of(rest->data, at ? (size_t)(at - rest->data) : rest->len);
    *rest = span_skip(*rest, part.len + (at != NULL));
    return part;
}

static void read_credential(struct span text, struct authorization *authorization)
{
    authorization->id = take_until(&text, '/');
    authorization->date = take_until(&text, '/');
    authorization->region = take_until(&text, '/');
    authorization->service = take_until(&text, '/');
    authorization->end = text;
}

static struct authorization read_authorization(struct span header)
{
    struct authorization authorization = {.id = SPAN_EMPTY};
    take_until(&header, ' ');
    while (header.len > 0) {
        struct span value = take_until(&header, ',');
        while (value.len > 0 && value.data[0] == ' ')
            value = span_skip(value, 1);
        struct span name = take_until(&value, '=');
        if (span_equal(name, SPAN_LITERAL("Credential")))
            read_credential(value, &authorization);
        else if (span_equal(name, SPAN_LITERAL("SignedHeaders")))
            authorization.signed_headers = value;
        else if (span_equal(name, SPAN_LITERAL("Signature")))
            authorization.signature = value;
    }
    return authorization;
}

bool access_keys_signed(const struct http_request *request)
{
    return span_starts_with(http_header(request, "Authorization"), SPAN_LITERAL(ALGORITHM " "));
}

/* ---- What was signed ---- */

static bool is_signed(struct span names, struct span name)
{
    while (names.len > 0) {
        if (http_same(take_until(&names, ';'), name))
            return true;
    }
    return false;
}

/* The headers that the signature names. False: one that must be among them is not. */
static bool take_signed(const struct http_request *request, struct span names, struct sigv4_header *headers,
                        size_t *ret_count)
{
    static const char prefix[] = "x-amz-";
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct span name = request->headers[i].name;
        struct span start = span_of(name.data, name.len < strlen(prefix) ? name.len : strlen(prefix));
        bool must = http_same(name, SPAN_LITERAL("host")) || http_same(start, span_from_string(prefix));
        if (is_signed(names, name))
            headers[count++] = (struct sigv4_header){name, request->headers[i].value};
        else if (must)
            return false;
    }
    *ret_count = count;
    return true;
}

/* As sigv4_time writes it: 20150830T123600Z. */
static bool read_time(struct span text, char ret_time[SIGV4_TIME_BYTES], uint64_t *ret_time_s)
{
    struct tm utc = {0};
    if (text.len != SIGV4_TIME_BYTES - 1)
        return false;
    memcpy(ret_time, text.data, text.len);
    ret_time[text.len] = '\0';
    const char *end = strptime(ret_time, "%Y%m%dT%H%M%SZ", &utc);
    time_t time_s = end && !*end ? timegm(&utc) : -1;
    char again[SIGV4_TIME_BYTES];
    if (time_s < 0)
        return false;
    *ret_time_s = (uint64_t)time_s;
    sigv4_time(*ret_time_s, again);
    return strcmp(again, ret_time) == 0; /* strptime takes other spellings, too */
}

static const struct access_key *find(const struct access_keys *keys, struct span id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (span_equal(span_from_string(keys->keys[i].id), id))
            return &keys->keys[i];
    }
    return NULL;
}

static bool signature_is(const struct access_key *key, const struct sigv4_request *request,
                         const struct sigv4_scope *scope, struct span given)
{
    char wanted[SIGV4_SIGNATURE_BYTES];
    struct buffer canonical = {0}, to_sign = {0};
    sigv4_canonical_request(request, &canonical);
    sigv4_string_to_sign(scope, buffer_span(&canonical), &to_sign);
    sigv4_signature(scope, span_from_string(key->secret), buffer_span(&to_sign), wanted);
    buffer_fini(&canonical);
    buffer_fini(&to_sign);
    return given.len == sizeof wanted - 1 && mbedtls_ct_memcmp(given.data, wanted, given.len) == 0;
}

enum access_key_fault access_keys_verify(const struct access_keys *keys, const struct http_request *request,
                                         uint64_t now_s, struct identity *ret_identity)
{
    struct authorization given = read_authorization(http_header(request, "Authorization"));
    struct sigv4_header headers[HTTP_HEADERS_MAX];
    struct sigv4_request signed_request = {.method = request->method,
                                           .path = request->path,
                                           .query = request->query,
                                           .headers = headers,
                                           .body = request->body};
    char time[SIGV4_TIME_BYTES];
    uint64_t time_s;
    if (!read_time(http_header(request, "X-Amz-Date"), time, &time_s) ||
        !span_equal(given.date, span_of(time, strlen("20150830"))) ||
        !span_equal(given.service, SPAN_LITERAL("lambda")) ||
        !span_equal(given.end, SPAN_LITERAL("aws4_request")) ||
        !take_signed(request, given.signed_headers, headers, &signed_request.header_count))
        return ACCESS_KEY_MALFORMED;
    const struct access_key *key = find(keys, given.id);
    if (!key)
        return ACCESS_KEY_UNKNOWN;
    if (time_s > now_s + ACCESS_KEYS_SKEW_S || now_s > time_s + ACCESS_KEYS_SKEW_S)
        return ACCESS_KEY_EXPIRED;
    struct sigv4_scope scope = {.time = time, .region = given.region, .service = given.service};
    if (!signature_is(key, &signed_request, &scope, given.signature))
        return ACCESS_KEY_WRONG;
    *ret_identity = (struct identity){.kind = IDENTITY_USER};
    snprintf(ret_identity->name, sizeof ret_identity->name, "%s", key->user);
    return ACCESS_KEY_GOOD;
}

#include "base/sigv4.h"

#include "base/memory.h"

#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>

#include <assert.h>
#include <stdlib.h>
#include <time.h>

enum {
    HASH_BYTES = 32,
    DATE_BYTES = 8, /* the date that a time begins with */
    SECRET_PREFIX_BYTES = 4,
};

static const char hex_digits[] = "0123456789abcdef";

void sigv4_time(uint64_t time_s, char ret_time[SIGV4_TIME_BYTES])
{
    time_t seconds = (time_t)time_s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(ret_time, SIGV4_TIME_BYTES, "%Y%m%dT%H%M%SZ", &utc);
}

/* ---- Characters ---- */

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static uint8_t to_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int hex_value(uint8_t c)
{
    c = to_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_byte(struct buffer *out, uint8_t byte)
{
    buffer_append(out, span_of(&byte, 1));
}

static void append_hex(struct buffer *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        append_byte(out, (uint8_t)hex_digits[bytes[i] >> 4]);
        append_byte(out, (uint8_t)hex_digits[bytes[i] & 15]);
    }
}

static void append_encoded(struct buffer *out, uint8_t byte)
{
    static const char upper_digits[] = "0123456789ABCDEF";
    const char triple[] = {'%', upper_digits[byte >> 4], upper_digits[byte & 15]};
    if (is_unreserved(byte))
        append_byte(out, byte);
    else
        buffer_append(out, span_of(triple, sizeof triple));
}

void sigv4_uri_encode(struct span bytes, bool keep_slash, struct buffer *out)
{
    for (size_t i = 0; bytes.data && i < bytes.len; i++) {
        if (bytes.data[i] == '/' && keep_slash)
            append_byte(out, '/');
        else
            append_encoded(out, bytes.data[i]);
    }
}

/* The bytes before the first `separator`, or all; *rest is left with those after it. */
static struct span split(struct span *rest, char separator)
{
    const uint8_t *at = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    struct span first = at ? span_of(rest->data, (size_t)(at - rest->data)) : *rest;
    *rest = at ? span_skip(*rest, first.len + 1) : SPAN_EMPTY;
    return first;
}

/* ---- The canonical request ---- */

static void drop_last_segment(struct buffer *path)
{
    while (path->end > path->start && path->data[--path->end] != '/')
        ;
}

/* Resolves "." and ".." and joins slashes; "/" at least. */
static void normalize_path(struct span path, struct buffer *out)
{
    bool ends_in_slash = path.len > 0 && path.data[path.len - 1] == '/';
    while (path.len > 0) {
        struct span segment = split(&path, '/');
        if (span_equal(segment, SPAN_LITERAL(".."))) {
            drop_last_segment(out);
        } else if (segment.len > 0 && !span_equal(segment, SPAN_LITERAL("."))) {
            append_byte(out, '/');
            buffer_append(out, segment);
        }
    }
    if (ends_in_slash || buffer_len(out) == 0)
        append_byte(out, '/');
}

static void append_path(const struct sigv4_request *request, struct buffer *out)
{
    if (request->keep_path) {
        sigv4_uri_encode(request->path, true, out);
        return;
    }
    struct buffer path = {0};
    normalize_path(request->path, &path);
    sigv4_uri_encode(buffer_span(&path), true, out);
    buffer_fini(&path);
}

struct parameter {
    struct span name;
    struct span value;
};

static int compare_bytes(struct span a, struct span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_parameters(const void *a, const void *b)
{
    const struct parameter *first = a, *second = b;
    int order = compare_bytes(first->name, second->name);
    return order ? order : compare_bytes(first->value, second->value);
}

/* Encodes what may be encoded already, or in part, or with small digits, to the one canonical form. `out` has
 * room for it, so that the span it returns stays where it is. */
static struct span recode(struct span text, struct buffer *out)
{
    size_t before = buffer_len(out);
    for (size_t i = 0; i < text.len; i++) {
        int high = text.data[i] == '%' && i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
        if (low >= 0) {
            append_encoded(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            append_encoded(out, text.data[i]);
        }
    }
    return span_skip(buffer_span(out), before);
}

static size_t count_parameters(struct span query)
{
    size_t count = 0;
    for (; query.len > 0; count++)
        split(&query, '&');
    return count;
}

static void append_query(struct span query, struct buffer *out)
{
    size_t count = count_parameters(query);
    if (count == 0)
        return;
    struct parameter *parameters = memory_new_array(count, sizeof *parameters);
    struct buffer text = {0};
    buffer_reserve(&text, 3 * query.len);
    for (size_t i = 0; i < count; i++) {
        struct span value = split(&query, '&');
        struct span name = split(&value, '=');
        parameters[i].name = recode(name, &text);
        parameters[i].value = recode(value, &text);
    }
    qsort(parameters, count, sizeof *parameters, compare_parameters);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            append_byte(out, '&');
        buffer_append(out, parameters[i].name);
        append_byte(out, '=');
        buffer_append(out, parameters[i].value);
    }
    buffer_fini(&text);
    memory_free(parameters);
}

static int compare_names(struct span a, struct span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shorter; i++) {
        int order = to_lower(a.data[i]) - to_lower(b.data[i]);
        if (order)
            return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Headers of one name keep their order, which is that of their addresses. */
static int compare_headers(const void *a, const void *b)
{
    const struct sigv4_header *const *first = a, *const *second = b;
    int order = compare_names((*first)->name, (*second)->name);
    return order ? order : (*first > *second) - (*first < *second);
}

static const struct sigv4_header **sorted_headers(const struct sigv4_request *request)
{
    const struct sigv4_header **sorted = memory_new_array(request->header_count, sizeof *sorted);
    for (size_t i = 0; i < request->header_count; i++)
        sorted[i] = &request->headers[i];
    qsort(sorted, request->header_count, sizeof *sorted, compare_headers);
    return sorted;
}

static void append_lower(struct buffer *out, struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        append_byte(out, to_lower(name.data[i]));
}

/* Without white space at its ends, and with one space for each run of it inside. */
static void append_header_value(struct buffer *out, struct span value)
{
    bool started = false, space = false;
    for (size_t i = 0; i < value.len; i++) {
        if (is_space(value.data[i])) {
            space = started;
            continue;
        }
        if (space)
            append_byte(out, ' ');
        append_byte(out, value.data[i]);
        started = true;
        space = false;
    }
}

static bool repeats_name(const struct sigv4_header *const *sorted, size_t i)
{
    return i > 0 && compare_names(sorted[i - 1]->name, sorted[i]->name) == 0;
}

static void append_headers(const struct sigv4_header *const *sorted, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (repeats_name(sorted, i)) {
            append_byte(out, ',');
        } else {
            if (i > 0)
                append_byte(out, '\n');
            append_lower(out, sorted[i]->name);
            append_byte(out, ':');
        }
        append_header_value(out, sorted[i]->value);
    }
    append_byte(out, '\n');
}

static void append_names(const struct sigv4_header *const *sorted, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (repeats_name(sorted, i))
            continue;
        if (i > 0)
            append_byte(out, ';');
        append_lower(out, sorted[i]->name);
    }
}

static void append_hash(struct span bytes, struct buffer *out)
{
    static const uint8_t nothing[1];
    uint8_t hash[HASH_BYTES];
    int failed = mbedtls_sha256(bytes.data ? bytes.data : nothing, bytes.len, hash, 0);
    assert(!failed); /* in software it cannot fail */
    (void)failed;
    append_hex(out, hash, sizeof hash);
}

void sigv4_canonical_request(const struct sigv4_request *request, struct buffer *out)
{
    const struct sigv4_header **sorted = sorted_headers(request);
    buffer_append(out, request->method);
    append_byte(out, '\n');
    append_path(request, out);
    append_byte(out, '\n');
    append_query(request->query, out);
    append_byte(out, '\n');
    append_headers(sorted, request->header_count, out);
    append_byte(out, '\n');
    append_names(sorted, request->header_count, out);
    append_byte(out, '\n');
    append_hash(request->body, out);
    memory_free(sorted);
}

/* ---- The signature ---- */

static void append_scope(const struct sigv4_scope *scope, struct buffer *out)
{
    buffer_append(out, span_of(scope->time, DATE_BYTES));
    append_byte(out, '/');
    buffer_append(out, scope->region);
    append_byte(out, '/');
    buffer_append(out, scope->service);
    buffer_append(out, SPAN_LITERAL("/aws4_request"));
}

void sigv4_string_to_sign(const struct sigv4_scope *scope, struct span canonical_request, struct buffer *out)
{
    buffer_append(out, SPAN_LITERAL("AWS4-HMAC-SHA256\n"));
    buffer_append(out, span_from_string(scope->time));
    append_byte(out, '\n');
    append_scope(scope, out);
    append_byte(out, '\n');
    append_hash(canonical_request, out);
}

static void hmac(struct span key, struct span text, uint8_t ret_hash[HASH_BYTES])
{
    int failed = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key.data, key.len, text.data,
                                 text.len, ret_hash);
    assert(!failed); /* only for want of memory, or of SHA-256 in the configuration */
    (void)failed;
}

void sigv4_signature(const struct sigv4_scope *scope, struct span secret_access_key,
                     struct span string_to_sign, char ret_signature[SIGV4_SIGNATURE_BYTES])
{
    const struct span steps[] = {span_of(scope->time, DATE_BYTES), scope->region, scope->service,
                                 SPAN_LITERAL("aws4_request"), string_to_sign};
    size_t secret_bytes = SECRET_PREFIX_BYTES + secret_access_key.len;
    uint8_t *secret = memory_new(secret_bytes);
    uint8_t key[HASH_BYTES];
    memcpy(secret, "AWS4", SECRET_PREFIX_BYTES);
    if (secret_access_key.len > 0)
        memcpy(secret + SECRET_PREFIX_BYTES, secret_access_key.data, secret_access_key.len);
    hmac(span_of(secret, secret_bytes), steps[0], key);
    for (size_t i = 1; i < sizeof steps / sizeof steps[0]; i++)
        hmac(span_of(key, sizeof key), steps[i], key);
    mbedtls_platform_zeroize(secret, secret_bytes);
    memory_free(secret);
    for (size_t i = 0; i < sizeof key; i++) {
        ret_signature[2 * i] = hex_digits[key[i] >> 4];
        ret_signature[2 * i + 1] = hex_digits[key[i] & 15];
    }
    ret_signature[2 * sizeof key] = '\0';
}

void sigv4_authorization(const struct sigv4_scope *scope, const struct sigv4_key *key,
                         const struct sigv4_request *request, struct buffer *out)
{
    struct buffer canonical = {0}, string_to_sign = {0};
    char signature[SIGV4_SIGNATURE_BYTES];
    sigv4_canonical_request(request, &canonical);
    sigv4_string_to_sign(scope, buffer_span(&canonical), &string_to_sign);
    sigv4_signature(scope, key->secret_access_key, buffer_span(&string_to_sign), signature);
    buffer_append(out, SPAN_LITERAL("AWS4-HMAC-SHA256 Credential="));
    buffer_append(out, key->access_key_id);
    append_byte(out, '/');
    append_scope(scope, out);
    buffer_append(out, SPAN_LITERAL(", SignedHeaders="));
    const struct sigv4_header **sorted = sorted_headers(request);
    append_names(sorted, request->header_count, out);
    memory_free(sorted);
    buffer_append(out, SPAN_LITERAL(", Signature="));
    buffer_append(out, span_from_string(signature));
    buffer_fini(&canonical);
    buffer_fini(&string_to_sign);
}

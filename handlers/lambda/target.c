#include "lambda/target.h"

#include "base/memory.h"
#include "base/sigv4.h"

#include <curl/curl.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { FUNCTION_BYTES_MAX = 256 }; /* Lambda's own bound is 200 with the qualifier */

struct problem {
    char *text;
    size_t bytes;
};

static enum sluice_error __attribute__((format(printf, 2, 3)))
refuse(const struct problem *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, problem->bytes, format, arguments);
    va_end(arguments);
    return SLUICE_INVALID;
}

/* ---- The function's name ---- */

/* What a name or an ARN consists of; views into the setting. */
struct function_name {
    struct span unqualified;
    struct span qualifier; /* version or alias; empty: none */
    struct span region;    /* empty unless it is a whole ARN */
};

enum {
    ARN_FIELDS = 7, /* arn:aws:lambda:REGION:ACCOUNT:function:NAME */
    ARN_FIELD_SERVICE = 2,
    ARN_FIELD_REGION = 3,
    ARN_FIELD_TYPE = 5,
    PARTIAL_ARN_FIELDS = 3, /* ACCOUNT:function:NAME */
    NAME_FIELDS = 1,
    FIELDS_MAX = ARN_FIELDS + 1, /* with a qualifier */
};

/* The number of fields between colons, FIELDS_MAX + 1 if there are more than any form has. */
static size_t split_fields(struct span text, struct span fields[FIELDS_MAX])
{
    size_t count = 0;
    for (;;) {
        const uint8_t *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
        if (count == FIELDS_MAX)
            return FIELDS_MAX + 1;
        fields[count++] = colon ? span_of(text.data, (size_t)(colon - text.data)) : text;
        if (!colon)
            return count;
        text = span_skip(text, fields[count - 1].len + 1);
    }
}

static bool is_name_text(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum(text.data[i]) && !strchr("-_.$", text.data[i]))
            return false;
    }
    return text.len > 0;
}

/* How many of `fields` are the function itself; what may follow is the qualifier. 0: it is no form at all. */
static size_t function_fields(const struct span *fields, size_t count)
{
    struct span type = SPAN_LITERAL("function");
    if (span_equal(fields[0], SPAN_LITERAL("arn"))) {
        bool is_lambda = count >= ARN_FIELDS &&
                         span_equal(fields[ARN_FIELD_SERVICE], SPAN_LITERAL("lambda")) &&
                         span_equal(fields[ARN_FIELD_TYPE], type);
        return is_lambda ? ARN_FIELDS : 0;
    }
    if (count >= PARTIAL_ARN_FIELDS && span_equal(fields[1], type))
        return PARTIAL_ARN_FIELDS;
    return NAME_FIELDS;
}

static enum sluice_error parse_function(const char *text, const struct problem *problem,
                                        struct function_name *ret_name)
{
    struct span fields[FIELDS_MAX];
    struct span whole = span_from_string(text);
    size_t count = split_fields(whole, fields);
    size_t own = count <= FIELDS_MAX ? function_fields(fields, count) : 0;
    bool valid = own > 0 && count <= own + 1 && whole.len <= FUNCTION_BYTES_MAX;
    for (size_t i = 0; valid && i < count; i++)
        valid = is_name_text(fields[i]);
    if (!valid)
        return refuse(problem,
                      "'%s' is no function of AWS Lambda; allowed are NAME, NAME:QUALIFIER, "
                      "arn:aws:lambda:REGION:ACCOUNT:function:NAME and the same with :QUALIFIER",
                      text);
    bool qualified = count > own;
    *ret_name = (struct function_name){
        .unqualified = qualified ? span_of(whole.data, whole.len - fields[own].len - 1) : whole,
        .qualifier = qualified ? fields[own] : SPAN_EMPTY,
        .region = own == ARN_FIELDS ? fields[ARN_FIELD_REGION] : SPAN_EMPTY,
    };
    return SLUICE_OK;
}

/* ---- The endpoint ---- */

static void append_string(struct buffer *out, const char *string)
{
    buffer_append(out, span_from_string(string));
}

/* A URL's part as a string for memory_free; empty if it has none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    curl_url_get(url, part, &text, flags);
    char *copy = memory_string(span_from_string(text));
    curl_free(text);
    return copy;
}

static bool is_loopback(const char *host)
{
    struct in_addr address;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && inet_pton(AF_INET, host, &address) == 1);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, 0);
    curl_free(text);
    return code == CURLUE_OK;
}

static enum sluice_error check_endpoint(CURLU *url, const char *endpoint, const struct problem *problem)
{
    char *scheme = NULL;
    bool valid = curl_url_set(url, CURLUPART_URL, endpoint, 0) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                 (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) &&
                 !has_part(url, CURLUPART_USER) && !has_part(url, CURLUPART_QUERY) &&
                 !has_part(url, CURLUPART_FRAGMENT);
    curl_free(scheme);
    if (!valid)
        return refuse(problem,
                      "the endpoint '%s' is not usable; allowed is https://HOST[:PORT][/PATH], or http:// "
                      "for a server on this machine",
                      endpoint);
    return SLUICE_OK;
}

/* The endpoint's own path, without a slash at its end, then the function's. */
static char *invocation_path(CURLU *url, struct span function)
{
    struct buffer out = {0};
    char *prefix = url_part(url, CURLUPART_PATH, 0);
    struct span kept = span_from_string(prefix);
    while (kept.len > 0 && kept.data[kept.len - 1] == '/')
        kept.len--;
    buffer_append(&out, kept);
    append_string(&out, "/2015-03-31/functions/");
    sigv4_uri_encode(function, false, &out);
    append_string(&out, "/invocations");
    char *path = memory_string(buffer_span(&out));
    memory_free(prefix);
    buffer_fini(&out);
    return path;
}

static char *qualifier_query(struct span qualifier)
{
    struct buffer out = {0};
    if (qualifier.len > 0) {
        append_string(&out, "Qualifier=");
        sigv4_uri_encode(qualifier, false, &out);
    }
    char *query = memory_string(buffer_span(&out));
    buffer_fini(&out);
    return query;
}

static char *host_header(CURLU *url)
{
    struct buffer out = {0};
    char *host = url_part(url, CURLUPART_HOST, 0);
    char *port = url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    append_string(&out, host);
    append_string(&out, *port ? ":" : "");
    append_string(&out, port);
    char *header = memory_string(buffer_span(&out));
    memory_free(host);
    memory_free(port);
    buffer_fini(&out);
    return header;
}

static char *whole_url(CURLU *url, const struct target *target)
{
    struct buffer out = {0};
    char *scheme = url_part(url, CURLUPART_SCHEME, 0);
    append_string(&out, scheme);
    append_string(&out, "://");
    append_string(&out, target->host);
    append_string(&out, target->path);
    append_string(&out, *target->query ? "?" : "");
    append_string(&out, target->query);
    char *text = memory_string(buffer_span(&out));
    memory_free(scheme);
    buffer_fini(&out);
    return text;
}

static void fill(CURLU *url, const struct function_name *name, struct span region, struct target *target)
{
    char *scheme = url_part(url, CURLUPART_SCHEME, 0), *host = url_part(url, CURLUPART_HOST, 0);
    target->encrypted = strcmp(scheme, "https") == 0;
    target->loopback = is_loopback(host);
    target->host = host_header(url);
    target->path = invocation_path(url, name->unqualified);
    target->query = qualifier_query(name->qualifier);
    target->region = memory_string(region);
    target->url = whole_url(url, target);
    memory_free(scheme);
    memory_free(host);
}

/* The Region's own endpoint; China's are under a name of their own. */
static void default_endpoint(struct span region, char *ret_url, size_t url_bytes)
{
    snprintf(ret_url, url_bytes, "https://lambda.%.*s.amazonaws.com%s", (int)region.len,
             (const char *)region.data, span_starts_with(region, SPAN_LITERAL("cn-")) ? ".cn" : "");
}

enum sluice_error target_parse(const struct target_settings *settings, char *error, size_t error_bytes,
                               struct target *ret_target)
{
    const struct problem problem = {error, error_bytes};
    struct function_name name = {0};
    enum sluice_error failed = parse_function(settings->function, &problem, &name);
    if (failed)
        return failed;
    struct span region = name.region.len > 0 ? name.region : span_from_string(settings->region);
    if (!is_name_text(region))
        return refuse(&problem, "'%s' needs an AWS Region: set provider.region, or give the function's ARN",
                      settings->function);
    char own[FUNCTION_BYTES_MAX + 64];
    default_endpoint(region, own, sizeof own);
    CURLU *url = curl_url();
    failed = check_endpoint(url, settings->endpoint ? settings->endpoint : own, &problem);
    if (!failed) {
        *ret_target = (struct target){0};
        fill(url, &name, region, ret_target);
    }
    curl_url_cleanup(url);
    return failed;
}

void target_fini(struct target *target)
{
    memory_free(target->url);
    memory_free(target->host);
    memory_free(target->path);
    memory_free(target->query);
    memory_free(target->region);
    *target = (struct target){0};
}

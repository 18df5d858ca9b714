#include "lambda/invoker.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/sigv4.h"
#include "base/timers.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>

enum {
    RESPONSE_HEAD_BYTES_MAX = 64 * 1024,
    REQUEST_HEADERS_MAX = 8,
    ASYNCHRONOUS_BYTES_MAX = 1024 * 1024,
    MS_PER_SECOND = 1000,
};

struct call {
    struct transfer transfer; /* first: on_done gets it; its handle is made at the first use of this place */
    struct invoker *invoker;
    struct call *next_free;
    struct curl_slist *headers;
    uint64_t invocation;
    uint64_t started_ms;
    struct timer deadline;
    struct buffer event;
    struct buffer body; /* of the response; one byte over its bound at most */
    size_t head_bytes;
    char reason[CURL_ERROR_SIZE];
};

struct invoker {
    struct invoker_config config;
    struct timers timers;
    struct call *calls;
    struct call *free;
    uint32_t open_count;
};

static void on_deadline(void *owner, uint64_t now_ms);
static void on_done(struct transfer *transfer, CURLcode code, const struct transfers_now *now);

struct invoker *invoker_new(const struct invoker_config *config)
{
    assert(config->concurrency > 0);
    struct invoker *invoker = memory_new(sizeof *invoker);
    invoker->config = *config;
    invoker->calls = memory_new_array(config->concurrency, sizeof *invoker->calls);
    for (uint32_t i = config->concurrency; i > 0; i--) {
        struct call *call = &invoker->calls[i - 1];
        call->invoker = invoker;
        call->transfer.on_done = on_done;
        call->deadline.owner = call;
        call->deadline.on_expired = on_deadline;
        call->next_free = invoker->free;
        invoker->free = call;
    }
    return invoker;
}

/* What a call holds only while it is open. */
static void release(struct call *call)
{
    timers_stop(&call->invoker->timers, &call->deadline);
    transfers_drop(call->invoker->config.transfers, &call->transfer);
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    buffer_fini(&call->event);
    buffer_fini(&call->body);
}

void invoker_free(struct invoker *invoker)
{
    for (uint32_t i = 0; i < invoker->config.concurrency; i++) {
        struct call *call = &invoker->calls[i];
        if (!call->transfer.easy)
            continue;
        release(call);
        curl_easy_cleanup(call->transfer.easy);
    }
    timers_fini(&invoker->timers);
    memory_free(invoker->calls);
    memory_free(invoker);
}

uint32_t invoker_open_count(const struct invoker *invoker)
{
    return invoker->open_count;
}

/* ---- Answers ---- */

static void complete(struct call *call, struct answer *answer)
{
    struct invoker *invoker = call->invoker;
    invoker->config.on_answer(invoker->config.ctx, call->invocation, answer);
    answer_fini(answer);
    release(call);
    call->next_free = invoker->free;
    invoker->free = call;
    invoker->open_count--;
}

static const char *header_of(CURL *easy, const char *name)
{
    struct curl_header *header;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static uint32_t retry_after_ms(CURL *easy)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    curl_off_t most = UINT32_MAX / MS_PER_SECOND;
    return (uint32_t)(seconds < most ? seconds : most) * MS_PER_SECOND;
}

static void on_done(struct transfer *transfer, CURLcode code, const struct transfers_now *now)
{
    (void)now;
    struct call *call = (struct call *)transfer;
    CURL *easy = transfer->easy;
    struct answer answer;
    /* on_body gave up then: CURLE_WRITE_ERROR */
    bool too_large = buffer_len(&call->body) > WORKER_PAYLOAD_BYTES_MAX;
    if (code == CURLE_OK || too_large) {
        struct response response = {.function_failed = header_of(easy, "X-Amz-Function-Error") != NULL,
                                    .error_type = header_of(easy, "X-Amzn-ErrorType"),
                                    .retry_after_ms = retry_after_ms(easy),
                                    .body = buffer_span(&call->body)};
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response.status);
        answer = answer_of_response(&response);
    } else {
        answer = answer_of_failure(WORKER_ERROR_TRANSPORT, "Lambda.Unreachable", "%s",
                                   *call->reason ? call->reason : curl_easy_strerror(code));
    }
    complete(call, &answer);
}

/* Whether the other end has the whole request: only then can the function have run. What the kernel still
 * holds has not been acknowledged, as on a link that is down. */
static bool is_received(const struct call *call)
{
    curl_off_t body_sent = 0;
    long head_sent = 0;
    int held_bytes = 0, fd = transfers_socket(call->invoker->config.transfers, &call->transfer);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_REQUEST_SIZE, &head_sent);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_SIZE_UPLOAD_T, &body_sent);
    if (fd >= 0)
        ioctl(fd, SIOCOUTQ, &held_bytes);
    return head_sent > 0 && (size_t)body_sent == buffer_len(&call->event) && held_bytes == 0;
}

static void on_deadline(void *owner, uint64_t now_ms)
{
    struct call *call = owner;
    double seconds = (double)(now_ms - call->started_ms) / MS_PER_SECOND;
    struct answer late =
        is_received(call) ? answer_of_failure(WORKER_ERROR_TIMEOUT, "Sandbox.Timedout",
                                              "Task timed out after %.2f seconds", seconds)
                          : answer_of_failure(WORKER_ERROR_TRANSPORT, "Lambda.Unreachable",
                                              "the request could not be sent within %.2f seconds", seconds);
    complete(call, &late);
}

/* ---- Requests ---- */

struct headers {
    struct sigv4_header items[REQUEST_HEADERS_MAX];
    size_t count;
};

static void add_header(struct headers *headers, const char *name, const char *value)
{
    assert(headers->count < REQUEST_HEADERS_MAX);
    headers->items[headers->count++] = (struct sigv4_header){span_from_string(name), span_from_string(value)};
}

static void append_line(struct curl_slist **lines, struct span name, struct span value)
{
    struct buffer line = {0};
    buffer_append(&line, name);
    buffer_append(&line, SPAN_LITERAL(": "));
    buffer_append(&line, value);
    buffer_append(&line, span_of("", 1));
    *lines = curl_slist_append(*lines, (const char *)buffer_span(&line).data);
    buffer_fini(&line);
}

/* Signs all of `headers`, and adds the signature's to `lines`. */
static void sign(const struct call *call, const struct headers *headers, const char *time,
                 struct curl_slist **lines)
{
    const struct invoker_config *config = &call->invoker->config;
    const struct sigv4_scope scope = {time, span_from_string(config->target->region), SPAN_LITERAL("lambda")};
    const struct sigv4_key key = {span_from_string(config->credentials->access_key_id),
                                  span_from_string(config->credentials->secret_access_key)};
    const struct sigv4_request request = {.method = SPAN_LITERAL("POST"),
                                          .path = span_from_string(config->target->path),
                                          .query = span_from_string(config->target->query),
                                          .headers = headers->items,
                                          .header_count = headers->count,
                                          .body = buffer_span(&call->event)};
    struct buffer authorization = {0};
    sigv4_authorization(&scope, &key, &request, &authorization);
    append_line(lines, SPAN_LITERAL("Authorization"), buffer_span(&authorization));
    buffer_fini(&authorization);
}

static struct curl_slist *request_headers(const struct call *call, uint64_t wall_ms)
{
    const struct invoker_config *config = &call->invoker->config;
    struct headers headers = {0};
    struct curl_slist *lines = NULL;
    char time[SIGV4_TIME_BYTES];
    sigv4_time(wall_ms / MS_PER_SECOND, time);
    add_header(&headers, "Host", config->target->host);
    add_header(&headers, "Content-Type", "application/json");
    add_header(&headers, "X-Amz-Invocation-Type",
               config->type == INVOKER_EVENT ? "Event" : "RequestResponse");
    if (config->credentials->access_key_id) {
        add_header(&headers, "X-Amz-Date", time);
        if (config->credentials->session_token)
            add_header(&headers, "X-Amz-Security-Token", config->credentials->session_token);
        sign(call, &headers, time, &lines);
    }
    for (size_t i = 0; i < headers.count; i++)
        append_line(&lines, headers.items[i].name, headers.items[i].value);
    /* libcurl would wait for "100 Continue" before a large event. */
    return curl_slist_append(lines, "Expect:");
}

/* One byte more than allowed is kept, so that the sender sees that it is too large. */
static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct call *call = ctx;
    size_t len = size * count, room = WORKER_PAYLOAD_BYTES_MAX + 1 - buffer_len(&call->body);
    size_t taken = len < room ? len : room;
    buffer_append(&call->body, span_of(data, taken));
    return taken;
}

static size_t on_head(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    struct call *call = ctx;
    call->head_bytes += size * count;
    return call->head_bytes <= RESPONSE_HEAD_BYTES_MAX ? size * count : 0;
}

/* What is the same for each request of this place. */
static CURL *new_easy(struct call *call)
{
    const struct invoker_config *config = &call->invoker->config;
    CURL *easy = transfers_easy();
    curl_easy_setopt(easy, CURLOPT_URL, config->target->url);
    if (config->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->reason);
    return easy;
}

enum sluice_error invoker_start(struct invoker *invoker, uint64_t invocation, struct span event,
                                uint64_t deadline_ms, const struct transfers_now *now)
{
    struct call *call = invoker->free;
    if (invoker->config.type == INVOKER_EVENT && event.len > ASYNCHRONOUS_BYTES_MAX)
        return SLUICE_TOO_LARGE;
    if (!call)
        return SLUICE_FULL;
    invoker->free = call->next_free;
    invoker->open_count++;
    call->invocation = invocation;
    call->started_ms = now->monotonic_ms;
    call->head_bytes = 0;
    call->reason[0] = '\0';
    buffer_append(&call->event, event);
    if (!call->transfer.easy)
        call->transfer.easy = new_easy(call);
    CURL *easy = call->transfer.easy;
    call->headers = request_headers(call, now->wall_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)event.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, event.len ? (const char *)buffer_span(&call->event).data : "");
    transfers_start(invoker->config.transfers, &call->transfer);
    uint64_t left_ms = deadline_ms > now->wall_ms ? deadline_ms - now->wall_ms : 0;
    timers_set(&invoker->timers, &call->deadline, now->monotonic_ms + left_ms);
    return SLUICE_OK;
}

/* ---- Time ---- */

void invoker_run(struct invoker *invoker, uint64_t now_ms)
{
    timers_run(&invoker->timers, now_ms);
}

uint64_t invoker_next_deadline_ms(const struct invoker *invoker)
{
    return timers_next(&invoker->timers);
}

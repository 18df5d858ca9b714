/*
 * What the way to a function costs: the start of its worker, unconfined and
 * confined; from invoke_submit to on_done over a real native worker; and events a
 * second, singly and in batches. One line of JSON a measurement. Batches are built anew for each invocation,
 * as the gateway does; MD5 is left out (the gateway hands it in), so its cost is not in the figures.
 *
 *     ninja -C build invoke_bench && build/tests/invoke_bench
 */
#include "invoke/invoke.h"
#include "invoke/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { COLD_STARTS = 200, ROUND_TRIPS = 20000, WARM_UP = 500, EVENTS = 400000 };

struct bench {
    uv_loop_t loop;
    struct invoke_pool *pool;
    size_t batch_size; /* records in an invocation; 1: a bare event */
    uint64_t submitted_count;
    uint64_t done_count;
    uint64_t failed_count;
    uint64_t total_count;
    uint64_t *began_ns; /* NULL: latencies are not wanted */
    uint64_t *took_ns;
    struct buffer event;
};

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static uint32_t no_random(void *ctx)
{
    (void)ctx;
    return 0;
}

static void no_md5(struct span bytes, char ret_hex[RECORDS_MD5_HEX_BYTES])
{
    (void)bytes;
    memcpy(ret_hex, "00000000000000000000000000000000", RECORDS_MD5_HEX_BYTES);
}

/* Crosses the threshold with each event, so that each gives a result. */
static struct span sample(char *text, size_t bytes, uint64_t number)
{
    int len = snprintf(text, bytes, "{\"device\":\"d%u\",\"time\":1700000000.123,\"temperature\":%d.5}",
                       (unsigned)(number / 2 % 10), number % 2 ? 20 : 31);
    return span_of(text, (size_t)len);
}

static struct span next_event(struct bench *bench)
{
    static const struct records_source source = {SPAN_LITERAL("aws:sqs"), SPAN_LITERAL("arn:aws:sqs:local"),
                                                 SPAN_LITERAL("local"), no_md5, 0};
    static const struct record_attribute attributes[] = {
        {SPAN_LITERAL("topic"), SPAN_LITERAL("farm/d1/telemetry")},
        {SPAN_LITERAL("client"), SPAN_LITERAL("d1")}};
    char text[128], id[32];
    buffer_consume(&bench->event, buffer_len(&bench->event));
    if (bench->batch_size == 1) {
        buffer_append(&bench->event, sample(text, sizeof text, bench->submitted_count));
        return buffer_span(&bench->event);
    }
    struct records_writer writer = records_begin(&bench->event, &source);
    for (size_t i = 0; i < bench->batch_size; i++) {
        int len = snprintf(id, sizeof id, "%016zx", i);
        records_add(&writer, &(struct record){.message_id = span_of(id, (size_t)len),
                                              .body = sample(text, sizeof text, i),
                                              .sender_id = SPAN_LITERAL("d1"),
                                              .receive_count = 1,
                                              .sent_ms = 1700000000123,
                                              .first_receive_ms = 1700000000123,
                                              .attributes = attributes,
                                              .attribute_count = 2});
    }
    records_end(&writer, SPAN_EMPTY);
    return buffer_span(&bench->event);
}

static void fill(struct bench *bench);

static void on_done(void *ctx, const struct invoke_result *result)
{
    struct bench *bench = ctx;
    if (bench->began_ns)
        bench->took_ns[bench->done_count] = uv_hrtime() - bench->began_ns[bench->done_count];
    bench->done_count++;
    bench->failed_count += result->outcome != INVOKE_SUCCEEDED || result->payload.len == 0;
    fill(bench);
}

static void submit(struct bench *bench)
{
    if (bench->began_ns)
        bench->began_ns[bench->submitted_count] = uv_hrtime();
    enum sluice_error error = invoke_submit(
        bench->pool,
        &(struct invoke_request){.context = SPAN_LITERAL("{\"requestId\":\"8476a536-e9f4-11e8-9739\"}"),
                                 .event = next_event(bench),
                                 .on_done = on_done,
                                 .ctx = bench});
    if (error) {
        fprintf(stderr, "invoke_submit: %s\n", sluice_error_text(error));
        exit(1);
    }
    bench->submitted_count++;
}

/* One in flight where latency is measured; else as many as the pool takes. */
static void fill(struct bench *bench)
{
    while (bench->submitted_count < bench->total_count && invoke_capacity(bench->pool) > 0) {
        if (bench->began_ns && bench->submitted_count > bench->done_count)
            break;
        submit(bench);
    }
}

static void prepare(struct bench *bench, const char *handler, uint32_t workers, uint32_t provisioned,
                    const char *const *launcher)
{
    static const char *const environment[] = {"CHANNEL=temperature", "HIGH=30", "LOW=25", NULL};
    char error[256];
    struct invoke_config config = invoke_config_default();
    config.function_name = "bench";
    config.handler = handler;
    config.runtime = "native";
    config.executable = NATIVE_WORKER;
    config.environment = environment;
    config.launcher = launcher;
    config.workers_max = workers;
    config.workers_provisioned = provisioned;
    uv_loop_init(&bench->loop);
    const struct invoke_hooks hooks = {.ctx = bench, .wall_ms = wall_ms, .random = no_random};
    if (invoke_pool_start(&bench->loop, &config, &hooks, error, sizeof error, &bench->pool)) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
}

static void start(struct bench *bench, const char *handler, uint32_t workers)
{
    prepare(bench, handler, workers, workers, NULL);
    while (invoke_capacity(bench->pool) < workers + invoke_config_default().waiting_count_max)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static void run(struct bench *bench, uint64_t invocation_count)
{
    bench->total_count += invocation_count;
    fill(bench);
    while (bench->done_count < bench->total_count)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static void on_stopped(void *ctx)
{
    (void)ctx;
}

static void stop(struct bench *bench)
{
    invoke_pool_stop(bench->pool, on_stopped, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    uv_loop_close(&bench->loop);
    buffer_fini(&bench->event);
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void measure_round_trip(void)
{
    struct bench bench = {.batch_size = 1};
    start(&bench, THRESHOLD, 1);
    bench.began_ns = calloc(WARM_UP + ROUND_TRIPS, sizeof *bench.began_ns);
    bench.took_ns = calloc(WARM_UP + ROUND_TRIPS, sizeof *bench.took_ns);
    if (!bench.began_ns || !bench.took_ns)
        exit(1);
    run(&bench, WARM_UP + ROUND_TRIPS);
    uint64_t *took_ns = bench.took_ns + WARM_UP;
    qsort(took_ns, ROUND_TRIPS, sizeof *took_ns, ascending);
    printf("{\"bench\":\"invoke round trip\",\"function\":\"threshold\",\"count\":%d,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f,\"failed\":%" PRIu64 "}\n",
           ROUND_TRIPS, (double)took_ns[ROUND_TRIPS / 2] / 1e3, (double)took_ns[ROUND_TRIPS * 99 / 100] / 1e3,
           (double)took_ns[ROUND_TRIPS - 1] / 1e3, bench.failed_count);
    free(bench.began_ns);
    free(bench.took_ns);
    stop(&bench);
}

static void keep_init(void *ctx, const struct invoke_result *result)
{
    *(uint64_t *)ctx = result->outcome == INVOKE_SUCCEEDED ? result->init_us : UINT64_MAX;
}

/* From the start of the worker's process to its READY, one at a time. */
static uint64_t cold_start_us(const char *const *launcher)
{
    struct bench bench = {.batch_size = 1};
    uint64_t init_us = 0;
    prepare(&bench, THRESHOLD, 1, 0, launcher);
    const struct invoke_request request = {
        .context = SPAN_LITERAL("{}"), .event = next_event(&bench), .on_done = keep_init, .ctx = &init_us};
    if (invoke_submit(bench.pool, &request))
        exit(1);
    while (init_us == 0)
        uv_run(&bench.loop, UV_RUN_ONCE);
    stop(&bench);
    return init_us;
}

static uint64_t children_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void measure_cold_start(const char *name, const char *const *launcher)
{
    static uint64_t took_us[COLD_STARTS];
    uint64_t cpu_before_us = children_cpu_us();
    for (size_t i = 0; i < COLD_STARTS; i++)
        took_us[i] = cold_start_us(launcher);
    qsort(took_us, COLD_STARTS, sizeof *took_us, ascending);
    printf("{\"bench\":\"cold start\",\"confined\":\"%s\",\"count\":%d,\"p50_us\":%" PRIu64
           ",\"p99_us\":%" PRIu64 ",\"cpu_us\":%" PRIu64 "}\n",
           name, COLD_STARTS, took_us[COLD_STARTS / 2], took_us[COLD_STARTS * 99 / 100],
           (children_cpu_us() - cpu_before_us) / COLD_STARTS);
}

/* As the gateway confines a native function. */
static void measure_cold_starts(void)
{
    static const char *const launcher[] = {
        LAUNCH, "--read",       NATIVE_WORKER, "--read", THRESHOLD, "--network",
        "none", "--data-bytes", "67108864",    "--nice", "5",       "--open-files",
        "1024", "--processes",  "128",         "--",     NULL};
    measure_cold_start("no", NULL);
    measure_cold_start("yes", launcher);
}

static void measure_throughput(const char *name, const char *handler, size_t batch_size, uint32_t workers)
{
    struct bench bench = {.batch_size = batch_size};
    start(&bench, handler, workers);
    run(&bench, WARM_UP / batch_size + 1);
    uint64_t invocation_count = EVENTS / batch_size, began_ns = uv_hrtime();
    run(&bench, invocation_count);
    double seconds = (double)(uv_hrtime() - began_ns) / 1e9;
    printf("{\"bench\":\"invoke throughput\",\"function\":\"%s\",\"batch\":%zu,\"workers\":%u,"
           "\"events_per_second\":%.0f,\"event_bytes\":%zu,\"failed\":%" PRIu64 "}\n",
           name, batch_size, workers, (double)(invocation_count * batch_size) / seconds,
           buffer_len(&bench.event), bench.failed_count);
    stop(&bench);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure_cold_starts();
    measure_round_trip();
    measure_throughput("pass", PASS, 100, 1); /* what is left when the function itself costs nothing */
    measure_throughput("threshold", THRESHOLD, 1, 1);
    measure_throughput("threshold", THRESHOLD, 100, 1);
    measure_throughput("threshold", THRESHOLD, 100, 2);
    measure_throughput("summary", SUMMARY, 100, 1);
    measure_throughput("summary", SUMMARY, 1000, 2);
    return 0;
}

#include "app/config_table.h"
#include "app/config_value.h"

#include <arpa/inet.h>

#define NOWHERE ((struct config_place){0, 0})

enum {
    BATCH_BYTES = 6 * 1024 * 1024,   /* Lambda's bound of a synchronous invocation, */
    BATCH_BYTES_EVENT = 1024 * 1024, /* and of an asynchronous one */
    JOURNAL_FILES = 4,
    JOURNAL_PACKETS = 8,
};

static char *join(struct config *config, const char *first, const char *middle, const char *last)
{
    size_t bytes = strlen(first) + strlen(middle) + strlen(last) + 1;
    char *joined = arena_take(&config->arena, bytes);
    snprintf(joined, bytes, "%s%s%s", first, middle, last);
    return joined;
}

/* Whether a Client without a certificate can say who it is. */
static bool knows_names(const struct config *config)
{
    return config->passwords || config->token_count > 0;
}

static void settle_tls_listener(const struct config *config, const char *name,
                                const struct config_listen *listen, bool asks_certificates,
                                struct config_problems *problems)
{
    if (!listen->host)
        return;
    if (!config->tls.certificate || !config->tls.key)
        config_error(problems, listen->place, "%s needs gateway.tls.certificate and gateway.tls.key", name);
    bool takes_keys = listen == &config->https && config->key_count > 0;
    if (!listen->anonymous && !(asks_certificates && config->tls.client_ca) && !knows_names(config) &&
        !takes_keys)
        config_error(problems, listen->place,
                     "nobody can use the listener %s; allowed: gateway.tls.clientCa%s, gateway.passwords, "
                     "gateway.tokens, or %s in gateway.anonymous",
                     name, asks_certificates ? "" : " with gateway.websocket.clientCertificates", name);
}

/* Without TLS it is for this machine's programs: anywhere else, what they send could be read. */
static void settle_http(const struct config *config, struct config_problems *problems)
{
    const struct config_listen *http = &config->http;
    if (!http->host)
        return;
    struct in_addr ipv4;
    bool is_loopback = strcmp(http->host, "::1") == 0 ||
                       (inet_pton(AF_INET, http->host, &ipv4) == 1 && ntohl(ipv4.s_addr) >> 24 == 127);
    if (!is_loopback)
        config_error(problems, http->place,
                     "gateway.listen.http is at %s, where others could read it; allowed: 127.0.0.1 or [::1], "
                     "or gateway.listen.https",
                     http->host);
    if (!http->anonymous && !knows_names(config) && config->key_count == 0)
        config_error(problems, http->place,
                     "nobody can use the listener http; allowed: gateway.passwords, gateway.tokens, "
                     "gateway.keys, or http in gateway.anonymous");
}

static void settle_listeners(struct config *config, struct config_problems *problems)
{
    struct config_listen *mqtt = &config->mqtt;
    if (!mqtt->host && !config->mqtts.host && !config->https.host && !config->http.host) {
        mqtt->host = arena_string(&config->arena, SPAN_LITERAL("127.0.0.1"));
        mqtt->port = 1883;
    }
    if (mqtt->host && !mqtt->anonymous && !knows_names(config))
        config_warning(problems, mqtt->place,
                       "nobody can use the listener mqtt: it asks for no certificate, there are no "
                       "gateway.passwords and gateway.tokens, and gateway.anonymous does not name it");
    settle_tls_listener(config, "mqtts", &config->mqtts, true, problems);
    settle_tls_listener(config, "https", &config->https, config->https_certificates, problems);
    settle_http(config, problems);
    if (config->origins.count == 0)
        config_strings_add(config, &config->origins, arena_string(&config->arena, SPAN_LITERAL("same")));
    if (config->tls.crl && !config->tls.client_ca)
        config_error(problems, NOWHERE,
                     "gateway.tls.crl needs gateway.tls.clientCa, whose certificates it revokes");
}

#define WORD_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* Both become parts of a URL. */
static void settle_iot(const struct config_iot *iot, struct config_problems *problems)
{
    if (iot->endpoint && iot->endpoint[strspn(iot->endpoint, WORD_LETTERS "-.:")])
        config_error(problems, NOWHERE, "gateway.iotCredentials.endpoint is '%s'; allowed: HOST or HOST:PORT",
                     iot->endpoint);
    if (iot->role_alias && iot->role_alias[strspn(iot->role_alias, WORD_LETTERS "_=,@-")])
        config_error(problems, NOWHERE,
                     "gateway.iotCredentials.roleAlias is '%s'; allowed: letters, digits and _=,@-",
                     iot->role_alias);
}

/* The provider's variables are every function's, unless it has its own of that name. */
static void settle_environment(struct config *config, struct config_function *function)
{
    for (size_t i = 0; i < config->provider.environment.count; i++) {
        char *variable = config->provider.environment.items[i];
        size_t name = (size_t)(strchr(variable, '=') - variable) + 1;
        bool is_own = false;
        for (size_t j = 0; j < function->environment.count; j++)
            is_own |= strncmp(function->environment.items[j], variable, name) == 0;
        if (!is_own)
            config_strings_add(config, &function->environment, variable);
    }
}

bool config_kind_of(const char *runtime, enum config_kind *ret_kind)
{
    static const struct {
        const char *begins;
        enum config_kind kind;
    } kinds[] = {{"provided", CONFIG_PROVIDED}, {"nodejs", CONFIG_NODEJS}, {"python", CONFIG_PYTHON}};
    *ret_kind = CONFIG_NATIVE;
    if (strcmp(runtime, "native") == 0)
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *ret_kind = kinds[i].kind;
        if (strncmp(runtime, kinds[i].begins, strlen(kinds[i].begins)) == 0)
            return true;
    }
    return false;
}

/* A path in the folder that a function's code is in. */
static char *resolve_code(struct config *config, const struct config_function *function, const char *path)
{
    const char *folder = function->task_root ? join(config, function->task_root, "/", "") : config->file;
    return config_resolve(folder, &config->arena, path);
}

static void settle_handler(struct config *config, struct config_function *function,
                           struct config_problems *problems)
{
    static const char *const handlers[] = {
        [CONFIG_NATIVE] = "the path of a shared object",
        [CONFIG_NODEJS] = "FILE.EXPORT, as in app.handler",
        [CONFIG_PYTHON] = "MODULE.FUNCTION, as in app.handler",
    };
    for (size_t len = function->task_root ? strlen(function->task_root) : 0;
         len > 1 && function->task_root[len - 1] == '/'; len--)
        function->task_root[len - 1] = '\0';
    if (!function->handler && function->kind == CONFIG_PROVIDED)
        function->handler = arena_string(&config->arena, SPAN_LITERAL("bootstrap"));
    else if (!function->handler)
        config_error(problems, function->place, "functions.%s has no handler; it is %s", function->name,
                     handlers[function->kind]);
    else if (function->kind == CONFIG_NATIVE)
        function->handler = resolve_code(config, function, function->handler);
    if (!function->task_root)
        function->task_root = resolve_code(config, function, ".");
}

#define RUNTIMES                                                                                             \
    "native, provided.al2023, provided.al2, nodejs20.x, python3.11 and others of these, `lambda:` with "     \
    "the name of a function in AWS, or `uplink:` with another MQTT Server"

static void settle_local(struct config *config, struct config_function *function,
                         struct config_problems *problems)
{
    if (!function->runtime)
        function->runtime = config->provider.runtime;
    if (!function->runtime)
        config_error(problems, function->place, "functions.%s has no runtime; allowed: " RUNTIMES,
                     function->name);
    else if (!config_kind_of(function->runtime, &function->kind))
        config_error(problems, function->place,
                     "functions.%s: the runtime %s is not served by this version; allowed: " RUNTIMES,
                     function->name, function->runtime);
    else
        settle_handler(config, function, problems);
    if (function->endpoint)
        config_error(problems, function->place, "functions.%s has an endpoint but no `lambda:`",
                     function->name);
    if (function->invocation_type == CONFIG_EVENT)
        config_error(problems, function->place, "functions.%s: invocationType Event needs `lambda:`",
                     function->name);
}

static void settle_remote(struct config_function *function, struct config_problems *problems)
{
    size_t len = strspn(function->lambda, WORD_LETTERS "-_:.$");
    if (function->lambda[len] || len > 170)
        config_error(problems, function->place,
                     "functions.%s: lambda is '%s'; allowed: a function's ARN or name", function->name,
                     function->lambda);
    if (function->endpoint && strncmp(function->endpoint, "http://", 7) != 0 &&
        strncmp(function->endpoint, "https://", 8) != 0)
        config_error(problems, function->place,
                     "functions.%s: endpoint is '%s'; allowed: http:// or https:// and a host",
                     function->name, function->endpoint);
    function->runtime = NULL; /* what it has is for AWS */
}

static void settle_event(const struct config_function *function, struct config_event *event,
                         struct config_problems *problems)
{
    if (event->rule && event->rates.count > 0)
        config_error(
            problems, event->place,
            "functions.%s: an event has both iot and schedule; allowed: one of them, the other in an "
            "event of its own",
            function->name);
    if (event->maximum_record_age_s == 0)
        config_error(
            problems, event->place,
            "functions.%s: maximumRecordAgeInSeconds is 0; allowed: -1, for the function's maximumEventAge, "
            "or 1 to 31536000 s",
            function->name);
    bool batch_wanted = event->maximum_batching_window_ms > 0 || event->maximum_batching_bytes > 0 ||
                        event->report_batch_item_failures;
    if (event->batch_size == 0 && batch_wanted)
        config_error(problems, event->place,
                     "functions.%s: maximumBatchingWindow, maximumBatchingBytes and "
                     "functionResponseType need a batchSize",
                     function->name);
    uint64_t most = function->invocation_type == CONFIG_EVENT ? BATCH_BYTES_EVENT : BATCH_BYTES;
    if (event->maximum_batching_bytes > most)
        config_error(problems, event->place,
                     "functions.%s: maximumBatchingBytes is %llu; allowed with invocationType "
                     "Event: at most %d bytes",
                     function->name, (unsigned long long)event->maximum_batching_bytes, BATCH_BYTES_EVENT);
    if (event->maximum_batching_bytes == 0)
        event->maximum_batching_bytes = most;
}

static void settle_order(struct config *config, const struct config_function *function,
                         struct config_event *event, struct config_problems *problems)
{
    if (event->mode == CONFIG_MODE_QUEUE && (event->partition_key || event->parallelization_factor > 0))
        config_error(problems, event->place,
                     "functions.%s: partitionKey and parallelizationFactor need mode: ordered",
                     function->name);
    if (event->tumbling_window_s > 0 && (event->mode == CONFIG_MODE_QUEUE || event->batch_size == 0))
        config_error(problems, event->place,
                     "functions.%s: tumblingWindowInSeconds needs mode: ordered and batchSize",
                     function->name);
    if (event->tumbling_window_s > 0 && function->invocation_type == CONFIG_EVENT)
        config_error(
            problems, event->place,
            "functions.%s: tumblingWindowInSeconds needs the function's answer, which invocationType: Event "
            "has not",
            function->name);
    if (!event->partition_key)
        event->partition_key = arena_string(&config->arena, SPAN_LITERAL("client"));
    if (event->parallelization_factor == 0)
        event->parallelization_factor = 1;
}

/* Leaves the events out that nothing here is the source of, that are not enabled, or whose SQL had an error;
 * the others keep their numbers. */
static void settle_events(struct config *config, struct config_function *function,
                          struct config_problems *problems)
{
    size_t kept = 0;
    for (size_t i = 0; i < function->event_count; i++) {
        struct config_event *event = &function->events[i];
        event->number = i + 1;
        settle_event(function, event, problems);
        config_settle_schedule(config, function, event, problems);
        settle_order(config, function, event, problems);
        if ((event->rule || event->rates.count > 0) && event->enabled)
            function->events[kept++] = *event;
        else
            rule_free(event->rule);
    }
    function->event_count = kept;
    bool may_be_invoked = config->https.host || config->http.host || function->is_destination;
    if (kept == 0 && !may_be_invoked && problems->error_count == 0)
        config_warning(problems, function->place,
                       "functions.%s has no event that is served: nothing invokes it", function->name);
}

/* Only whole files are given back, and never the one that is being written: so there are at least four. */
static void settle_journal(struct config *config, struct config_problems *problems)
{
    struct config_journal *journal = &config->journal;
    if (journal->max_bytes / JOURNAL_PACKETS < config->limits.packet_bytes)
        config_error(
            problems, NOWHERE,
            "gateway.journal.maxBytes is under %d times gateway.limits.packetBytes; allowed: at least "
            "%llu bytes",
            JOURNAL_PACKETS, (unsigned long long)config->limits.packet_bytes * JOURNAL_PACKETS);
    if (journal->segment_bytes > journal->max_bytes / JOURNAL_FILES)
        journal->segment_bytes = journal->max_bytes / JOURNAL_FILES;
}

static void settle_function(struct config *config, struct config_function *function,
                            struct config_problems *problems)
{
    if (function->uplink.url)
        config_settle_uplink(config, function, problems);
    else if (function->lambda)
        settle_remote(function, problems);
    else
        settle_local(config, function, problems);
    if (function->timeout_ms == 0)
        function->timeout_ms = config->provider.timeout_ms;
    if (function->memory_mb == 0)
        function->memory_mb = config->provider.memory_mb;
    if (function->provisioned_concurrency > function->reserved_concurrency)
        config_error(problems, function->place,
                     "functions.%s: provisionedConcurrency is over reservedConcurrency; "
                     "allowed: at most %llu",
                     function->name, (unsigned long long)function->reserved_concurrency);
    if (function->reply_to && !function->reply)
        config_error(
            problems, function->place,
            "functions.%s: replyTo is of its results, which reply publishes; allowed: both, or reply",
            function->name);
    settle_environment(config, function);
    settle_events(config, function, problems);
}

/* The gateway's own topics are every stage's. */
static void settle_filters(struct config *config, struct config_strings *filters)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (filters->items[i][0] != '$')
            filters->items[i] = join(config, config->topic_prefix, filters->items[i], "");
    }
}

static void settle_stage(struct config *config)
{
    config->topic_prefix = "";
    if (!config->stage)
        return;
    config->topic_prefix = join(config, config->stage, "/", "");
    size_t len = strlen(config->data);
    while (len > 1 && config->data[len - 1] == '/')
        config->data[--len] = '\0';
    config->data = join(config, config->data, "-", config->stage);
    for (size_t i = 0; i < config->access_count; i++) {
        settle_filters(config, &config->access[i].publish);
        settle_filters(config, &config->access[i].subscribe);
    }
}

/* Those of another Server too, once they were compared with what goes up. */
static void settle_stage_of_uplink(struct config *config, struct config_uplink *uplink)
{
    for (size_t i = 0; i < uplink->down_count; i++) {
        if (uplink->down[i].filter)
            uplink->down[i].filter = join(config, config->topic_prefix, uplink->down[i].filter, "");
    }
}

void config_settle(struct config *config, struct config_problems *problems)
{
    config_settle_routes(config, problems);
    config_settle_destinations(config, problems);
    settle_stage(config);
    settle_listeners(config, problems);
    settle_iot(&config->iot, problems);
    settle_journal(config, problems);
    const char *cgroup = config->workers.cgroup;
    if (*cgroup != '/' && strcmp(cgroup, "own") != 0 && strcmp(cgroup, "none") != 0)
        config_error(problems, NOWHERE,
                     "gateway.workers.cgroup is '%s'; allowed: own, none, or an absolute path", cgroup);
    if (config->workers.restart_cap_ms < config->workers.restart_base_ms)
        config_error(problems, NOWHERE, "gateway.workers.restartCap is under restartBase");
    for (size_t i = 0; i < config->function_count; i++) {
        settle_function(config, &config->functions[i], problems);
        settle_stage_of_uplink(config, &config->functions[i].uplink);
    }
}

/*
 * The configuration: a serverless.yml, or AWS SAM's template.yaml, read into one typed struct. Everything
 * that may stand in it is a row of config_parameters.c: its type, unit, default,
 * bounds and text; reading, checking and the reference page come from there.
 *
 * Every error is reported, not only the first, as FILE:LINE:COLUMN: what is
 * wrong; what is allowed. What means something to AWS but cannot apply at the
 * edge is a warning that names it. Files that the configuration names are not
 * opened here; their paths are absolute or relative to the current folder, the
 * configuration file's own folder put in front.
 *
 * Memory: one block, given back by config_free; the rules of events belong to
 * it. Strings that were not given and have no default are NULL. Immutable after
 * loading; any thread may read it.
 */
#ifndef SLUICE_APP_CONFIG_H
#define SLUICE_APP_CONFIG_H

#include "base/arena.h"
#include "route/rule.h"
#include "route/schedule.h"
#include "sluice/error.h"

#include <stdio.h>

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024 };

/* Where in the file something was said; both count from 1, 0 is nowhere. */
struct config_place {
    unsigned line, column;
};

struct config_strings {
    char **items;
    size_t count;
};

/* `address: 127.0.0.1:1883`; an IPv6 host stands in brackets, which are not part of it. */
struct config_listen {
    struct config_place place;
    char *host; /* NULL: there is no such listener */
    uint16_t port;
    bool anonymous; /* takes Clients that have no certificate; set by gateway.anonymous */
};

enum config_identity { CONFIG_COMMON_NAME, CONFIG_SUBJECT_ALT_NAME };

struct config_tls {
    char *certificate;
    char *key;
    char *client_ca;
    char *crl;
    enum config_identity identity;
};

/* The AWS IoT credential provider, for functions in Lambda; all NULL: none. */
struct config_iot {
    char *endpoint; /* HOST or HOST:PORT */
    char *role_alias;
    char *thing_name;  /* or NULL */
    char *certificate; /* files */
    char *key;
    char *ca; /* NULL: the system's authorities */
};

/* Who may do what: see broker/access.h, which compiles it. */
struct config_access {
    struct config_place place;
    char *who;
    struct config_strings publish;
    struct config_strings subscribe;
    struct config_strings client_ids;
    struct config_strings invoke;
    struct config_strings http;
};

enum config_token_algorithm {
    CONFIG_TOKEN_ES256,
    CONFIG_TOKEN_RS256,
    CONFIG_TOKEN_HS256,
};

/* Whose tokens are taken: see app/token.h. */
struct config_token {
    struct config_place place;
    char *issuer;
    char *audience;
    enum config_token_algorithm algorithm;
    char *key;
};

/* What requests are signed with (AWS Signature Version 4): see app/access_keys.h. */
struct config_key {
    struct config_place place;
    char *id;
    char *secret; /* a file */
    char *user;   /* who signs with it; NULL: the id is its name */
};

struct config_limits {
    /* Connections */
    uint64_t connections_count;
    uint64_t connections_per_address_count;
    uint64_t connect_rate;
    uint64_t handshakes_count;
    uint64_t handshake_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t credential_checks_count;
    uint64_t token_clock_skew_ms;
    uint64_t keep_alive_max_ms;
    uint64_t output_bytes;
    uint64_t output_bytes_total;
    uint64_t http_head_bytes;
    uint64_t http_body_bytes;
    uint64_t http_timeout_ms;
    uint64_t invoke_count;
    uint64_t invoke_bytes;
    /* Control Packets */
    uint64_t packet_bytes;
    uint64_t connect_bytes;
    uint64_t client_id_bytes;
    uint64_t property_bytes;
    uint64_t topic_bytes;
    uint64_t topic_levels;
    uint64_t filters_count;
    uint64_t publish_rate;
    uint64_t publish_rate_bytes;
    uint64_t receive_maximum;
    uint64_t inflight_maximum;
    uint64_t topic_alias_maximum;
    uint64_t topic_alias_out_maximum;
    /* Sessions */
    uint64_t sessions_count;
    uint64_t session_expiry_max_ms;
    uint64_t subscriptions_count;
    uint64_t subscriptions_total;
    uint64_t queue_count;
    uint64_t queue_bytes;
    uint64_t queue_bytes_total;
    uint64_t queue_memory_bytes;
    uint64_t retained_count;
    uint64_t retained_bytes;
    uint64_t dead_letters_count;
    uint64_t chained_functions_count;
    uint64_t unacknowledged_count;
    uint64_t log_lines;
};

struct config_journal {
    uint64_t segment_bytes; /* at most a quarter of max_bytes */
    uint64_t max_bytes;
    uint64_t commit_delay_ms;
    uint64_t commit_count;
    uint64_t commit_bytes;
};

struct config_sys {
    uint64_t interval_ms; /* 0: nothing is published */
};

enum config_sandbox {
    CONFIG_SANDBOX_OFF,
    CONFIG_SANDBOX_AVAILABLE,
    CONFIG_SANDBOX_REQUIRED,
};

struct config_workers {
    enum config_sandbox sandbox;
    char *cgroup;        /* "own", "none" or a folder */
    uint64_t first_user; /* 0: functions have the gateway's own */
    uint64_t process_count;
    uint64_t open_file_count;
    uint64_t nice;
    uint64_t init_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t stop_grace_ms;
    uint64_t spawn_interval_ms;
    uint64_t restart_base_ms;
    uint64_t restart_cap_ms;
};

/* What functions print. */
struct config_logs {
    uint64_t file_count; /* of one function; 0: none are kept */
    uint64_t file_bytes;
    uint64_t record_count; /* a second, of one function */
};

/* What `sluice deploy` makes, and how much of it is kept. */
struct config_deploys {
    uint64_t kept_count;
    uint64_t package_bytes;
    uint64_t package_files;
};

enum config_frames {
    CONFIG_FRAMES_SAMPLES, /* one object for each sample time */
    CONFIG_FRAMES_SENML,   /* one SenML pack for each frame */
};

enum config_invocation_type {
    CONFIG_REQUEST_RESPONSE,
    CONFIG_EVENT,
};

enum config_mode {
    CONFIG_MODE_QUEUE,
    CONFIG_MODE_ORDERED, /* messages of one partition are handled in their order */
};

/* When a message is acknowledged to its publisher; the higher the later. */
enum config_acknowledge {
    CONFIG_ACKNOWLEDGE_RECEIVED,  /* at once */
    CONFIG_ACKNOWLEDGE_STORED,    /* when it is on disk */
    CONFIG_ACKNOWLEDGE_PROCESSED, /* when the function has succeeded, or has been given up on it */
};

#define CONFIG_AS_FUNCTION UINT64_MAX /* an event's -1: as its function has it */

/* One way into a function: `- iot: {...}` or `- schedule: {...}`. */
struct config_event {
    struct config_place place;
    char *sql;
    struct rule *rule;           /* sql, compiled; NULL for a schedule */
    struct config_strings rates; /* of a schedule, and compiled: */
    struct schedule *schedules;
    char *timezone;                    /* NULL: UTC */
    char *schedule_name;               /* NULL: the function's */
    char *input;                       /* the JSON that a scheduled run's event is, or NULL: EventBridge's, */
    char *input_path;                  /* or the part of that at this path, */
    char *input_template;              /* or this, filled from it: see route/transform.h */
    struct config_strings input_paths; /* NAME=PATH of the template */
    char *http_path; /* of httpApi, with its method in front, or that apart; NULL: it is no such event */
    char *http_method;
    char *http_payload; /* NULL: the function's */
    char *rest_path;    /* the same of http */
    char *rest_method;
    size_t number; /* its place among the function's events of the file, from 1 */
    bool enabled;  /* those that are not are left out */
    bool report_batch_item_failures;
    enum config_acknowledge acknowledge;
    enum config_frames frames;
    uint64_t batch_size; /* 0: no batches, the event is the bare selected JSON */
    uint64_t maximum_batching_window_ms;
    uint64_t maximum_batching_bytes;
    bool bisect;
    uint64_t maximum_retry_attempts; /* these two may be CONFIG_AS_FUNCTION */
    uint64_t maximum_record_age_s;
    enum config_mode mode;
    char *partition_key; /* of an ordered one; see app/ordering.c */
    uint64_t parallelization_factor;
    uint64_t delay_ms;
    uint64_t tumbling_window_s; /* 0: no windows */
};

/* Topics of another Server that come down from it. */
struct config_down {
    struct config_place place;
    char *filter;
    char *topic; /* a template of reply_topic_from */
};

/* A function that is another MQTT Server: handlers/uplink. */
struct config_uplink {
    char *url; /* NULL: the function is none */
    bool version_5;
    char *client_id;
    char *user;
    char *password;
    char *ca;
    char *certificate;
    char *key;
    char *topic; /* a template of reply_topic_from in route/reply.h */
    uint64_t keep_alive_ms;
    uint64_t inflight_count;
    struct config_down *down;
    size_t down_count;
};

/* What a local function is; its runtime says so. */
enum config_kind {
    CONFIG_NATIVE,   /* a shared object */
    CONFIG_PROVIDED, /* an executable that is its own client of the Lambda Runtime API */
    CONFIG_NODEJS,
    CONFIG_PYTHON,
};

/* What events and answers of HTTP look like. */
enum config_http_form {
    CONFIG_HTTP_API,   /* payload format 2.0 of API Gateway's HTTP APIs: `httpApi` */
    CONFIG_HTTP_API_1, /* 1.0: `httpApi` with that payload */
    CONFIG_REST_API,   /* of its REST APIs: `http` */
};

/* An event `httpApi` or `http`: which requests are for a function. */
struct config_route {
    struct config_place place;
    enum config_http_form form;
    char *method; /* in capitals; or ANY */
    char *path;   /* see app/http_route.h */
    char *function;
};

enum config_destination_kind {
    CONFIG_TO_NOBODY,
    CONFIG_TO_DEAD_LETTERS,
    CONFIG_TO_TOPIC,
    CONFIG_TO_FUNCTION,
};

/* Where the record of what became of an event goes. */
struct config_destination {
    enum config_destination_kind kind;
    char *function; /* its name */
    char *topic;    /* a template of route/reply.h */
};

struct config_function {
    struct config_place place;
    char *name;
    char *handler; /* of a native function: the path of its shared object; else as Lambda has it */
    char *
        runtime; /* "native", "nodejs20.x", ..., or NULL for a function that is in Lambda or another Server */
    enum config_kind kind; /* of a local one */
    char *task_root;       /* the folder that a local one has its code in */
    char *lambda;          /* ARN or name of the function in Lambda, or NULL */
    char *endpoint;        /* URL of a Lambda endpoint, or NULL for the region's own */
    enum config_invocation_type invocation_type;
    struct config_uplink uplink;
    uint64_t timeout_ms;
    uint64_t memory_mb;
    struct config_strings environment; /* "NAME=value": the provider's, then the function's own */
    uint64_t scratch_mb;
    bool network;
    struct config_strings readable; /* paths */
    struct config_strings writable;
    struct config_strings package_patterns; /* behind those of the file */
    uint64_t reserved_concurrency;
    uint64_t provisioned_concurrency;
    uint64_t maximum_retry_attempts;
    uint64_t maximum_event_age_ms; /* 0: as deliver/queue.h has it */
    uint64_t queue_count;
    uint64_t queue_bytes;
    uint64_t queue_memory_bytes;
    struct config_event *events;
    size_t event_count;
    char *http_payload; /* the payload format of its httpApi events; NULL: the provider's */
    char *reply;        /* a template of route/reply.h, or NULL: results are not published */
    char *reply_to;     /* a template too, for their Response Topic, or NULL: they have none */
    struct config_destination on_success;
    struct config_destination on_failure;
    bool is_destination; /* of another one */
};

/* Whether it is on another machine; its worker here is our own, and runs nobody's code. */
static inline bool config_is_remote(const struct config_function *function)
{
    return function->lambda || function->uplink.url;
}

/* False: no runtime of ours. Lambda's names end with a version; it is the box's that runs. */
bool config_kind_of(const char *runtime, enum config_kind *ret_kind);

/* Its runtime, or the kind of worker that stands for what is elsewhere. */
static inline const char *config_runtime(const struct config_function *function)
{
    return function->uplink.url ? "uplink" : function->lambda ? "lambda" : function->runtime;
}

/* What runs: a handler, a function in Lambda, a Server. */
static inline const char *config_handler(const struct config_function *function)
{
    return function->uplink.url ? function->uplink.url
           : function->lambda   ? function->lambda
                                : function->handler;
}

struct config {
    struct arena arena; /* holds everything below */
    char *file;         /* as it was given */
    char *stage; /* as it was given, or NULL: then it is part of `data`, and stands before all topics */
    char *topic_prefix; /* `STAGE/`, or empty: of rules and results; access rules have it already */
    char *region;
    char *data; /* folder of all that must survive a restart */
    struct config_listen mqtt;
    struct config_listen mqtts;
    struct config_listen https;
    struct config_listen http;     /* of this machine alone */
    struct config_strings origins; /* of web pages; also `same` and `none` */
    bool https_certificates;       /* https asks for Client certificates */
    struct config_tls tls;
    struct config_iot iot;
    struct config_access *access;
    size_t access_count;
    char *passwords; /* see app/passwords.h; NULL: none */
    struct config_token *tokens;
    size_t token_count;
    struct config_route *routes;
    size_t route_count;
    struct config_key *keys;
    size_t key_count;
    struct config_limits limits;
    struct config_journal journal;
    struct config_sys sys;
    struct config_workers workers;
    struct config_logs logs;
    struct config_deploys deploys;
    struct config_strings package_patterns; /* app/package.h: what belongs to every function's package */
    struct config_function *functions;
    size_t function_count;

    /* What function settings come from where the function has none of its own. */
    struct config_provider {
        char *stage; /* what requests are told that no stage was named for */
        char *runtime;
        uint64_t timeout_ms;
        uint64_t memory_mb;
        struct config_strings environment;
        char *http_payload;
    } provider;
};

/* What is read where no file is named: serverless.yml of this folder or, if there is none, template.yaml. */
const char *config_default_file(void);
/* Reads `file` for a stage (NULL: none was named), and writes a line to `problems` for each error and
 * warning, in the order of the file. SLUICE_IO: it cannot be read. SLUICE_INVALID: it has errors. */
enum sluice_error config_load_stage(const char *file, const char *stage, FILE *problems,
                                    struct config **ret_config);
enum sluice_error config_load(const char *file, FILE *problems, struct config **ret_config); /* no stage */
/* The same for text that is in memory; `file` is its name in problems and gives the folder of paths. */
enum sluice_error config_parse(struct span text, const char *file, const char *stage, FILE *problems,
                               struct config **ret_config);
void config_free(struct config *config); /* NULL is allowed */

/* Prints the parameters in which the two differ and that are not taken up by a reload, with commas between
 * them; returns how many there are. */
size_t config_print_changes(const struct config *old, const struct config *new, FILE *out);

/* The reference of all parameters as Markdown, from the table. */
void config_print_reference(FILE *out);

#endif

/* The rows of the table: everything that may stand in a configuration. */
#include "app/config_table.h"

#include <stddef.h>

#define CONFIG(member)   offsetof(struct config, member)
#define ACCESS(member)   offsetof(struct config_access, member)
#define TOKEN(member)    offsetof(struct config_token, member)
#define FUNCTION(member) offsetof(struct config_function, member)
#define EVENT(member)    offsetof(struct config_event, member)

#define GROUP(at, about)                                                                                     \
    {                                                                                                        \
        .path = (at), .type = PARAMETER_GROUP, .text = (about)                                               \
    }
#define NOT_HERE(at, about)                                                                                  \
    {                                                                                                        \
        .path = (at), .type = PARAMETER_NOT_HERE, .text = (about)                                            \
    }
#define NOTED(at, about)                                                                                     \
    {                                                                                                        \
        .path = (at), .type = PARAMETER_NOTED, .text = (about)                                               \
    }

/* A number: where it goes, its unit, default and bounds. */
#define NUMBER(kind, at, into, counted, normal, least, most, about)                                          \
    {                                                                                                        \
        .path = (at), .type = (kind), .offset = (into), .unit = (counted), .fallback = (normal),             \
        .minimum = (least), .maximum = (most), .text = (about)                                               \
    }
#define COUNT(at, into, counted, normal, least, most, about)                                                 \
    NUMBER(PARAMETER_COUNT, at, into, counted, normal, least, most, about)
#define SECONDS(at, into, normal, least, most, about)                                                        \
    NUMBER(PARAMETER_SECONDS, at, into, "s", normal, least, most, about)

/* The most that a limit in bytes may be: what a 32-bit size holds, or a large disk. */
#define BYTES_32 4294967295.0
#define BYTES_64 1e15

static const char edge[] = "does not apply at the edge";

const struct parameter config_parameters[] = {
    NOTED("service", "name of the service in AWS"),

    GROUP("provider", "the cloud that the same file deploys to"),
    NOTED("provider.name", "always aws"),
    NOTED("provider.stage", "stage of the deployment to AWS"),
    {"provider.region", PARAMETER_TEXT, CONFIG(region), .fallback = "us-east-1",
     .text = "AWS region of functions in Lambda that are given by name"},
    {"provider.runtime", PARAMETER_TEXT, CONFIG(provider.runtime),
     .text = "runtime of functions without their own"},
    SECONDS("provider.timeout", CONFIG(provider.timeout_ms), "6", 0.001, 900,
            "time limit of functions without their own"),
    COUNT("provider.memorySize", CONFIG(provider.memory_mb), "MB", "1024", 16, 1048576,
          "memory limit of functions without their own"),
    {"provider.environment", PARAMETER_ENVIRONMENT, CONFIG(provider.environment),
     .text = "environment of every function"},
    NOT_HERE("provider.*", edge),

    GROUP("gateway", "what serverless.yml has no word for"),
    {"gateway.data", PARAMETER_PATH, CONFIG(data), .fallback = "data",
     .text = "folder of everything that survives a restart"},

    GROUP("gateway.listen", "listeners; without any, mqtt at 127.0.0.1:1883"),
    {"gateway.listen.mqtt", PARAMETER_LISTEN, CONFIG(mqtt), .allowed = "127.0.0.1",
     .text = "MQTT without TLS; port 0 is one that the system chooses"},
    {"gateway.listen.mqtts", PARAMETER_LISTEN, CONFIG(mqtts), .allowed = "0.0.0.0", .text = "MQTT over TLS"},
    {"gateway.listen.https", PARAMETER_LISTEN, CONFIG(https), .allowed = "0.0.0.0",
     .text = "HTTPS: MQTT over WebSocket, at the path /mqtt"},
    {"gateway.anonymous", PARAMETER_ANONYMOUS,
     .text = "listeners that take Clients who do not say who they are"},

    GROUP("gateway.tls", "certificates, as PEM files"),
    {"gateway.tls.certificate", PARAMETER_PATH, CONFIG(tls.certificate),
     .text = "the gateway's certificate, intermediate ones behind it"},
    {"gateway.tls.key", PARAMETER_PATH, CONFIG(tls.key), .text = "its private key"},
    {"gateway.tls.clientCa", PARAMETER_PATH, CONFIG(tls.client_ca),
     .text = "authorities whose Client certificates are accepted"},
    {"gateway.tls.crl", PARAMETER_PATH, CONFIG(tls.crl), .text = "their certificate revocation lists"},
    {"gateway.tls.identity", PARAMETER_CHOICE, CONFIG(tls.identity), .fallback = "commonName",
     .allowed = "commonName | subjectAltName",
     .text =
         "where a Client certificate has its name; subjectAltName: its one DNS name, e-mail address or URI"},

    GROUP("gateway.websocket", "MQTT over WebSocket"),
    {"gateway.websocket.clientCertificates", PARAMETER_BOOLEAN, CONFIG(https_certificates),
     .fallback = "false",
     .text = "whether https asks for Client certificates; where it does, Chromium lets only those pages "
             "connect whose own host has asked for one before"},
    {"gateway.websocket.origins", PARAMETER_ORIGINS, CONFIG(origins),
     .text = "web pages that may connect, as browsers name them: `https://app.example`; `same` are those "
             "that come from the host and port that they connect to, `none` are programs that name no "
             "origin; without it, `same`"},

    {"gateway.access", PARAMETER_ITEMS, CONFIG(access), sizeof(struct config_access), .minimum = 1,
     .text = "who may do what; what no rule allows is denied"},
    {"gateway.access[].who", PARAMETER_WHO, ACCESS(who), .required = true,
     .text =
         "the Clients: `device:`, `user:` or `token:` and a name, in which `*` is any text; or `anonymous`"},
    {"gateway.access[].publish", PARAMETER_FILTERS, ACCESS(publish),
     .text = "where they may publish; %c is the Client Identifier, %u the name"},
    {"gateway.access[].subscribe", PARAMETER_FILTERS, ACCESS(subscribe),
     .text = "what they may subscribe to"},
    {"gateway.access[].clientIds", PARAMETER_CLIENT_IDS, ACCESS(client_ids),
     .text = "Client Identifiers that they may use, with `*` and %u; a device's own is always among them. "
             "Without it, a device may use only its own, and others any"},
    {"gateway.passwords", PARAMETER_PATH, CONFIG(passwords),
     .text = "users and their passwords, a file that `sluice passwd` writes"},
    {"gateway.tokens", PARAMETER_ITEMS, CONFIG(tokens), sizeof(struct config_token),
     .text = "whose JSON Web Tokens are taken as a password"},
    {"gateway.tokens[].issuer", PARAMETER_TEXT, TOKEN(issuer), .required = true, .text = "the token's `iss`"},
    {"gateway.tokens[].audience", PARAMETER_TEXT, TOKEN(audience), .required = true,
     .text = "what must be in its `aud`"},
    {"gateway.tokens[].algorithm", PARAMETER_CHOICE, TOKEN(algorithm), .required = true,
     .allowed = "ES256 | RS256 | HS256", .text = "how it is signed"},
    {"gateway.tokens[].key", PARAMETER_PATH, TOKEN(key), .required = true,
     .text = "the issuer's public key as a PEM file; for HS256, a file with the secret"},

    GROUP("gateway.limits", "bounds; at each the gateway pushes back or refuses, and counts it"),
    COUNT("gateway.limits.connections", CONFIG(limits.connections_count), "connections", "100000", 1, 1000000,
          "open at once"),
    COUNT("gateway.limits.connectionsPerAddress", CONFIG(limits.connections_per_address_count), "connections",
          "10000", 1, 1000000, "open at once from one address"),
    COUNT("gateway.limits.connectRate", CONFIG(limits.connect_rate), "connections", "20000", 1, 1000000,
          "a second from one address, in the average of ten seconds"),
    COUNT("gateway.limits.handshakes", CONFIG(limits.handshakes_count), "handshakes", "1000", 1, 100000,
          "TLS handshakes at once"),
    SECONDS("gateway.limits.handshakeTimeout", CONFIG(limits.handshake_timeout_ms), "10", 0.1, 600,
            "from the connection to the end of its TLS handshake"),
    SECONDS("gateway.limits.connectTimeout", CONFIG(limits.connect_timeout_ms), "10", 0.1, 600,
            "from there to a CONNECT that is accepted"),
    COUNT("gateway.limits.credentialChecks", CONFIG(limits.credential_checks_count), "checks", "1", 1, 64,
          "passwords and tokens checked at once, each on a thread that the disk would use too; others wait"),
    SECONDS("gateway.limits.tokenClockSkew", CONFIG(limits.token_clock_skew_ms), "30", 0, 3600,
            "by how much an issuer's clock may differ"),
    SECONDS("gateway.limits.keepAliveMax", CONFIG(limits.keep_alive_max_ms), "3600", 1, 65535,
            "longest Keep Alive"),
    COUNT("gateway.limits.outputBytes", CONFIG(limits.output_bytes), "bytes", "524288", 1024, BYTES_32,
          "unsent bytes of a connection, beyond which it is too slow"),
    COUNT("gateway.limits.outputBytesTotal", CONFIG(limits.output_bytes_total), "bytes", "536870912", 1024,
          BYTES_64, "unsent bytes of all connections, beyond which one with over 16384 is too slow"),
    COUNT("gateway.limits.httpHeadBytes", CONFIG(limits.http_head_bytes), "bytes", "16384", 1024, 1048576,
          "request line and headers of an HTTP request"),
    COUNT("gateway.limits.httpBodyBytes", CONFIG(limits.http_body_bytes), "bytes", "65536", 0, 1073741824,
          "body of an HTTP request"),
    SECONDS("gateway.limits.httpTimeout", CONFIG(limits.http_timeout_ms), "10", 0.1, 600,
            "for a whole HTTP request, from the connection or from the answer before"),
    COUNT("gateway.limits.packetBytes", CONFIG(limits.packet_bytes), "bytes", "262144", 128, 268435460,
          "largest Control Packet, and largest frame of a WebSocket"),
    COUNT("gateway.limits.connectBytes", CONFIG(limits.connect_bytes), "bytes", "16384", 128, 1048576,
          "largest CONNECT"),
    COUNT("gateway.limits.clientIdBytes", CONFIG(limits.client_id_bytes), "bytes", "256", 23, 65535,
          "longest Client Identifier"),
    COUNT("gateway.limits.topicBytes", CONFIG(limits.topic_bytes), "bytes", "1024", 16, 65535,
          "of a Topic Name or Topic Filter"),
    COUNT("gateway.limits.topicLevels", CONFIG(limits.topic_levels), "levels", "16", 1, 32,
          "of a Topic Name or Topic Filter"),
    COUNT("gateway.limits.propertyBytes", CONFIG(limits.property_bytes), "bytes", "16384", 128, 268435460,
          "properties of one Control Packet"),
    COUNT("gateway.limits.filters", CONFIG(limits.filters_count), "filters", "256", 1, 1000000,
          "of one SUBSCRIBE or UNSUBSCRIBE"),
    COUNT("gateway.limits.publishRate", CONFIG(limits.publish_rate), "messages", "1000000", 1, 1000000000,
          "a second from one Client; beyond it, the Client is read no faster"),
    COUNT("gateway.limits.publishRateBytes", CONFIG(limits.publish_rate_bytes), "bytes", "1073741824", 65536,
          1e12, "the same in bytes"),
    COUNT("gateway.limits.receiveMaximum", CONFIG(limits.receive_maximum), "messages", "1024", 1, 65535,
          "unacknowledged QoS 1 and 2 messages from one Client"),
    COUNT("gateway.limits.inflightMaximum", CONFIG(limits.inflight_maximum), "messages", "1024", 1, 65535,
          "the same towards one Client"),
    COUNT("gateway.limits.topicAliasMaximum", CONFIG(limits.topic_alias_maximum), "aliases", "16", 0, 65535,
          "Topic Aliases that a Client may set"),
    COUNT("gateway.limits.topicAliasOutMaximum", CONFIG(limits.topic_alias_out_maximum), "aliases", "32", 0,
          256, "Topic Aliases that are set towards a Client that takes them"),
    COUNT("gateway.limits.sessions", CONFIG(limits.sessions_count), "sessions", "100000", 1, 10000000,
          "connected or not"),
    SECONDS("gateway.limits.sessionExpiryMax", CONFIG(limits.session_expiry_max_ms), "604800", 0,
            4294967295.0, "longest Session Expiry Interval"),
    COUNT("gateway.limits.subscriptions", CONFIG(limits.subscriptions_count), "subscriptions", "1000", 1,
          1000000, "of one session"),
    COUNT("gateway.limits.subscriptionsTotal", CONFIG(limits.subscriptions_total), "subscriptions", "1000000",
          1, 100000000, "of all sessions"),
    COUNT("gateway.limits.queueSize", CONFIG(limits.queue_count), "messages", "100000", 1, 10000000,
          "queued for one session"),
    COUNT("gateway.limits.queueBytes", CONFIG(limits.queue_bytes), "bytes", "67108864", 1024, BYTES_64,
          "queued for one session"),
    COUNT("gateway.limits.queueBytesTotal", CONFIG(limits.queue_bytes_total), "bytes", "268435456", 1024,
          BYTES_64, "queued for all sessions; over a quarter of journal.maxBytes counts as that"),
    COUNT("gateway.limits.queueMemoryBytes", CONFIG(limits.queue_memory_bytes), "bytes", "65536", 0, BYTES_64,
          "of those, held in memory for a durable session"),
    COUNT("gateway.limits.retained", CONFIG(limits.retained_count), "messages", "100000", 0, 10000000,
          "retained messages"),
    COUNT("gateway.limits.retainedBytes", CONFIG(limits.retained_bytes), "bytes", "67108864", 0, BYTES_64,
          "retained messages"),
    COUNT("gateway.limits.deadLetters", CONFIG(limits.dead_letters_count), "messages", "100000", 0, 10000000,
          "kept in the dead letter queue; beyond them they are counted and dropped"),
    COUNT("gateway.limits.unacknowledged", CONFIG(limits.unacknowledged_count), "messages", "262144", 1,
          10000000, "acknowledgements that may wait for the disk"),

    COUNT("gateway.limits.logLines", CONFIG(limits.log_lines), "lines", "100", 1, 1000000,
          "a second of one kind in the log; of more, one is written with their number"),

    GROUP("gateway.sys", "what the gateway says of itself on the topics of $SYS/broker"),
    SECONDS("gateway.sys.interval", CONFIG(sys.interval_ms), "10", 0, 86400,
            "between two looks at what has changed and is published; 0: nothing is"),

    GROUP("gateway.journal", "the log on disk that every acknowledged message is in"),
    COUNT("gateway.journal.segmentBytes", CONFIG(journal.segment_bytes), "bytes", "16777216", 4096,
          1073741824, "size of one file of the log; at most a quarter of maxBytes"),
    COUNT("gateway.journal.maxBytes", CONFIG(journal.max_bytes), "bytes", "1073741824", 16777216, BYTES_64,
          "size of all files; at it nothing more is accepted"),
    COUNT("gateway.journal.commitDelay", CONFIG(journal.commit_delay_ms), "ms", "2", 0, 1000,
          "how long a message may wait for others to be committed with"),
    COUNT("gateway.journal.commitCount", CONFIG(journal.commit_count), "messages", "1000", 1, 1000000,
          "a commit does not wait for more than these"),
    COUNT("gateway.journal.commitBytes", CONFIG(journal.commit_bytes), "bytes", "262144", 1, 1073741824,
          "nor for more than these"),

    GROUP("gateway.workers", "the processes that functions run in"),
    SECONDS("gateway.workers.initTimeout", CONFIG(workers.init_timeout_ms), "10", 0.01, 900,
            "from start to ready"),
    SECONDS("gateway.workers.idleTimeout", CONFIG(workers.idle_timeout_ms), "300", 0, 86400,
            "until an idle one, beyond the provisioned ones, is stopped"),
    SECONDS("gateway.workers.stopGrace", CONFIG(workers.stop_grace_ms), "2", 0, 900,
            "from being asked to stop to SIGTERM; SIGKILL follows 2 s later"),
    SECONDS("gateway.workers.spawnInterval", CONFIG(workers.spawn_interval_ms), "0.01", 0, 60,
            "between the starts of two workers of one function"),
    SECONDS("gateway.workers.restartBase", CONFIG(workers.restart_base_ms), "0.1", 0.001, 60,
            "pause after a first failure; it doubles with each"),
    SECONDS("gateway.workers.restartCap", CONFIG(workers.restart_cap_ms), "30", 0.001, 3600, "longest pause"),

    {"functions", PARAMETER_NAMED_ITEMS, CONFIG(functions), sizeof(struct config_function),
     .text = "what is invoked with messages"},
    {"functions.NAME.handler", PARAMETER_TEXT, FUNCTION(handler),
     .text = "path of a native function's shared object, relative to this file"},
    {"functions.NAME.runtime", PARAMETER_TEXT, FUNCTION(runtime),
     .text = "`native`: a shared object with the functions of sluice/handler.h"},
    {"functions.NAME.lambda", PARAMETER_TEXT, FUNCTION(lambda),
     .text = "ARN or name of a function in AWS Lambda, which is invoked instead of a local one"},
    {"functions.NAME.endpoint", PARAMETER_TEXT, FUNCTION(endpoint),
     .text = "URL of its Lambda endpoint; without it, the region's own"},
    {"functions.NAME.invocationType", PARAMETER_CHOICE, FUNCTION(invocation_type),
     .fallback = "RequestResponse", .allowed = "RequestResponse | Event",
     .text = "of a function in Lambda: wait for its result, or not"},
    SECONDS("functions.NAME.timeout", FUNCTION(timeout_ms), NULL, 0.001, 900,
            "time limit of one invocation; without it, the provider's"),
    COUNT("functions.NAME.memorySize", FUNCTION(memory_mb), "MB", NULL, 16, 1048576,
          "memory limit of one worker; without it, the provider's"),
    {"functions.NAME.environment", PARAMETER_ENVIRONMENT, FUNCTION(environment),
     .text = "environment variables, before the provider's"},
    COUNT("functions.NAME.reservedConcurrency", FUNCTION(reserved_concurrency), "invocations", "1", 1, 1000,
          "at once, at most"),
    COUNT("functions.NAME.provisionedConcurrency", FUNCTION(provisioned_concurrency), "workers", "0", 0, 1000,
          "kept started"),
    COUNT("functions.NAME.maximumRetryAttempts", FUNCTION(maximum_retry_attempts), "attempts", "2", 0, 10000,
          "after a failed first one; then the dead letter queue"),
    SECONDS("functions.NAME.maximumEventAge", FUNCTION(maximum_event_age_ms), "604800", 1, 31536000,
            "after which an event is tried no more; then the dead letter queue"),
    COUNT("functions.NAME.queueSize", FUNCTION(queue_count), "messages", "100000", 1, 100000000,
          "that wait for the function; when full, publishers are held back"),
    COUNT("functions.NAME.queueBytes", FUNCTION(queue_bytes), "bytes", "268435456", 1024, BYTES_64,
          "of those messages"),
    COUNT("functions.NAME.queueMemoryBytes", FUNCTION(queue_memory_bytes), "bytes", "16777216", 0, BYTES_64,
          "of those, held in memory"),
    {"functions.NAME.reply", PARAMETER_REPLY, FUNCTION(reply),
     .text = "topic of its results; ${a.b} is taken from the event, %c is the Client Identifier; "
             "without it results are not published"},
    GROUP("functions.NAME.destinations", "where events go that failed"),
    {"functions.NAME.destinations.onFailure", PARAMETER_FLAG, FUNCTION(dead_letters), .fallback = "dlq",
     .allowed = "none | dlq", .text = "the dead letter queue, or nowhere: it is counted and dropped"},
    NOTED("functions.NAME.name", "the name in AWS"),
    NOTED("functions.NAME.description", "for people"),
    NOT_HERE("functions.NAME.architectures", edge),
    NOT_HERE("functions.NAME.condition", edge),
    NOT_HERE("functions.NAME.dependsOn", edge),
    NOT_HERE("functions.NAME.disableLogs", edge),
    NOT_HERE("functions.NAME.ephemeralStorageSize", edge),
    NOT_HERE("functions.NAME.fileSystemConfig", edge),
    NOT_HERE("functions.NAME.iamRoleStatements", edge),
    NOT_HERE("functions.NAME.image", "is not served by this version"),
    NOT_HERE("functions.NAME.kmsKeyArn", edge),
    NOT_HERE("functions.NAME.layers", edge),
    NOT_HERE("functions.NAME.logRetentionInDays", edge),
    NOT_HERE("functions.NAME.logs", edge),
    NOT_HERE("functions.NAME.onError", edge),
    NOT_HERE("functions.NAME.package", edge),
    NOT_HERE("functions.NAME.role", edge),
    NOT_HERE("functions.NAME.snapStart", edge),
    NOT_HERE("functions.NAME.tags", edge),
    NOT_HERE("functions.NAME.tracing", edge),
    NOT_HERE("functions.NAME.url", edge),
    NOT_HERE("functions.NAME.versionFunction", edge),
    NOT_HERE("functions.NAME.vpc", edge),

    {"functions.NAME.events", PARAMETER_ITEMS, FUNCTION(events), sizeof(struct config_event),
     .text = "what invokes it"},
    GROUP("functions.NAME.events[].iot", "messages"),
    {"functions.NAME.events[].iot.sql", PARAMETER_SQL, EVENT(sql), .required = true,
     .text = "which messages, and what of them, in AWS IoT SQL"},
    NOTED("functions.NAME.events[].iot.sqlVersion", "what AWS calls its SQL"),
    NOTED("functions.NAME.events[].iot.name", "the rule's name in AWS"),
    NOTED("functions.NAME.events[].iot.description", "for people"),
    {"functions.NAME.events[].iot.enabled", PARAMETER_BOOLEAN, EVENT(enabled), .fallback = "true",
     .text = "false leaves it out"},
    {"functions.NAME.events[].iot.frames", PARAMETER_CHOICE, EVENT(frames), .fallback = "samples",
     .allowed = "samples | senml", .text = "what a telemetry frame becomes: an object a sample, or SenML"},
    COUNT(
        "functions.NAME.events[].iot.batchSize", EVENT(batch_size), "messages", NULL, 1, 10000,
        "of one invocation, whose event is then {\"Records\":[...]}; without it, each message is the event"),
    SECONDS("functions.NAME.events[].iot.maximumBatchingWindow", EVENT(maximum_batching_window_ms), "0", 0,
            300, "how long the first message of a batch waits for others"),
    COUNT("functions.NAME.events[].iot.maximumBatchingBytes", EVENT(maximum_batching_bytes), "bytes", NULL,
          1024, 6291456, "of one batch; without it 6291456, or 1048576 for invocationType Event"),
    {"functions.NAME.events[].iot.functionResponseType", PARAMETER_FLAG, EVENT(report_batch_item_failures),
     .allowed = "ReportBatchItemFailures", .text = "the function says which messages of a batch failed"},
    NOT_HERE("functions.NAME.events[].*", "is an event that this version does not serve"),

    NOT_HERE("app", edge),
    NOT_HERE("build", edge),
    NOT_HERE("configValidationMode", edge),
    NOT_HERE("console", edge),
    NOT_HERE("custom", edge),
    NOT_HERE("deprecationNotificationMode", edge),
    NOT_HERE("disabledDeprecations", edge),
    NOT_HERE("frameworkVersion", edge),
    NOT_HERE("layers", edge),
    NOT_HERE("org", edge),
    NOT_HERE("outputs", edge),
    NOT_HERE("package", edge),
    NOT_HERE("params", edge),
    NOT_HERE("plugins", edge),
    NOT_HERE("resources", edge),
    NOT_HERE("stages", edge),
    NOT_HERE("state", edge),
    NOT_HERE("stepFunctions", edge),
    NOT_HERE("useDotenv", edge),
    NOT_HERE("variablesResolutionMode", edge),
};

const size_t config_parameter_count = sizeof config_parameters / sizeof config_parameters[0];

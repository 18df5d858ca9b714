/*
 * The agent's configuration: a file of sections with `key = value` lines, and the
 * same keys as options of the command line, which win. One table has each key's
 * section, type, bounds, default and description; parsing, --help and the errors
 * come from it.
 *
 * Errors go to standard error, all of them, each with file and line, what is
 * wrong and what is allowed. Plain memory of the caller; nothing is allocated.
 */
#ifndef SLUICE_AGENT_CONFIG_H
#define SLUICE_AGENT_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SOURCES_MAX = 32,
    TOPIC_BYTES = 512,
    TARGET_BYTES = 512,
};

enum source_kind {
    SOURCE_FILE,    /* measures */
    SOURCE_COMMAND, /* measures */
    SOURCE_GPIO,    /* measures */
    SOURCE_BUFFER,  /* measures several */
    SOURCE_ACTION,  /* is run when the gateway asks */
    SOURCE_WATCH,   /* limits for the sensor of its name */
};

/* A section with a name: [file NAME], [command NAME], [gpio NAME], [buffer NAME], [action NAME], [watch
 * NAME]. */
struct source {
    enum source_kind kind;
    char name[64];
    char target[TARGET_BYTES]; /* the file, the command's text, the chip, the device */
    char unit[33];
    uint32_t decimals;
    uint32_t gives_text; /* 0 or 1 */
    double scale, offset;
    double above, below; /* infinite: no such limit */
    double hysteresis;
    uint32_t timeout_ms;
    uint32_t gpio_line;   /* UINT32_MAX: missing */
    uint32_t gpio_report; /* enum gpio_report */
    uint32_t gpio_bias, gpio_active_low;
    uint32_t gpio_debounce_ms;
    double buffer_rate;   /* scans a second; 0: as it is */
    uint32_t buffer_take; /* enum buffer_take */
    char buffer_trigger[64];
    unsigned line; /* of the section, in the file */
};

struct agent_config {
    char host[256];
    uint32_t port;
    char ca[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];
    char signer[TARGET_BYTES];   /* empty: the private key is in the file `key` */
    char session_file[PATH_MAX]; /* empty: none */
    char client_id[256];         /* %h is replaced */
    char topic[TOPIC_BYTES];     /* %c and %h are replaced in this and the next two */
    char events[TOPIC_BYTES];    /* empty: events are not published */
    char commands[TOPIC_BYTES];  /* empty: no commands are taken */
    uint32_t keep_alive_ms;

    uint32_t interval_ms, flush_ms, linger_ms;
    uint32_t connect_ms; /* 0: stays connected */
    uint32_t outbox_bytes;
    char outbox_file[PATH_MAX]; /* empty: none */
    uint32_t outbox_file_bytes, outbox_commit_ms;
    uint32_t when_full; /* enum sluice_when_full */

    char root[256];
    uint32_t hwmon, iio, thermal, power, proc; /* 0 or 1 */
    char exclude[1024];

    struct source sources[SOURCES_MAX];
    size_t source_count;

    unsigned error_count; /* sentences that went to standard error */
};

void config_init(struct agent_config *config);
/* Adds what the file says. */
void config_read(struct agent_config *config, const char *file);
/*
 * Sets the key that `option` names ("client-id" is client_id), as if from the
 * command line. False: there is no such option. NULL as `value`: it was missing.
 */
bool config_option(struct agent_config *config, const char *option, const char *value);
/* Replaces %c and %h, and checks what only the whole can show: what is needed to connect (where
 * `for_connecting`), and the sources. */
void config_finish(struct agent_config *config, bool for_connecting);

/* A text as `interval` has it; false: it is none, and ret_allowed is what it may be. */
bool config_parse_interval(const char *text, uint32_t *ret_ms, char *ret_allowed, size_t capacity);

/* The keys, as lines for --help. */
void config_print_options(void);

#endif

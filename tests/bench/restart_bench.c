/*
 * A start with a backlog: writes a journal of COUNT messages of 100 bytes that wait
 * for a function, starts the gateway on it and looks when it says that it is ready.
 * Prints one line: wall and processor time, peak of the resident set, and the same of a
 * start with nothing.
 *
 *   restart_bench GATEWAY FUNCTION [COUNT]
 */
#include "gateway_process.h"
#include "sizes.h"

#include "base/log.h"
#include "deliver/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT = 1000000, PAYLOAD_BYTES = 100, COMMIT_COUNT = 1000 };

static void commit(struct journal *journal)
{
    uint64_t durable;
    journal_commit_now(journal);
    struct journal_batch *batch = journal_commit_begin(journal, 0);
    if (!batch)
        return;
    journal_batch_run(batch);
    if (journal_commit_end(journal, batch, 0, &durable))
        log_fatal("the disk does not take a batch");
}

static void append(struct journal *journal, uint32_t queue, uint64_t ordinal)
{
    char payload[2 * PAYLOAD_BYTES];
    snprintf(payload, sizeof payload, "{\"number\":%010" PRIu64 ",\"padding\":\"%-69s\"}", ordinal, "");
    struct message message = {.qos = 1,
                              .topic = SPAN_LITERAL("farm/17/telemetry"),
                              .payload = span_of(payload, PAYLOAD_BYTES),
                              .client_id = SPAN_LITERAL("dev-17"),
                              .received_ms = UINT64_C(1700000000000)};
    struct journal_target target = {.queue = queue, .ordinal = ordinal, .qos = 1};
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    if (journal_append_messages(journal, (struct journal_origin){0}, &one, 1, &seq))
        log_fatal("the journal does not take a message");
}

static void write_journal(const char *path, uint64_t count)
{
    struct disk *disk;
    struct journal *journal;
    struct journal_config config = journal_config_default();
    if (mkdir(path, 0700) != 0 || disk_posix_new(path, &disk) || journal_open(&config, disk, &journal))
        log_fatal("there is no directory to write in");
    uint32_t queue = journal_queue_open(journal, JOURNAL_FUNCTION, SPAN_LITERAL("count"));
    for (uint64_t ordinal = 0; ordinal < count; ordinal++) {
        append(journal, queue, ordinal);
        if (ordinal % COMMIT_COUNT == COMMIT_COUNT - 1)
            commit(journal);
    }
    commit(journal);
    journal_free(journal);
    disk_posix_free(disk);
}

/* The function's worker has what it needs only some time after the start: until then nothing is taken off. */
static void write_config(const char *path, const char *function)
{
    FILE *file = fopen(path, "w");
    if (!file)
        log_fatal("%s cannot be written", path);
    fprintf(file,
            "gateway:\n"
            "  listen: {mqtt: \"127.0.0.1:0\"}\n"
            "functions:\n"
            "  count:\n"
            "    handler: %s\n"
            "    runtime: native\n"
            "    queueSize: 100000000\n"
            "    queueBytes: 1000000000000\n"
            "    events: [{iot: {sql: \"SELECT * FROM 'farm/#'\", batchSize: 1000}}]\n",
            function);
    fclose(file);
}

static void start(struct gateway_process *gateway, const char *what)
{
    gateway_process_start(gateway);
    printf("%s_ms=%" PRIu64 " %s_cpu_ms=%" PRIu64 " %s_peak_kb=%" PRIu64 " ", what, gateway->ready_us / 1000,
           what, processor_ms(gateway->pid), what, peak_resident_bytes(gateway->pid) / 1024);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: restart_bench GATEWAY FUNCTION [COUNT]\n");
        return 2;
    }
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : COUNT;
    char folder[] = "/tmp/restart_bench.XXXXXX", config_file[64], journal[64], command[128];
    if (!mkdtemp(folder))
        log_fatal("there is no temporary folder to be had");
    snprintf(config_file, sizeof config_file, "%s/serverless.yml", folder);
    snprintf(journal, sizeof journal, "%s/data/journal", folder);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    write_config(config_file, argv[2]);
    struct gateway_process gateway = {.program = argv[1], .config_file = config_file};
    start(&gateway, "empty");
    gateway_process_kill(&gateway);
    snprintf(command, sizeof command, "rm -r '%s'", journal);
    if (system(command) != 0)
        return 1;
    write_journal(journal, count);
    start(&gateway, "full");
    printf("journal_kb=%" PRIu64 "\n", folder_bytes(journal) / 1024);
    gateway_process_kill(&gateway);
    gateway_process_reap();
    buffer_fini(&gateway.log);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/*
 * What storing a message costs: appends 100-byte messages on the real disk, so
 * many a commit, and acknowledges them. One line of JSON for each batch size.
 *   journal_bench [DIRECTORY]   (default: one in the working directory, removed after)
 */
#include "base/log.h"
#include "deliver/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 100, BATCH_MAX = 10000 };

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t commit(struct journal *journal)
{
    uint64_t durable = 0;
    journal_commit_now(journal);
    struct journal_batch *batch = journal_commit_begin(journal, 0);
    if (!batch)
        return 0;
    journal_batch_run(batch);
    if (journal_commit_end(journal, batch, 0, &durable))
        log_fatal("the disk does not take a batch");
    return durable;
}

static void append(struct journal *journal, uint32_t queue, uint64_t ordinal, struct span principal)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    struct message message = {.qos = 1,
                              .topic = SPAN_LITERAL("farm/17/telemetry"),
                              .payload = span_of(payload, sizeof payload),
                              .client_id = SPAN_LITERAL("dev-17"),
                              .principal = principal,
                              .received_ms = UINT64_C(1700000000000)};
    struct journal_target target = {.queue = queue, .ordinal = ordinal, .qos = 1};
    struct journal_message one = {.message = &message, .targets = &target, .target_count = 1};
    uint64_t seq;
    if (journal_append_messages(journal, (struct journal_origin){0}, &one, 1, &seq))
        log_fatal("the journal does not take a message");
}

static void measure(struct journal *journal, uint32_t batch, uint32_t rounds, struct span principal)
{
    uint32_t queue = journal_queue_open(journal, JOURNAL_FUNCTION, SPAN_LITERAL("bench"));
    static uint64_t ordinal;
    uint64_t written = journal_stats(journal).written_bytes;
    double append_s = 0, start = now_s();
    for (uint32_t round = 0; round < rounds; round++) {
        double before = now_s();
        for (uint32_t i = 0; i < batch; i++)
            append(journal, queue, ordinal + i, principal);
        append_s += now_s() - before;
        commit(journal);
        for (uint32_t i = 0; i < batch; i++)
            journal_acknowledge(journal, queue, ordinal++);
    }
    commit(journal);
    double elapsed = now_s() - start, messages = (double)batch * rounds;
    printf("{\"batch\":%" PRIu32 ",\"principal\":%s,\"messages_per_s\":%.0f,\"append_ns\":%.0f,"
           "\"commit_us\":%.0f,\"bytes_a_message\":%.1f}\n",
           batch, principal.len ? "true" : "false", messages / elapsed, append_s / messages * 1e9,
           (elapsed - append_s) / rounds * 1e6,
           (double)(journal_stats(journal).written_bytes - written) / messages);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const uint32_t batches[] = {1, 10, 100, 1000, BATCH_MAX};
    static const char principal[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    char made[] = "journal_bench.XXXXXX";
    const char *path = argc > 1 ? argv[1] : mkdtemp(made);
    struct disk *disk;
    if (!path || disk_posix_new(path, &disk))
        log_fatal("there is no directory to write in");
    struct journal_config config = journal_config_default();
    struct journal *journal;
    if (journal_open(&config, disk, &journal))
        return 1;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        measure(journal, batches[i], batches[i] < 1000 ? 200 : 50, SPAN_EMPTY);
    measure(journal, 100, 200, span_from_string(principal));
    journal_free(journal);
    disk_posix_free(disk);
    if (argc == 1) {
        char command[64];
        snprintf(command, sizeof command, "rm -r -- %s", made);
        return system(command);
    }
    return 0;
}

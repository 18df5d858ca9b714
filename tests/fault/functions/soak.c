/*
 * The function of soak_test: fails one message of twenty, whichever comes then, and those whose number 2,000
 * divides each time. Which it has handled it says in its result, or of a batch, whose result says what
 * failed, in the file HANDLED: each number as a uint32_t.
 */
#include <sluice/handler.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

enum { FAILS_EVERY = 20, FAILS_FOR_EVER = 2000 };

static bool fails(uint32_t number)
{
    static uint64_t count;
    return number % FAILS_FOR_EVER == 0 || ++count % FAILS_EVERY == 0;
}

/* The text behind `words`, or NULL. */
static const char *find(const char *text, const char *words)
{
    const char *found = strstr(text, words);
    return found ? found + strlen(words) : NULL;
}

static bool keep(const uint32_t *numbers, size_t count)
{
    const char *path = getenv("HANDLED");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    size_t bytes = count * sizeof *numbers;
    bool kept = file >= 0 && write(file, numbers, bytes) == (ssize_t)bytes;
    if (file >= 0)
        close(file);
    return kept;
}

static enum sluice_outcome handle_one(struct sluice_context *context, const char *event)
{
    const char *at = find(event, "\"number\":");
    uint32_t number = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
    if (fails(number))
        return sluice_fail(context, "Unlucky", "%u is not handled", number);
    sluice_printf(context, "{\"number\":%u}", number);
    return SLUICE_SUCCEEDED;
}

static enum sluice_outcome handle_batch(struct sluice_context *context, const char *records)
{
    static uint32_t handled[10000]; /* no batch is larger */
    size_t count = 0;
    const char *before = "";
    sluice_printf(context, "{\"batchItemFailures\":[");
    for (const char *id = find(records, "\"messageId\":\""); id; id = find(id, "\"messageId\":\"")) {
        const char *at = find(id, "\\\"number\\\":");
        uint32_t number = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
        if (!fails(number)) {
            handled[count++] = number;
            continue;
        }
        sluice_printf(context, "%s{\"itemIdentifier\":\"%.*s\"}", before, (int)strcspn(id, "\""), id);
        before = ",";
    }
    sluice_printf(context, "]}");
    return keep(handled, count) ? SLUICE_SUCCEEDED
                                : sluice_fail(context, "Full", "HANDLED cannot be written");
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    (void)event_len;
    const char *records = find(event, "{\"Records\":");
    return records ? handle_batch(context, records) : handle_one(context, event);
}

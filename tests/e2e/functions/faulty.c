/*
 * A function that goes wrong when its event says so, for the end-to-end tests:
 * {"do":"crash"} and so on. Of a batch it looks at the text as a whole. What is
 * none of these is answered with the event itself.
 */
#include <sluice/handler.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

SLUICE_HANDLER;

static enum sluice_outcome crash(struct sluice_context *context)
{
    (void)context;
    signal(SIGSEGV, SIG_DFL); /* no report of a sanitizer */
    raise(SIGSEGV);
    return SLUICE_FAILED;
}

static enum sluice_outcome leave(struct sluice_context *context)
{
    (void)context;
    _exit(3);
}

static enum sluice_outcome hang(struct sluice_context *context)
{
    (void)context;
    while (pause() != 0) /* it never gives 0 */
        continue;
    return SLUICE_FAILED;
}

static enum sluice_outcome be_at_fault(struct sluice_context *context)
{
    return sluice_fail(context, "Refused", "this event is never good");
}

/* Onto the connection to the gateway, the worker's only socket, where only frames may stand. */
static enum sluice_outcome write_garbage(struct sluice_context *context)
{
    struct stat status;
    int fd = STDERR_FILENO + 1;
    while (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode))
        fd++;
    static const char garbage[] = "this is no frame of the worker protocol";
    if (write(fd, garbage, sizeof garbage) < 0)
        _exit(4);
    return hang(context);
}

/* Until the test makes the file GATE. */
static enum sluice_outcome wait_at_gate(struct sluice_context *context)
{
    const char *gate = getenv("GATE");
    while (access(gate, F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    sluice_printf(context, "{\"waited\":true}");
    return SLUICE_SUCCEEDED;
}

/* Is at fault until the test makes the file GATE. */
static enum sluice_outcome be_closed(struct sluice_context *context)
{
    const char *gate = getenv("GATE");
    if (access(gate, F_OK) != 0)
        return sluice_fail(context, "Closed", "come back later");
    sluice_printf(context, "{\"open\":true}");
    return SLUICE_SUCCEEDED;
}

static enum sluice_outcome print(struct sluice_context *context)
{
    puts("printed in between");
    fflush(stdout);
    sluice_write(context, "{}", 2);
    return SLUICE_SUCCEEDED;
}

/* Takes the records of a batch in their order, as consumers of a stream do, until one is rotten, which it
 * reports: the file HANDLED gets the `n` of each. */
static enum sluice_outcome report_rotten(struct sluice_context *context, const char *event)
{
    static const char id_before[] = "\"messageId\":\"", n_before[] = "\\\"n\\\":";
    FILE *handled = fopen(getenv("HANDLED"), "a");
    const char *id = strstr(event, id_before), *rotten = strstr(event, "rotten");
    for (const char *next; handled && id; id = next) {
        next = strstr(id + 1, id_before);
        if (rotten && rotten > id && (!next || rotten < next))
            break;
        fprintf(handled, "%d\n", atoi(strstr(id, n_before) + strlen(n_before)));
    }
    if (handled)
        fclose(handled);
    if (id)
        sluice_printf(context, "{\"batchItemFailures\":[{\"itemIdentifier\":\"%.*s\"}]}",
                      (int)strcspn(id + strlen(id_before), "\""), id + strlen(id_before));
    return SLUICE_SUCCEEDED;
}

/* An answer to an HTTP request that says everything itself. */
static enum sluice_outcome be_a_teapot(struct sluice_context *context)
{
    sluice_printf(context,
                  "{\"statusCode\":418,\"headers\":{\"X-Handle\":\"here\",\"Content-Type\":\"text/tea\"},"
                  "\"cookies\":[\"spout=here\"],\"body\":\"short and stout\"}");
    return SLUICE_SUCCEEDED;
}

/* The event as the body of an answer to an HTTP request. */
static enum sluice_outcome answer_with(struct sluice_context *context, const char *event, size_t event_len)
{
    sluice_printf(context, "{\"statusCode\":200,\"multiValueHeaders\":{\"Set-Cookie\":[\"a=1\",\"b=2\"]},"
                           "\"body\":\"");
    for (size_t i = 0; i < event_len; i++)
        sluice_printf(context, event[i] == '"' || event[i] == '\\' ? "\\%c" : "%c", event[i]);
    sluice_printf(context, "\"}");
    return SLUICE_SUCCEEDED;
}

static const struct {
    const char *text;
    enum sluice_outcome (*run)(struct sluice_context *context);
} faults[] = {
    {"crash", crash},           {"exit", leave},        {"hang", hang},       {"fail", be_at_fault},
    {"garbage", write_garbage}, {"wait", wait_at_gate}, {"knock", be_closed}, {"print", print},
    {"teapot", be_a_teapot},
};

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (strstr(event, faults[i].text))
            return faults[i].run(context);
    }
    if (strstr(event, "answered"))
        return answer_with(context, event, event_len);
    if (getenv("HANDLED"))
        return report_rotten(context, event);
    sluice_write(context, event, event_len);
    return SLUICE_SUCCEEDED;
}

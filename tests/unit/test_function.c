/* A native function that does what its event says, for native_test.c. */
#include <sluice/handler.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

static enum sluice_outcome write_seven_megabytes(struct sluice_context *context)
{
    static char block[1024 * 1024];
    for (int i = 0; i < 7; i++)
        sluice_write(context, block, sizeof block);
    return SLUICE_SUCCEEDED;
}

/* More than memorySize allows in the test. */
static enum sluice_outcome allocate(struct sluice_context *context)
{
    char *memory = malloc(256 * 1024 * 1024);
    sluice_printf(context, memory ? "too much was given" : "refused");
    free(memory);
    return SLUICE_SUCCEEDED;
}

static enum sluice_outcome tell_context(struct sluice_context *context)
{
    int64_t remaining_ms = sluice_remaining_ms(context);
    sluice_printf(context, "%s %s %s", sluice_function_name(context), sluice_request_id(context),
                  remaining_ms > 0 && remaining_ms <= 60000 ? "in time" : "late");
    return SLUICE_SUCCEEDED;
}

static enum sluice_outcome count(struct sluice_context *context)
{
    static int calls;
    sluice_set_state(context, &calls);
    sluice_printf(context, "%d", ++*(int *)sluice_state(context));
    return SLUICE_SUCCEEDED;
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    if (strcmp(event, "crash") == 0)
        _exit(11);
    if (strcmp(event, "fail") == 0)
        return sluice_fail(context, "BadEvent", "number %d", 42);
    if (strcmp(event, "fail without a reason") == 0)
        return SLUICE_FAILED;
    if (strcmp(event, "write 7 MB") == 0)
        return write_seven_megabytes(context);
    if (strcmp(event, "allocate") == 0)
        return allocate(context);
    if (strcmp(event, "context") == 0)
        return tell_context(context);
    if (strcmp(event, "count") == 0)
        return count(context);
    sluice_log(context, "%zu bytes", event_len);
    printf("printed\n");
    sluice_write(context, event, strlen(event));
    return SLUICE_SUCCEEDED;
}

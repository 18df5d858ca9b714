/* A function whose VERSION is compiled in: it says it with each event; {"wait":true} waits until the file
 * GATE is there. With a VERSION of 0 it does not initialise, and from 100 on not before the GATE. */
#include <sluice/handler.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

static void wait_at_gate(void)
{
    const char *gate = getenv("GATE");
    while (gate && access(gate, F_OK) != 0)
        usleep(1000);
}

enum sluice_outcome sluice_init(struct sluice_context *context)
{
    if (VERSION >= 100)
        wait_at_gate();
    return VERSION == 0 ? sluice_fail(context, "Init.Broken", "this version never starts") : SLUICE_SUCCEEDED;
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    if (memmem(event, event_len, "wait", 4))
        wait_at_gate();
    sluice_printf(context, "{\"version\":%d,\"event\":%s}", VERSION, event);
    return SLUICE_SUCCEEDED;
}

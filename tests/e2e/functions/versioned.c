/* A function whose VERSION is compiled in: says it with each event; {"wait":true} waits until the file GATE
 * is there. With a VERSION of 0 it does not initialise. */
#include <sluice/handler.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

enum sluice_outcome sluice_init(struct sluice_context *context)
{
    return VERSION == 0 ? sluice_fail(context, "Init.Broken", "this version never starts") : SLUICE_SUCCEEDED;
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    const char *gate = getenv("GATE");
    while (gate && memmem(event, event_len, "wait", 4) && access(gate, F_OK) != 0)
        usleep(1000);
    sluice_printf(context, "{\"version\":%d,\"event\":%s}", VERSION, event);
    return SLUICE_SUCCEEDED;
}

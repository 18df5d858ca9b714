#include <sluice/handler.h>

SLUICE_HANDLER;

/* The event is what the rule selects, as JSON text. What is written here is published on the topic `reply`.
 */
enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    if (event_len == 0)
        return sluice_fail(context, "BadEvent", "there is nothing in it");
    sluice_printf(context, "{\"hello\":%s}", event);
    return SLUICE_SUCCEEDED;
}

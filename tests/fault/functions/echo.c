/* A native function whose result is its event, so that a result says which message it came of. */
#include <sluice/handler.h>

SLUICE_HANDLER;

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    sluice_write(context, event, event_len);
    return SLUICE_SUCCEEDED;
}

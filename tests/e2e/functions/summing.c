/*
 * A function of tumbling windows, for the end-to-end tests: its state is the sum
 * of the `n` of all records of the window. It answers with its state, and with
 * where and when: {"kind":"step" or "final","start":...,"sum":...}. Until the test
 * makes the file GATE, a record with "mute" makes it answer without a state, and of a
 * window whose sum is 777 it refuses the end.
 */
#include <sluice/handler.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

SLUICE_HANDLER;

static long number_behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
{
    static const char n_before[] = "\\\"n\\\":", start_before[] = "\"start\":\"";
    (void)event_len;
    long sum = number_behind(event, "\"state\":{\"sum\":");
    const char *start = strstr(event, start_before);
    for (const char *at = event; (at = strstr(at, n_before)); at += strlen(n_before))
        sum += strtol(at + strlen(n_before), NULL, 10);
    if (!start)
        return sluice_fail(context, "NoWindow", "the event has no window");
    bool is_closed = access(getenv("GATE"), F_OK) != 0;
    if (is_closed && strstr(event, "mute"))
        return SLUICE_SUCCEEDED;
    bool is_final = strstr(event, "\"isFinalInvokeForWindow\":true") != NULL;
    if (is_final && sum == 777 && is_closed)
        return sluice_fail(context, "Closed", "come back later");
    sluice_printf(context, "{\"kind\":\"%s\",\"start\":\"%.20s\",\"sum\":%ld,\"state\":{\"sum\":%ld}}",
                  is_final ? "final" : "step", start + strlen(start_before), sum, sum);
    return SLUICE_SUCCEEDED;
}

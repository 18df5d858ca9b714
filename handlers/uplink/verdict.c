#include "uplink/verdict.h"

enum { FIRST_ERROR = 0x80 };

/*
 * What speaks of the message is an attempt of it, so that one that is never taken ends as a dead letter and
 * delays no other; what speaks of the remote is none. What is not listed here speaks of the message.
 */
static const struct {
    uint8_t reason;
    enum worker_error_kind kind;
    const char *text;
} verdicts[] = {
    {0x80, WORKER_ERROR_FUNCTION, "Unspecified error"},
    {0x83, WORKER_ERROR_FUNCTION, "Implementation specific error"},
    {0x87, WORKER_ERROR_FUNCTION, "Not authorized"},
    {0x90, WORKER_ERROR_FUNCTION, "Topic Name invalid"},
    {0x91, WORKER_ERROR_TRANSPORT, "Packet identifier in use"},
    {0x95, WORKER_ERROR_FUNCTION, "Packet too large"},
    {0x97, WORKER_ERROR_THROTTLED, "Quota exceeded"},
    {0x99, WORKER_ERROR_FUNCTION, "Payload format invalid"},
};

enum { VERDICT_COUNT = sizeof verdicts / sizeof verdicts[0] };

bool verdict_succeeded(uint8_t reason)
{
    return reason < FIRST_ERROR;
}

static size_t find(uint8_t reason)
{
    size_t at = 0;
    while (at < VERDICT_COUNT && verdicts[at].reason != reason)
        at++;
    return at;
}

enum worker_error_kind verdict_kind(uint8_t reason)
{
    size_t at = find(reason);
    return at < VERDICT_COUNT ? verdicts[at].kind : WORKER_ERROR_FUNCTION;
}

const char *verdict_text(uint8_t reason)
{
    size_t at = find(reason);
    return at < VERDICT_COUNT ? verdicts[at].text : "a Reason Code that PUBACK does not have";
}

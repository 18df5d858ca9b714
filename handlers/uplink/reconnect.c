#include "uplink/reconnect.h"

#include "client/backoff.h"

#include <sys/random.h>

enum { RECONNECT_MIN_MS = 500 };

void reconnect_later(struct reconnect *reconnect, uint64_t now_ms, bool brought)
{
    uint32_t random = 0;
    getrandom(&random, sizeof random, GRND_NONBLOCK);
    if (brought)
        reconnect->failure_count = 0;
    reconnect->at_ms =
        now_ms + backoff_delay_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, reconnect->failure_count++, random);
}

#include "net/tls_internal.h"

#include <time.h>

static struct tm parts_of(const mbedtls_x509_time *time)
{
    return (struct tm){.tm_year = time->year - 1900,
                       .tm_mon = time->mon - 1,
                       .tm_mday = time->day,
                       .tm_hour = time->hour,
                       .tm_min = time->min,
                       .tm_sec = time->sec};
}

/* The first of a chain that runs out; an empty one has no date. */
static int64_t chain_until_s(const mbedtls_x509_crt *chain)
{
    int64_t until_s = INT64_MAX;
    for (; chain && chain->raw.p; chain = chain->next) {
        struct tm parts = parts_of(&chain->valid_to);
        int64_t one_s = timegm(&parts);
        until_s = one_s < until_s ? one_s : until_s;
    }
    return until_s;
}

/* A tls_date is the number that its digits make. */
static int64_t seconds_of(tls_date date)
{
    struct tm parts = {.tm_year = (int)(date / 10000000000) - 1900,
                       .tm_mon = (int)(date / 100000000 % 100) - 1,
                       .tm_mday = (int)(date / 1000000 % 100),
                       .tm_hour = (int)(date / 10000 % 100),
                       .tm_min = (int)(date / 100 % 100),
                       .tm_sec = (int)(date % 100)};
    return timegm(&parts);
}

struct net_tls_dates net_tls_dates(const struct net_tls *tls)
{
    struct net_tls_dates dates = {chain_until_s(&tls->certificate), chain_until_s(&tls->client_ca),
                                  INT64_MAX};
    for (size_t i = 0; tls->trust.has_crl && i < tls->trust.authorities_count; i++) {
        int64_t until_s = seconds_of(tls->trust.authorities[i].crl_to);
        dates.crl_s = until_s < dates.crl_s ? until_s : dates.crl_s;
    }
    return dates;
}

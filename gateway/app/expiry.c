/* Says in the log which files of the TLS listeners run out soon: at the start, with each reload, and once a
 * day. */
#include "app/gateway_internal.h"

#include "base/log.h"

#include <time.h>

enum { SOON_DAYS = 30, DAY_S = 24 * 3600, DAY_MS = DAY_S * 1000 };

/* Of what there is not, the date is never near. */
static void warn(const char *path, int64_t left_s, const char *what_then)
{
    if (left_s < 0)
        log_warning("%s is out of date: %s", path, what_then);
    else if (left_s / DAY_S < SOON_DAYS)
        log_warning("%s runs out in %d days; then %s", path, (int)(left_s / DAY_S), what_then);
}

void gateway_warn_of_expiry(const struct gateway *gateway)
{
    const struct config_tls *files = &gateway->config->tls;
    const struct net_tls *tls = NULL; /* all listeners have the same files */
    for (size_t i = 0; i < gateway->listener_count && !tls; i++)
        tls = net_listener_tls(gateway->listeners[i]);
    if (!tls)
        return;
    struct net_tls_dates dates = net_tls_dates(tls);
    int64_t now_s = (int64_t)time(NULL);
    warn(files->certificate, dates.certificate_s - now_s, "no Client trusts this gateway");
    warn(files->client_ca, dates.client_ca_s - now_s, "no certificate that it has signed is accepted");
    warn(files->crl, dates.crl_s - now_s, "no client certificate is accepted");
}

static void on_day(uv_timer_t *daily)
{
    gateway_warn_of_expiry(daily->data);
}

void gateway_start_expiry(struct gateway *gateway)
{
    uv_timer_init(gateway->loop, &gateway->daily);
    gateway->daily.data = gateway;
    uv_timer_start(&gateway->daily, on_day, DAY_MS, DAY_MS);
}

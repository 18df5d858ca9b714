/* What runs out. Once a minute, connections whose certificates have run out are ended; and the log says which
 * files of the TLS listeners will soon: at the start, with each reload, and once a day. */
#include "app/gateway_internal.h"

#include "base/log.h"

#include <time.h>

enum { SOON_DAYS = 30, DAY_S = 24 * 3600, DAY_MS = DAY_S * 1000, MINUTE_MS = 60 * 1000 };

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

static void on_minute(uv_timer_t *each_minute)
{
    const struct gateway *gateway = each_minute->data;
    for (size_t i = 0; i < gateway->listener_count; i++) {
        if (net_listener_tls(gateway->listeners[i]))
            net_listener_check(gateway->listeners[i]);
    }
}

static void start(struct gateway *gateway, uv_timer_t *timer, uv_timer_cb on_time, uint64_t each_ms)
{
    uv_timer_init(gateway->loop, timer);
    timer->data = gateway;
    uv_timer_start(timer, on_time, each_ms, each_ms);
}

void gateway_start_expiry(struct gateway *gateway)
{
    start(gateway, &gateway->daily, on_day, DAY_MS);
    start(gateway, &gateway->each_minute, on_minute, MINUTE_MS);
}

/*
 * Temporary credentials that an HTTP endpoint gives out: the AWS IoT credential
 * provider (mutual TLS) or a container's. They are fetched at once, again a while
 * before they expire, and when a request that was signed with them is refused;
 * what fails is tried again with full jitter, 100 ms to 20 s. Once they have
 * expired there are none.
 *
 * One thread. Settings are copied. The wall's clock must be right, as for
 * signatures: it says how long a document's credentials last.
 */
#ifndef SLUICE_LAMBDA_PROVIDER_H
#define SLUICE_LAMBDA_PROVIDER_H

#include "lambda/credentials.h"
#include "lambda/transfers.h"

struct provider_settings {
    const char *url;
    const char *certificate, *key; /* PEM files of the Client certificate; NULL: none */
    const char *ca;                /* PEM file of authorities; NULL: the system's */
    const char *thing_name;        /* x-amzn-iot-thingname; NULL: none */
    const char *token;             /* Authorization; NULL: none */
    const char *token_file;        /* the same, read for each request; NULL: none */
};

struct provider;

struct provider *provider_new(const struct provider_settings *settings, struct transfers *transfers);
void provider_free(struct provider *provider);

/* What to sign with now; its access_key_id is NULL while there are none. */
const struct credentials *provider_credentials(const struct provider *provider);
/* Fetches what is due. Why the last try failed, once, is in `error`; otherwise that is empty. */
void provider_run(struct provider *provider, const struct transfers_now *now, char *error,
                  size_t error_bytes);
uint64_t provider_next_deadline_ms(const struct provider *provider);
/* A request was refused that was signed with them. */
void provider_refused(struct provider *provider, uint64_t now_ms);

/* Reads either kind's document. ret_expires_ms is of the Unix epoch; 0: never. SLUICE_INVALID: it is none. */
enum sluice_error provider_parse(struct span document, struct credentials *ret_credentials,
                                 uint64_t *ret_expires_ms);

#endif

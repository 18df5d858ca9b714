/*
 * Who the worker signs requests as. Looked for in this order: the environment's
 * keys; the AWS IoT credential provider, where the settings name one; the shared
 * file; a container's endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI,
 * with AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN).
 * What comes first stays, and is kept fresh.
 *
 * One thread.
 */
#ifndef SLUICE_LAMBDA_IDENTITY_H
#define SLUICE_LAMBDA_IDENTITY_H

#include "lambda/provider.h"

struct cJSON;

struct identity {
    struct credentials_source source;
    struct provider *provider; /* NULL: the source has them */
};

/* `iot` are the settings of the provider, or NULL. SLUICE_NOT_FOUND, SLUICE_INVALID: there are none
 * anywhere, or the endpoint is none that is allowed; a part of a sentence in `error` says so. */
enum sluice_error identity_open(struct identity *identity, const struct cJSON *iot,
                                struct transfers *transfers, char *error, size_t error_bytes);
void identity_close(struct identity *identity);

/* What to sign with: at the same place as long as the identity is open. */
const struct credentials *identity_credentials(const struct identity *identity);
/* Does what is due. `error`: what went wrong with it, or empty. */
void identity_run(struct identity *identity, const struct transfers_now *now, char *error,
                  size_t error_bytes);
uint64_t identity_next_deadline_ms(const struct identity *identity);
/* A request was refused that was signed with them. */
void identity_refused(struct identity *identity, uint64_t now_ms);

#endif

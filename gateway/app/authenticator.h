/*
 * Who a Client is: broker_hooks.authenticate over struct credentials; and who sends an HTTP request with a
 * password or a token (app/http_access.h).
 *
 * A certificate is who its listener says, and its User Name and Password are not
 * looked at, unless it asks for an Authentication Method. Else: a User Name that is
 * in the password file is judged by it; a Password that has the form of a token is
 * judged by the issuers, whatever the User Name; anything else is wrong. Who says
 * nothing of itself is anonymous where its listener allows that, and refused where
 * not; where there are neither passwords nor issuers, a User Name means nothing.
 *
 * Hashing a password and checking a signature are for the libuv thread pool, a few at
 * once; the others wait in the order that they came in, bounded by the connections that
 * may be open. Who does not exist costs as much as who does, and is told a salt too. A
 * user's password that was right is remembered (as a keyed hash in memory) until the
 * credentials are replaced, so that a fleet that comes back does not pay again. SCRAM
 * costs the Server little and is answered at once.
 *
 * Everything is called on the loop's thread. The loop has to run until the checks
 * that were in the pool have come back.
 */
#ifndef SLUICE_APP_AUTHENTICATOR_H
#define SLUICE_APP_AUTHENTICATOR_H

#include "app/credentials.h"
#include "broker/broker.h"

#include <uv.h>

enum { AUTHENTICATOR_KEY_BYTES = 32 };

struct authenticator;

struct authenticator_host {
    void *ctx;
    uv_loop_t *loop;
    uint64_t (*wall_ms)(void *ctx);
    void (*random)(void *ctx, uint8_t *bytes, size_t len);
    unsigned checks_count; /* in the pool at once */
};

/* Who asks, and gets the answer that comes later. */
struct authenticator_asker {
    void (*answer)(void *ctx, const struct broker_answer *answer);
    void *ctx;
};

struct authenticator *authenticator_new(const struct authenticator_host *host,
                                        struct credentials *credentials);
/* No exchange may be open any more. */
void authenticator_free(struct authenticator *authenticator); /* NULL is allowed */

/* AUTHENTICATOR_KEY_BYTES that choose the salts of users who do not exist, until then random ones: who finds
 * the same salts after a restart does not learn from them who is none. */
void authenticator_set_fake_key(struct authenticator *authenticator, const uint8_t *key);

/* New checks use these; what was right by the old ones is accepted only if it is by these too. */
void authenticator_set_credentials(struct authenticator *authenticator, struct credentials *credentials);
struct credentials *authenticator_credentials(const struct authenticator *authenticator);

/* As broker_hooks has them. */
enum sluice_error authenticator_ask(struct authenticator *authenticator,
                                    const struct authenticator_asker *asker, void **exchange,
                                    const struct broker_credentials *asked, struct broker_answer *ret_answer);
void authenticator_ended(struct authenticator *authenticator, void *exchange);

#endif

/*
 * What the configuration knows of Clients without a certificate: passwords, the
 * issuers of tokens, and access keys. All files are read and checked when it is made; it never
 * changes: a reload makes a new one and puts it in the place of the old one as a
 * whole. Reference-counted; references are counted, and passwords remembered, on
 * the loop's thread only, the rest is safe on the threads of the pool.
 */
#ifndef SLUICE_APP_CREDENTIALS_H
#define SLUICE_APP_CREDENTIALS_H

#include "app/access_keys.h"
#include "app/passwords.h"
#include "app/token.h"

enum { CREDENTIALS_TEXT_BYTES = 512 };

struct credentials;

/* On failure ret_text, CREDENTIALS_TEXT_BYTES long, says why in one sentence. Files that others may read are
 * used, with a warning in the log. */
enum sluice_error credentials_new(const struct config *config, struct credentials **ret_credentials,
                                  char *ret_text);
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials); /* NULL is allowed */

/* Whether there is anything that a Client can say who it is by. */
bool credentials_any(const struct credentials *credentials);
/* NULL: the configuration has none. */
const struct passwords *credentials_passwords(const struct credentials *credentials);
/* Of the Invoke API; there may be none in it. */
const struct access_keys *credentials_keys(const struct credentials *credentials);
bool credentials_has_tokens(const struct credentials *credentials);
/* As token_verify, by any of the issuers; what is wrong is what the last of them says. */
const char *credentials_verify_token(const struct credentials *credentials, struct span token, uint64_t now_s,
                                     struct identity *ret_identity, uint64_t *ret_expires_s);
/* Whether it would still be let in as what it is: its user is there with the password that it came by, or the
 * issuer of its token is. Of others this says nothing: true. */
bool credentials_still_valid(const struct credentials *credentials, const struct identity *identity);

#endif

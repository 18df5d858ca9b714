/*
 * JSON Web Tokens (RFC 7519) that come in the password of a CONNECT: whether an
 * issuer of the configuration vouches for the Client, as whom, and until when.
 * The algorithm is the configuration's, never the token's choice: one that names
 * another, `none` included, is refused, and so is one that has critical extensions.
 * `exp` and `sub` must be there; `nbf` and `iat` are checked where they are.
 *
 * Issuers are owned by their maker and do not change; any thread may verify.
 * Limits: TOKEN_BYTES for a token; RSA keys from 2,048 bits, HS256 secrets from 32 bytes.
 */
#ifndef SLUICE_APP_TOKEN_H
#define SLUICE_APP_TOKEN_H

#include "app/config.h"
#include "broker/access.h"

enum { TOKEN_BYTES = 8 * 1024, TOKEN_TEXT_BYTES = 512 };

struct token_issuer;

/* Reads the key. On failure ret_text, TOKEN_TEXT_BYTES long, says why in one sentence. */
enum sluice_error token_issuer_new(const struct config_token *config, struct token_issuer **ret_issuer,
                                   char *ret_text);
void token_issuer_free(struct token_issuer *issuer); /* NULL is allowed */
/* SHA-256 in hex of all that makes it what it is, its key included. */
const char *token_issuer_fingerprint(const struct token_issuer *issuer);

/* Whether these bytes have the form of a token: three parts of base64url with dots between them. */
bool token_has_form(struct span text);

/* NULL, and who it is and until when (Unix epoch); or what is wrong. Clocks may differ by skew_s. */
const char *token_verify(const struct token_issuer *issuer, struct span token, uint64_t now_s,
                         uint64_t skew_s, struct identity *ret_identity, uint64_t *ret_expires_s);

#endif

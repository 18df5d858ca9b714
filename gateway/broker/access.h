/*
 * Who may publish and subscribe to what. Rules are compiled once from the
 * configuration; nothing is allowed that no rule allows. A rule's `who` is
 * "device:PATTERN" (the name of a verified client certificate, where `*` stands
 * for any run of characters), "user:PATTERN" (of a password), "token:PATTERN"
 * (the subject of one), or "anonymous". A rule's filters may contain `%c` (the
 * Client Identifier) and `%u` (the identity's name), which are put in literally.
 * They give nothing where the value is empty, contains `+ # /`, or would make the
 * filter begin with `$`; and `%c` gives nothing to a certificate that does not
 * name that Client Identifier itself, so that no device reaches another's topics
 * by borrowing its Client Identifier.
 *
 * A certificate may use the Client Identifier that equals its name and no other,
 * everybody else any; unless a rule for it lists Client Identifiers, which are
 * patterns with `*` and `%u`: then also these, or only these.
 *
 * struct access holds the rules; struct grants is what they come to for one
 * peer, so that a PUBLISH costs only the matching of its few filters. Both are
 * owned by their creator and used by one thread; grants outlive their rules.
 */
#ifndef SLUICE_BROKER_ACCESS_H
#define SLUICE_BROKER_ACCESS_H

#include "sluice/error.h"
#include "wire/span.h"

enum {
    IDENTITY_NAME_BYTES = 129, /* a common name has at most 64 characters (RFC 5280); with its NUL */
    IDENTITY_FINGERPRINT_BYTES = 65,
};

enum identity_kind {
    IDENTITY_ANONYMOUS,
    IDENTITY_CERTIFICATE,
    IDENTITY_INTERNAL, /* a part of the gateway: everything is allowed */
    IDENTITY_USER,     /* knows the password of that name */
    IDENTITY_TOKEN,    /* the subject of a token */
    IDENTITY_UNKNOWN,  /* has to say in its CONNECT who it is; nothing is allowed */
    /* The state keeps these numbers: new ones go to the end. */
};

/* Who the peer is, as its listener or broker_hooks.authenticate has verified. Strings end with NUL. */
struct identity {
    enum identity_kind kind;
    char name[IDENTITY_NAME_BYTES]; /* the certificate's, the user's, the token's subject, or empty */
    /* SHA-256 in hex of what vouched for it: the certificate, or the part of the configuration that is
     * another one when the password or the tokens' issuer changes. Or empty. */
    char fingerprint[IDENTITY_FINGERPRINT_BYTES];
};

/* Whether these bytes may be an identity's name: UTF-8 of 1 to 128 bytes, without control characters. */
bool identity_name_valid(struct span name);
/* Whether both are one and the same owner of a session; a renewed certificate of the same name is, and a
 * user with a new password. */
bool identity_same(const struct identity *a, const struct identity *b);

enum access_action {
    ACCESS_PUBLISH,
    ACCESS_SUBSCRIBE,
};

struct access *access_new(void);
void access_free(struct access *access); /* NULL is allowed */

/* Whether `who` has one of the forms above, for a configuration check that names the place. */
bool access_who_valid(const char *who);
/* Whether a rule for `who` is one for this identity. */
bool access_who_is(const char *who, const struct identity *identity);
/* Whether a pattern, in which `*` stands for any run of characters, is for the whole of this text. */
bool access_pattern_matches(struct span pattern, struct span text);
/* Allows `who` one filter. SLUICE_INVALID: `who` or `filter` is malformed. */
enum sluice_error access_allow(struct access *access, const char *who, enum access_action action,
                               const char *filter);
/* Allows `who` the Client Identifiers of this pattern. SLUICE_INVALID: `who` or `pattern` is malformed. */
enum sluice_error access_allow_client_id(struct access *access, const char *who, const char *pattern);
/* Whether the identity may use this Client Identifier. */
bool access_client_id(const struct access *access, const struct identity *identity, struct span client_id);

struct grants;
struct grants *grants_new(const struct access *access, const struct identity *identity,
                          struct span client_id);
void grants_free(struct grants *grants); /* NULL is allowed */
/* PUBLISH: to this Topic Name. SUBSCRIBE: whether a message of this Topic Name may be received. */
bool grants_topic(const struct grants *grants, enum access_action action, struct span topic);
/* Whether one allowed filter covers the whole of this Topic Filter (a Shared Subscription's inner one). */
bool grants_filter(const struct grants *grants, enum access_action action, struct span filter);

#endif

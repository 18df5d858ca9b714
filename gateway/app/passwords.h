/*
 * The password file: a line `NAME:SECRET` for each user, where SECRET is what
 * RFC 5803 writes for SCRAM-SHA-256 (PostgreSQL stores its passwords in the same form):
 *
 *     SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY     (Base64)
 *
 * so that one entry serves a password in CONNECT and the proof of SCRAM. The hash
 * is PBKDF2-HMAC-SHA-256; the password itself can be had from neither key. Empty
 * lines and lines that begin with # are left alone.
 *
 * Passwords are bytes as the Client sends them: no normalization (SASLprep) is
 * applied, which is the same for those in ASCII.
 *
 * struct passwords is owned by its maker and does not change, but for the memo of
 * passwords_remember, which is for one thread only. The rest is for any thread.
 * Limits: PASSWORDS_FILE_BYTES, and 128 bytes for a name.
 */
#ifndef SLUICE_APP_PASSWORDS_H
#define SLUICE_APP_PASSWORDS_H

#include "base/buffer.h"
#include "broker/access.h"

enum {
    PASSWORDS_FILE_BYTES = 16 * 1024 * 1024,
    PASSWORDS_ITERATIONS = 100000, /* of new entries */
    PASSWORDS_ITERATIONS_MIN = 4096,
    PASSWORDS_ITERATIONS_MAX = 10000000,
    PASSWORDS_SALT_BYTES = 16, /* of new entries */
    PASSWORDS_SALT_BYTES_MAX = 64,
    PASSWORDS_KEY_BYTES = 32,
    PASSWORDS_TEXT_BYTES = 512, /* of the sentence that says what is wrong */
};

struct password {
    char name[IDENTITY_NAME_BYTES];
    /* SHA-256 of the salt, another one for each new password; of the salt alone, because functions see it
     * (principal()), and what the keys are in could be used to guess passwords. */
    char fingerprint[IDENTITY_FINGERPRINT_BYTES];
    uint32_t iterations;
    uint8_t salt[PASSWORDS_SALT_BYTES_MAX];
    size_t salt_bytes;
    uint8_t stored_key[PASSWORDS_KEY_BYTES], server_key[PASSWORDS_KEY_BYTES];
    uint8_t remembered[PASSWORDS_KEY_BYTES]; /* a keyed hash of the password that was right */
    bool is_remembered;
};

struct passwords;

/* `file` is for the sentence. SLUICE_INVALID: ret_text, PASSWORDS_TEXT_BYTES long, says what and in which
 * line. */
enum sluice_error passwords_parse(struct span text, const char *file, struct passwords **ret_passwords,
                                  char *ret_text);
void passwords_free(struct passwords *passwords); /* NULL is allowed */
/* NULL: nobody has this name. */
struct password *passwords_find(const struct passwords *passwords, struct span name);
/* What stands in for a user that does not exist, so that it costs the same time; nothing matches it. */
const struct password *passwords_nobody(const struct passwords *passwords);

/* Hashes and compares: takes as long as `iterations` ask for, whoever it is. */
bool password_matches(const struct password *password, struct span given);
/* What is sent as HMAC(`key`, password) is the one that matched before. `key` is the caller's, random, of 32
 * bytes. */
bool password_is_remembered(const struct password *password, const uint8_t *key, struct span given);
void password_remember(struct password *password, const uint8_t *key, struct span given);

/* 1 to 128 bytes of UTF-8 without control characters and `:`, not beginning with #. */
bool password_name_valid(struct span name);
/* `salt` has PASSWORDS_SALT_BYTES. */
struct password password_make(struct span name, struct span given, const uint8_t *salt, uint32_t iterations);
/* Appends its line. */
void password_write(const struct password *password, struct buffer *out);

#endif

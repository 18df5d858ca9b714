/*
 * The Server's side of one SCRAM-SHA-256 conversation (RFC 5802, RFC 7677):
 * messages in, messages out; no I/O, no clock. It costs no more than a few hashes:
 * the slow one is the Client's. Channel bindings are not offered: `n` and `y` are
 * taken, `p` is refused. Who does not exist is told a salt too, always the same
 * one, and fails at the end as a wrong password does.
 *
 * struct scram is the caller's memory; the passwords outlive it.
 * Limits: 128 bytes for the Client's nonce and name, 1,024 for a message.
 */
#ifndef SLUICE_APP_SCRAM_H
#define SLUICE_APP_SCRAM_H

#include "app/passwords.h"

#define SCRAM_METHOD "SCRAM-SHA-256"

enum {
    SCRAM_NONCE_BYTES = 30, /* of the Server's, printable characters */
    SCRAM_MESSAGE_BYTES = 1024,
};

enum scram_state {
    SCRAM_BEGINS,
    SCRAM_CHALLENGED,
    SCRAM_DONE,
    SCRAM_FAILED,
};

struct scram {
    enum scram_state state;
    const struct password *password; /* NULL: nobody of that name */
    uint8_t stored_key[PASSWORDS_KEY_BYTES], server_key[PASSWORDS_KEY_BYTES];
    char channel_binding[9];                    /* what the Client's last message must repeat, in Base64 */
    char conversation[2 * SCRAM_MESSAGE_BYTES]; /* both first messages, as they are signed in the end */
    size_t conversation_len;
    char answer[SCRAM_MESSAGE_BYTES];
    char nonce[SCRAM_NONCE_BYTES + 1]; /* the Server's */
    char combined_nonce[SCRAM_NONCE_BYTES + 129];
};

/* `nonce` is random and printable, without a comma. */
void scram_init(struct scram *scram, const char *nonce);
/*
 * Takes the Client's next message. SCRAM_CHALLENGED, SCRAM_DONE: ret_answer, a view into `scram`, is for it.
 * `fake_key`, 32 bytes, chooses the salts of those who do not exist.
 */
enum scram_state scram_step(struct scram *scram, const struct passwords *passwords, const uint8_t *fake_key,
                            struct span message, struct span *ret_answer);

#endif

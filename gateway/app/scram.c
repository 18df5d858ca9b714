#include "app/scram.h"

#include "app/credentials_hash.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <stdio.h>

enum { NONCE_BYTES_MAX = 128 };

void scram_init(struct scram *scram, const char *nonce)
{
    *scram = (struct scram){.state = SCRAM_BEGINS};
    snprintf(scram->nonce, sizeof scram->nonce, "%s", nonce);
}

/* The value of the attribute `letter=` at the start, up to the next comma, which is skipped. */
static bool read_attribute(struct span *message, char letter, struct span *ret_value)
{
    if (message->len < 2 || message->data[0] != (uint8_t)letter || message->data[1] != '=')
        return false;
    struct span value = span_skip(*message, 2);
    const uint8_t *comma = value.len > 0 ? memchr(value.data, ',', value.len) : NULL;
    if (comma)
        value.len = (size_t)(comma - value.data);
    *message = span_skip(*message, 2 + value.len + (comma != NULL));
    *ret_value = value;
    return true;
}

/* A saslname: `=2C` is a comma and `=3D` an equals sign. */
static bool read_name(struct span text, char *ret_name, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char letter = (char)text.data[i];
        if (letter == '=') {
            struct span rest = span_skip(text, i);
            bool is_comma = span_starts_with(rest, SPAN_LITERAL("=2C"));
            if (!is_comma && !span_starts_with(rest, SPAN_LITERAL("=3D")))
                return false;
            letter = is_comma ? ',' : '=';
            i += 2;
        }
        if (len == IDENTITY_NAME_BYTES - 1)
            return false;
        ret_name[len++] = letter;
    }
    *ret_len = len;
    return len > 0;
}

static bool is_printable(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e)
            return false;
    }
    return text.len > 0;
}

/* Whom the Client speaks of, or somebody who is always the same for that name. */
static void find_user(struct scram *scram, const struct passwords *passwords, const uint8_t *fake_key,
                      struct span name, struct password *ret_shown)
{
    scram->password = passwords_find(passwords, name);
    *ret_shown = scram->password ? *scram->password : *passwords_nobody(passwords);
    if (!scram->password) {
        uint8_t hash[HASH_BYTES];
        hash_keyed(fake_key, name, hash);
        memcpy(ret_shown->salt, hash, ret_shown->salt_bytes);
    }
    memcpy(scram->stored_key, ret_shown->stored_key, sizeof scram->stored_key);
    memcpy(scram->server_key, ret_shown->server_key, sizeof scram->server_key);
}

static bool challenge(struct scram *scram, const struct password *shown, struct span bare, struct span nonce)
{
    char salt[128];
    size_t salt_len;
    if (mbedtls_base64_encode((uint8_t *)salt, sizeof salt, &salt_len, shown->salt, shown->salt_bytes) != 0)
        return false;
    snprintf(scram->combined_nonce, sizeof scram->combined_nonce, "%.*s%s", (int)nonce.len,
             (const char *)nonce.data, scram->nonce);
    snprintf(scram->answer, sizeof scram->answer, "r=%s,s=%s,i=%u", scram->combined_nonce, salt,
             (unsigned)shown->iterations);
    int len = snprintf(scram->conversation, sizeof scram->conversation, "%.*s,%s,", (int)bare.len,
                       (const char *)bare.data, scram->answer);
    scram->conversation_len = (size_t)len;
    return len > 0 && (size_t)len < sizeof scram->conversation;
}

/* client-first-message: who the Client is, and its nonce. */
static bool begin(struct scram *scram, const struct passwords *passwords, const uint8_t *fake_key,
                  struct span message)
{
    struct span name_text, nonce, bare;
    char name[IDENTITY_NAME_BYTES];
    size_t name_len;
    struct password shown;
    bool is_none = span_starts_with(message, SPAN_LITERAL("n,,"));
    if (!is_none && !span_starts_with(message, SPAN_LITERAL("y,,"))) /* no binding, and nobody else's name */
        return false;
    snprintf(scram->channel_binding, sizeof scram->channel_binding, "%s", is_none ? "biws" : "eSws");
    bare = message = span_skip(message, 3);
    if (memchr(bare.data, 0, bare.len) || !read_attribute(&message, 'n', &name_text) ||
        !read_name(name_text, name, &name_len) || !read_attribute(&message, 'r', &nonce) ||
        !is_printable(nonce) || nonce.len > NONCE_BYTES_MAX)
        return false;
    find_user(scram, passwords, fake_key, span_of(name, name_len), &shown);
    return challenge(scram, &shown, bare, nonce);
}

/* Whether the proof is that of the stored key. It is compared also for who does not exist. */
static bool prove(struct scram *scram, struct span signed_text, struct span proof_text)
{
    uint8_t proof[PASSWORDS_KEY_BYTES], signature[HASH_BYTES], key[HASH_BYTES];
    size_t proof_len;
    if (mbedtls_base64_decode(proof, sizeof proof, &proof_len, proof_text.data, proof_text.len) != 0 ||
        proof_len != sizeof proof)
        return false;
    hash_keyed(scram->stored_key, signed_text, signature);
    for (size_t i = 0; i < sizeof proof; i++)
        proof[i] ^= signature[i];
    hash_plain(span_of(proof, sizeof proof), key);
    return mbedtls_ct_memcmp(key, scram->stored_key, sizeof key) == 0 && scram->password;
}

/* client-final-message: the proof. */
static bool finish(struct scram *scram, struct span message)
{
    struct span whole = message, binding, nonce, proof = SPAN_EMPTY;
    if (!read_attribute(&message, 'c', &binding) ||
        !span_equal(binding, span_from_string(scram->channel_binding)) ||
        !read_attribute(&message, 'r', &nonce) || !span_equal(nonce, span_from_string(scram->combined_nonce)))
        return false;
    if (!read_attribute(&message, 'p', &proof) || message.len > 0 || proof.len == 0)
        return false; /* extensions would stand before it: none is known */
    struct span without_proof = span_of(whole.data, whole.len - proof.len - strlen(",p="));
    struct writer out = writer_of(scram->conversation, sizeof scram->conversation);
    out.at += scram->conversation_len;
    write_bytes(&out, without_proof);
    if (out.failed || !prove(scram, writer_span(&out), proof))
        return false;
    uint8_t signature[HASH_BYTES];
    size_t len;
    hash_keyed(scram->server_key, writer_span(&out), signature);
    memcpy(scram->answer, "v=", 2);
    if (mbedtls_base64_encode((uint8_t *)scram->answer + 2, sizeof scram->answer - 2, &len, signature,
                              sizeof signature) != 0)
        return false;
    scram->answer[2 + len] = '\0';
    return true;
}

enum scram_state scram_step(struct scram *scram, const struct passwords *passwords, const uint8_t *fake_key,
                            struct span message, struct span *ret_answer)
{
    bool is_good = message.len > 3 && message.len <= SCRAM_MESSAGE_BYTES;
    if (is_good && scram->state == SCRAM_BEGINS && begin(scram, passwords, fake_key, message))
        scram->state = SCRAM_CHALLENGED;
    else if (is_good && scram->state == SCRAM_CHALLENGED && finish(scram, message))
        scram->state = SCRAM_DONE;
    else
        scram->state = SCRAM_FAILED;
    if (scram->state != SCRAM_FAILED)
        *ret_answer = span_from_string(scram->answer);
    return scram->state;
}

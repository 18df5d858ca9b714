#include "app/passwords.h"

#include "app/credentials_hash.h"
#include "base/memory.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef SLUICE_LIBCRYPTO
#    include <openssl/evp.h>
#else
#    include <mbedtls/pkcs5.h>
#endif

#define SCHEME SPAN_LITERAL("SCRAM-SHA-256$")

struct passwords {
    struct password *items; /* by name */
    size_t count;
    struct password nobody;
};

/* ---- One entry ---- */

bool password_name_valid(struct span name)
{
    return identity_name_valid(name) && name.data[0] != '#' && !memchr(name.data, ':', name.len);
}

/* libcrypto takes a third of the time. */
static bool salt_password(struct span given, const struct password *password, uint8_t *ret_salted)
{
#ifdef SLUICE_LIBCRYPTO
    return PKCS5_PBKDF2_HMAC((const char *)given.data, (int)given.len, password->salt,
                             (int)password->salt_bytes, (int)password->iterations, EVP_sha256(),
                             PASSWORDS_KEY_BYTES, ret_salted) == 1;
#else
    return mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, given.data, given.len, password->salt,
                                         password->salt_bytes, password->iterations, PASSWORDS_KEY_BYTES,
                                         ret_salted) == 0;
#endif
}

/* RFC 5802, section 3: the two keys that are stored. */
static void derive(struct span given, const struct password *password, uint8_t *ret_stored_key,
                   uint8_t *ret_server_key)
{
    uint8_t salted[PASSWORDS_KEY_BYTES], client_key[PASSWORDS_KEY_BYTES];
    if (!salt_password(given, password, salted))
        log_fatal("a password cannot be hashed: out of memory");
    hash_keyed(salted, SPAN_LITERAL("Client Key"), client_key);
    hash_plain(span_of(client_key, sizeof client_key), ret_stored_key);
    hash_keyed(salted, SPAN_LITERAL("Server Key"), ret_server_key);
}

static void name_password(struct password *password, struct span name)
{
    uint8_t hash[HASH_BYTES];
    memcpy(password->name, name.data, name.len);
    hash_plain(span_of(password->salt, password->salt_bytes), hash);
    hash_write_hex(hash, password->fingerprint);
}

struct password password_make(struct span name, struct span given, const uint8_t *salt, uint32_t iterations)
{
    struct password password = {.iterations = iterations, .salt_bytes = PASSWORDS_SALT_BYTES};
    memcpy(password.salt, salt, PASSWORDS_SALT_BYTES);
    name_password(&password, name);
    derive(given, &password, password.stored_key, password.server_key);
    return password;
}

/* HMAC fills its key up with zeros, so a password with some behind it would derive the same keys: none has
 * any. */
bool password_matches(const struct password *password, struct span given)
{
    uint8_t stored_key[PASSWORDS_KEY_BYTES], server_key[PASSWORDS_KEY_BYTES];
    derive(given, password, stored_key, server_key);
    bool has_zero = given.len > 0 && memchr(given.data, 0, given.len) != NULL;
    return mbedtls_ct_memcmp(stored_key, password->stored_key, sizeof stored_key) == 0 && !has_zero &&
           password->name[0] != '\0';
}

bool password_is_remembered(const struct password *password, const uint8_t *key, struct span given)
{
    uint8_t hash[HASH_BYTES];
    if (!password->is_remembered)
        return false;
    hash_keyed(key, given, hash);
    return mbedtls_ct_memcmp(hash, password->remembered, sizeof hash) == 0;
}

void password_remember(struct password *password, const uint8_t *key, struct span given)
{
    hash_keyed(key, given, password->remembered);
    password->is_remembered = true;
}

static void write_base64(const uint8_t *bytes, size_t len, struct buffer *out)
{
    char text[128];
    size_t text_len;
    if (mbedtls_base64_encode((uint8_t *)text, sizeof text, &text_len, bytes, len) == 0)
        buffer_append(out, span_of(text, text_len));
}

void password_write(const struct password *password, struct buffer *out)
{
    char number[16];
    snprintf(number, sizeof number, "%u:", (unsigned)password->iterations);
    buffer_append(out, span_from_string(password->name));
    buffer_append(out, SPAN_LITERAL(":"));
    buffer_append(out, SCHEME);
    buffer_append(out, span_from_string(number));
    write_base64(password->salt, password->salt_bytes, out);
    buffer_append(out, SPAN_LITERAL("$"));
    write_base64(password->stored_key, PASSWORDS_KEY_BYTES, out);
    buffer_append(out, SPAN_LITERAL(":"));
    write_base64(password->server_key, PASSWORDS_KEY_BYTES, out);
    buffer_append(out, SPAN_LITERAL("\n"));
}

/* ---- The file ---- */

/* What stands before `end`, which is skipped; false: there is no `end`. */
static bool cut(struct span *text, char end, struct span *ret_part)
{
    const uint8_t *at = text->len > 0 ? memchr(text->data, end, text->len) : NULL;
    if (!at)
        return false;
    *ret_part = span_of(text->data, (size_t)(at - text->data));
    *text = span_skip(*text, ret_part->len + 1);
    return true;
}

static bool read_base64(struct span text, uint8_t *bytes, size_t capacity, size_t *ret_len)
{
    return text.len > 0 && mbedtls_base64_decode(bytes, capacity, ret_len, text.data, text.len) == 0;
}

static bool read_iterations(struct span text, uint32_t *ret_iterations)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > PASSWORDS_ITERATIONS_MAX)
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_iterations = (uint32_t)number;
    return number >= PASSWORDS_ITERATIONS_MIN && number <= PASSWORDS_ITERATIONS_MAX;
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct span line, struct password *ret_password)
{
    struct span name, iterations, salt, stored_key;
    size_t stored_bytes, server_bytes;
    if (!cut(&line, ':', &name) || !password_name_valid(name))
        return "the name is none; allowed: 1 to 128 characters without : and control characters";
    if (!span_starts_with(line, SCHEME))
        return "the secret is of another kind; allowed: SCRAM-SHA-256$..., as `sluice passwd` writes it";
    line = span_skip(line, SCHEME.len);
    if (!cut(&line, ':', &iterations) || !read_iterations(iterations, &ret_password->iterations))
        return "the number of iterations is none; allowed: 4096 to 10000000";
    if (!cut(&line, '$', &salt) ||
        !read_base64(salt, ret_password->salt, sizeof ret_password->salt, &ret_password->salt_bytes))
        return "the salt is none; allowed: 1 to 64 bytes in Base64";
    if (!cut(&line, ':', &stored_key) ||
        !read_base64(stored_key, ret_password->stored_key, PASSWORDS_KEY_BYTES, &stored_bytes) ||
        !read_base64(line, ret_password->server_key, PASSWORDS_KEY_BYTES, &server_bytes) ||
        stored_bytes != PASSWORDS_KEY_BYTES || server_bytes != PASSWORDS_KEY_BYTES)
        return "the keys are none; allowed: two of 32 bytes in Base64, with : between them";
    name_password(ret_password, name);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct password *)a)->name, ((const struct password *)b)->name);
}

static void add(struct passwords *passwords, const struct password *password)
{
    if ((passwords->count & (passwords->count - 1)) == 0)
        passwords->items = memory_resize(passwords->items, (passwords->count ? passwords->count * 2 : 1) *
                                                               sizeof *passwords->items);
    passwords->items[passwords->count++] = *password;
}

/* Sorts them; an unknown user is hashed as often as the first known one. */
static enum sluice_error settle(struct passwords *passwords, const char *file, char *ret_text)
{
    passwords->nobody =
        (struct password){.iterations = PASSWORDS_ITERATIONS, .salt_bytes = PASSWORDS_SALT_BYTES};
    if (passwords->count == 0)
        return SLUICE_OK;
    passwords->nobody.iterations = passwords->items[0].iterations;
    qsort(passwords->items, passwords->count, sizeof *passwords->items, by_name);
    for (size_t i = 1; i < passwords->count; i++) {
        if (by_name(&passwords->items[i - 1], &passwords->items[i]) == 0) {
            snprintf(ret_text, PASSWORDS_TEXT_BYTES, "%s: %s is there twice; allowed: once", file,
                     passwords->items[i].name);
            return SLUICE_INVALID;
        }
    }
    return SLUICE_OK;
}

enum sluice_error passwords_parse(struct span text, const char *file, struct passwords **ret_passwords,
                                  char *ret_text)
{
    struct passwords *passwords = memory_new(sizeof *passwords);
    const char *wrong = NULL;
    unsigned number = 0;
    while (text.len > 0 && !wrong) {
        struct span line;
        struct password password = {0};
        if (!cut(&text, '\n', &line)) {
            line = text;
            text = SPAN_EMPTY;
        }
        number++;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        wrong = read_line(line, &password);
        if (!wrong)
            add(passwords, &password);
    }
    if (wrong)
        snprintf(ret_text, PASSWORDS_TEXT_BYTES, "%s:%u: %s", file, number, wrong);
    if (wrong || settle(passwords, file, ret_text)) {
        passwords_free(passwords);
        return SLUICE_INVALID;
    }
    *ret_passwords = passwords;
    return SLUICE_OK;
}

void passwords_free(struct passwords *passwords)
{
    if (!passwords)
        return;
    memory_free(passwords->items);
    memory_free(passwords);
}

struct password *passwords_find(const struct passwords *passwords, struct span name)
{
    struct password wanted;
    if (passwords->count == 0 || name.len >= sizeof wanted.name ||
        (name.len > 0 && memchr(name.data, 0, name.len)))
        return NULL;
    memcpy(wanted.name, name.len > 0 ? (const char *)name.data : "", name.len);
    wanted.name[name.len] = '\0';
    return bsearch(&wanted, passwords->items, passwords->count, sizeof *passwords->items, by_name);
}

const struct password *passwords_nobody(const struct passwords *passwords)
{
    return &passwords->nobody;
}

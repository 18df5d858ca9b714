/*
 * What a Client says who it is by, and the password file. The first byte picks:
 * a password file; the messages of a SCRAM conversation, a line each; a token as it
 * comes; or the header and payload of a token, a line each, which are signed here,
 * so that no input is lost on the signature.
 */
#include "app/scram.h"
#include "app/token.h"
#include "base/memory.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1700000000, SKEW_S = 60 };

static const char secret[] = "a secret that has 32 bytes and more";

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct span next_line(struct span *input)
{
    const uint8_t *end = input->len > 0 ? memchr(input->data, '\n', input->len) : NULL;
    struct span line = span_of(input->data, end ? (size_t)(end - input->data) : input->len);
    *input = span_skip(*input, end ? line.len + 1 : line.len);
    return line;
}

/* ---- Passwords ---- */

/* What is found is written as a line that says the same. */
static void check_entry(const struct password *password)
{
    char text[PASSWORDS_TEXT_BYTES];
    struct passwords *again;
    struct buffer line = {0}, second = {0};
    password_write(password, &line);
    require(passwords_parse(buffer_span(&line), "again", &again, text) == SLUICE_OK);
    const struct password *same = passwords_find(again, span_from_string(password->name));
    require(same != NULL);
    password_write(same, &second);
    require(span_equal(buffer_span(&line), buffer_span(&second)));
    passwords_free(again);
    buffer_fini(&line);
    buffer_fini(&second);
}

static void try_password_file(struct span input)
{
    char text[PASSWORDS_TEXT_BYTES] = "";
    struct passwords *passwords;
    if (passwords_parse(input, "passwords", &passwords, text) != SLUICE_OK) {
        require(text[0] != '\0');
        return;
    }
    while (input.len > 0) {
        struct span line = next_line(&input);
        const uint8_t *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
        const struct password *password =
            colon ? passwords_find(passwords, span_of(line.data, (size_t)(colon - line.data))) : NULL;
        if (password)
            check_entry(password);
    }
    passwords_free(passwords);
}

static struct passwords *one_user(void)
{
    static struct passwords *passwords;
    uint8_t salt[PASSWORDS_SALT_BYTES] = {1, 2, 3};
    char text[PASSWORDS_TEXT_BYTES];
    if (passwords)
        return passwords;
    struct buffer line = {0};
    struct password password =
        password_make(SPAN_LITERAL("user"), SPAN_LITERAL("pencil"), salt, PASSWORDS_ITERATIONS_MIN);
    password_write(&password, &line);
    require(passwords_parse(buffer_span(&line), "one", &passwords, text) == SLUICE_OK);
    buffer_fini(&line);
    return passwords;
}

/* Nobody gets in who does not have the password; a conversation that failed stays so. */
static void try_scram(struct span input)
{
    static const uint8_t fake_key[32] = {7};
    struct scram scram;
    struct span answer;
    scram_init(&scram, "0123456789abcdefghijklmnopqrst");
    bool failed = false;
    for (int step = 0; step < 4; step++) {
        enum scram_state state = scram_step(&scram, one_user(), fake_key, next_line(&input), &answer);
        require(state == SCRAM_CHALLENGED || state == SCRAM_FAILED);
        require(!failed || state == SCRAM_FAILED);
        require(state == SCRAM_FAILED || (answer.len > 0 && answer.len <= SCRAM_MESSAGE_BYTES));
        failed = state == SCRAM_FAILED;
    }
}

/* ---- Tokens ---- */

static struct token_issuer *issuer(void)
{
    static struct token_issuer *made;
    char text[TOKEN_TEXT_BYTES], file[] = "/tmp/credentials_fuzz.XXXXXX";
    if (made)
        return made;
    int fd = mkstemp(file);
    require(fd >= 0 && write(fd, secret, sizeof secret - 1) == (ssize_t)sizeof secret - 1);
    struct config_token config = {
        .issuer = "https://id.example", .audience = "sluice", .algorithm = CONFIG_TOKEN_HS256, .key = file};
    require(token_issuer_new(&config, &made, text) == SLUICE_OK);
    close(fd);
    unlink(file);
    return made;
}

static void try_token(struct span token)
{
    struct identity identity = {.kind = IDENTITY_ANONYMOUS};
    uint64_t expires_s = 0;
    const char *wrong = token_verify(issuer(), token, NOW_S, SKEW_S, &identity, &expires_s);
    require(wrong || token_has_form(token));
    require(wrong || (identity.name[0] != '\0' && expires_s + SKEW_S >= NOW_S));
}

static void append_base64url(struct buffer *out, struct span bytes)
{
    size_t capacity = bytes.len * 4 / 3 + 8, len = 0;
    uint8_t *text = memory_new(capacity);
    require(mbedtls_base64_encode(text, capacity, &len, bytes.data, bytes.len) == 0);
    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    buffer_append(out, span_of(text, len));
    memory_free(text);
}

static void try_signed_token(struct span input)
{
    struct buffer token = {0};
    uint8_t signature[32];
    append_base64url(&token, next_line(&input));
    buffer_append(&token, SPAN_LITERAL("."));
    append_base64url(&token, input);
    require(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const uint8_t *)secret,
                            sizeof secret - 1, buffer_span(&token).data, buffer_len(&token), signature) == 0);
    buffer_append(&token, SPAN_LITERAL("."));
    append_base64url(&token, span_of(signature, sizeof signature));
    try_token(buffer_span(&token));
    buffer_fini(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct span input) = {try_password_file, try_scram, try_token,
                                                       try_signed_token};
    if (size > 0)
        tries[data[0] % 4](span_of(data + 1, size - 1));
    return 0;
}

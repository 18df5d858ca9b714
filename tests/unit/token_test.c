/* JSON Web Tokens: those of the configured issuer, and every way to be none. */
#include "app/token.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <mbedtls/base64.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>

#include "app/credentials_hash.h"

enum { NOW_S = 1700000000, SKEW_S = 30, TEXT_BYTES = 4 * TOKEN_BYTES };

#define SECRET "a secret of at least thirty-two bytes"
#define GOOD   "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"ann\",\"exp\":1700000060}"

/* ---- Keys and signing ---- */

struct keys {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context ec, rsa, other_ec;
    char folder[64];
};

static void make_ec(struct keys *keys, mbedtls_pk_context *key, mbedtls_ecp_group_id group)
{
    mbedtls_pk_init(key);
    assert_int_equal(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(group, mbedtls_pk_ec(*key), mbedtls_ctr_drbg_random, &keys->random),
                     0);
}

static char *path_of(const struct keys *keys, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", keys->folder, name);
    return path;
}

static void write_file(const struct keys *keys, const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(path_of(keys, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void write_public(const struct keys *keys, const char *name, const mbedtls_pk_context *key)
{
    unsigned char pem[2048];
    assert_int_equal(mbedtls_pk_write_pubkey_pem(key, pem, sizeof pem), 0);
    write_file(keys, name, pem, strlen((char *)pem));
}

/* By openssl: our mbedTLS has no code to make RSA keys. */
static void make_rsa(struct keys *keys)
{
    char command[256];
    snprintf(command, sizeof command, "openssl genrsa -out %s 2048 2> /dev/null", path_of(keys, "rsa.key"));
    assert_int_equal(system(command), 0);
    assert_int_equal(mbedtls_pk_parse_keyfile(&keys->rsa, path_of(keys, "rsa.key"), NULL,
                                              mbedtls_ctr_drbg_random, &keys->random),
                     0);
}

static int make_keys(void **state)
{
    struct keys *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    mbedtls_entropy_init(&keys->entropy);
    mbedtls_ctr_drbg_init(&keys->random);
    assert_int_equal(mbedtls_ctr_drbg_seed(&keys->random, mbedtls_entropy_func, &keys->entropy, NULL, 0), 0);
    snprintf(keys->folder, sizeof keys->folder, "/tmp/token_test.XXXXXX");
    assert_non_null(mkdtemp(keys->folder));
    make_ec(keys, &keys->ec, MBEDTLS_ECP_DP_SECP256R1);
    make_ec(keys, &keys->other_ec, MBEDTLS_ECP_DP_SECP384R1);
    mbedtls_pk_init(&keys->rsa);
    make_rsa(keys);
    write_public(keys, "ec.pem", &keys->ec);
    write_public(keys, "rsa.pem", &keys->rsa);
    write_public(keys, "p384.pem", &keys->other_ec);
    write_file(keys, "secret", SECRET "\n", strlen(SECRET) + 1);
    write_file(keys, "short", "short\n", 6);
    write_file(keys, "empty", "", 0);
    *state = keys;
    return 0;
}

static int remove_keys(void **state)
{
    static const char *const names[] = {"ec.pem", "rsa.pem", "p384.pem", "secret",
                                        "short",  "empty",   "rsa.key"};
    struct keys *keys = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(keys, names[i]));
    rmdir(keys->folder);
    mbedtls_pk_free(&keys->ec);
    mbedtls_pk_free(&keys->other_ec);
    mbedtls_pk_free(&keys->rsa);
    mbedtls_ctr_drbg_free(&keys->random);
    mbedtls_entropy_free(&keys->entropy);
    free(keys);
    return 0;
}

static void append_base64url(char *text, const void *bytes, size_t len)
{
    char *at = text + strlen(text);
    size_t written;
    assert_int_equal(
        mbedtls_base64_encode((unsigned char *)at, TEXT_BYTES - strlen(text), &written, bytes, len), 0);
    for (; *at && *at != '='; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    *at = '\0';
}

/* Signs `text` by what the letter says: E, R, H with the secret, P: HMAC with the RSA key's PEM. */
static size_t sign(struct keys *keys, char how, const char *text, uint8_t *signature)
{
    uint8_t hash[HASH_BYTES], der[256];
    unsigned char pem[2048] = SECRET;
    size_t len = 0;
    hash_plain(span_from_string(text), hash);
    if (how == 'E') {
        assert_int_equal(mbedtls_pk_sign(&keys->ec, MBEDTLS_MD_SHA256, hash, sizeof hash, der, sizeof der,
                                         &len, mbedtls_ctr_drbg_random, &keys->random),
                         0);
        assert_int_equal(mbedtls_ecdsa_der_to_raw(256, der, len, signature, 64, &len), 0);
        return len;
    }
    if (how == 'R') {
        assert_int_equal(mbedtls_pk_sign(&keys->rsa, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, 512,
                                         &len, mbedtls_ctr_drbg_random, &keys->random),
                         0);
        return len;
    }
    if (how == 'P')
        assert_int_equal(mbedtls_pk_write_pubkey_pem(&keys->rsa, pem, sizeof pem), 0);
    assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), pem, strlen((char *)pem),
                                     (const unsigned char *)text, strlen(text), signature),
                     0);
    return HASH_BYTES;
}

static char *make_token(struct keys *keys, const char *header, const char *payload, char how)
{
    static char text[TEXT_BYTES];
    uint8_t signature[512];
    text[0] = '\0';
    append_base64url(text, header, strlen(header));
    strcat(text, ".");
    append_base64url(text, payload, strlen(payload));
    size_t len = how == '-' ? 0 : sign(keys, how, text, signature);
    strcat(text, ".");
    append_base64url(text, signature, len);
    return text;
}

static struct token_issuer *issuer_of(const struct keys *keys, enum config_token_algorithm algorithm,
                                      const char *file)
{
    char wrong[TOKEN_TEXT_BYTES];
    struct config_token config = {
        .issuer = "i", .audience = "a", .algorithm = algorithm, .key = path_of(keys, file)};
    struct token_issuer *issuer;
    if (token_issuer_new(&config, &issuer, wrong))
        fail_msg("%s", wrong);
    return issuer;
}

static const char *verify(const struct token_issuer *issuer, const char *token)
{
    struct identity identity = {.kind = IDENTITY_UNKNOWN};
    uint64_t expires_s = 0;
    const char *wrong = token_verify(issuer, span_from_string(token), NOW_S, SKEW_S, &identity, &expires_s);
    if (wrong) {
        assert_int_equal(identity.kind, IDENTITY_UNKNOWN);
        return wrong;
    }
    assert_int_equal(identity.kind, IDENTITY_TOKEN);
    assert_string_equal(identity.fingerprint, token_issuer_fingerprint(issuer));
    assert_true(expires_s > NOW_S);
    return identity.name[0] ? NULL : "no name";
}

/* ---- What is right ---- */

static const struct {
    enum config_token_algorithm algorithm;
    const char *file, *header;
    char how;
} algorithms[] = {{CONFIG_TOKEN_ES256, "ec.pem", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"1\"}", 'E'},
                  {CONFIG_TOKEN_RS256, "rsa.pem", "{\"typ\":\"JWT\",\"alg\":\"RS256\"}", 'R'},
                  {CONFIG_TOKEN_HS256, "secret", "{\"alg\":\"HS256\"}", 'H'}};

enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms };

static void a_token_of_each_algorithm_is_taken(void **state)
{
    struct keys *keys = *state;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        struct token_issuer *issuer = issuer_of(keys, algorithms[i].algorithm, algorithms[i].file);
        char *token = make_token(keys, algorithms[i].header, GOOD, algorithms[i].how);
        assert_true(token_has_form(span_from_string(token)));
        const char *wrong = verify(issuer, token);
        if (wrong)
            fail_msg("%s: %s", algorithms[i].header, wrong);
        token[strlen(token) / 2] ^= 1; /* any other bit, in the payload */
        assert_non_null(verify(issuer, token));
        token_issuer_free(issuer);
    }
}

struct verifier {
    pthread_t thread;
    const struct token_issuer *issuer;
    const char *token;
    size_t taken;
};

static void *verify_often(void *ctx)
{
    struct verifier *verifier = ctx;
    for (int i = 0; i < 20; i++) {
        struct identity identity;
        uint64_t expires_s;
        verifier->taken += !token_verify(verifier->issuer, span_from_string(verifier->token), NOW_S, SKEW_S,
                                         &identity, &expires_s);
    }
    return NULL;
}

/* One issuer's key, which the library calls by a pointer that is not const: ThreadSanitizer watches. */
static void several_threads_verify_at_once(void **state)
{
    struct keys *keys = *state;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        struct token_issuer *issuer = issuer_of(keys, algorithms[i].algorithm, algorithms[i].file);
        struct verifier verifiers[4];
        char *token = make_token(keys, algorithms[i].header, GOOD, algorithms[i].how);
        for (size_t j = 0; j < 4; j++) {
            verifiers[j] = (struct verifier){.issuer = issuer, .token = token};
            assert_int_equal(pthread_create(&verifiers[j].thread, NULL, verify_often, &verifiers[j]), 0);
        }
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(pthread_join(verifiers[j].thread, NULL), 0);
            assert_int_equal(verifiers[j].taken, 20);
        }
        token_issuer_free(issuer);
    }
}

/* ---- What is wrong ---- */

/* Whoever signs it, the algorithm is the configuration's. */
static void the_algorithm_is_not_the_tokens_choice(void **state)
{
    struct keys *keys = *state;
    static const struct {
        const char *header;
        char how;
    } table[] = {{"{\"alg\":\"none\"}", '-'},    {"{\"alg\":\"none\"}", 'R'},
                 {"{\"alg\":\"None\"}", '-'},    {"{\"alg\":\"HS256\"}", 'P'},
                 {"{\"alg\":\"rs256\"}", 'R'},   {"{\"alg\":\"ES256\"}", 'E'},
                 {"{\"alg\":[\"RS256\"]}", 'R'}, {"{\"typ\":\"JWT\"}", 'R'},
                 {"[\"RS256\"]", 'R'},           {"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", 'R'},
                 {"{\"alg\":\"RS256\"", 'R'},    {"{\"alg\":\"RS256\"}", 'H'},
                 {"{\"alg\":\"RS256\"}", 'E'},   {"{\"alg\":\"RS256\"}{}", 'R'}};
    struct token_issuer *issuer = issuer_of(keys, CONFIG_TOKEN_RS256, "rsa.pem");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!verify(issuer, make_token(keys, table[i].header, GOOD, table[i].how)))
            fail_msg("taken: %s by %c", table[i].header, table[i].how);
    }
    token_issuer_free(issuer);
}

static void claims_are_all_checked(void **state)
{
    struct keys *keys = *state;
#define CLAIMS(rest) "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\"," rest "}"
    static const struct {
        const char *payload, *says; /* NULL: it is taken */
    } table[] = {
        {CLAIMS("\"exp\":1700000060"), NULL},
        {CLAIMS("\"exp\":1700000060.5,\"nbf\":1699999999,\"iat\":1699999999"), NULL},
        {CLAIMS("\"exp\":1699999971"), NULL}, /* within the skew */
        {CLAIMS("\"exp\":1e300"), NULL},
        {CLAIMS("\"exp\":1699999970"), "expired"},
        {CLAIMS("\"exp\":-1"), "no time of expiry"},
        {CLAIMS("\"exp\":\"1700000060\""), "no time of expiry"},
        {CLAIMS("\"exp\":null"), "no time of expiry"},
        {CLAIMS("\"iat\":1"), "no time of expiry"},
        {CLAIMS("\"exp\":1700000060,\"nbf\":1700000030"), NULL},
        {CLAIMS("\"exp\":1700000060,\"nbf\":1700000031"), "not valid yet"},
        {CLAIMS("\"exp\":1700000060,\"nbf\":\"now\""), "not valid yet"},
        {CLAIMS("\"exp\":1700000060,\"iat\":1700000031"), "in the future"},
        {"{\"iss\":\"j\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000060}", "issuer"},
        {"{\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000060}", "issuer"},
        {"{\"iss\":\"i\",\"aud\":[\"b\",\"a\"],\"sub\":\"s\",\"exp\":1700000060}", NULL},
        {"{\"iss\":\"i\",\"aud\":[\"b\",1],\"sub\":\"s\",\"exp\":1700000060}", "audience"},
        {"{\"iss\":\"i\",\"aud\":{\"a\":\"a\"},\"sub\":\"s\",\"exp\":1700000060}", "audience"},
        {"{\"iss\":\"i\",\"aud\":\"ab\",\"sub\":\"s\",\"exp\":1700000060}", "audience"},
        {"{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1700000060}", "audience"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1700000060}", "subject"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"\",\"exp\":1700000060}", "subject"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":7,\"exp\":1700000060}", "subject"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"a\\nb\",\"exp\":1700000060}", "subject"},
        {"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"a\\u0000b\",\"exp\":1700000060}", "no JSON object"},
        {"{\"iss\":\"i\\u0000j\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000060}", "no JSON object"},
        {"\"i\"", "no JSON object"},
        {"{", "no JSON object"},
    };
    struct token_issuer *issuer = issuer_of(keys, CONFIG_TOKEN_ES256, "ec.pem");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *wrong = verify(issuer, make_token(keys, "{\"alg\":\"ES256\"}", table[i].payload, 'E'));
        bool as_wanted = table[i].says ? wrong && strstr(wrong, table[i].says) : !wrong;
        if (!as_wanted)
            fail_msg("%s: %s", table[i].payload, wrong ? wrong : "taken");
    }
    token_issuer_free(issuer);
}

static void broken_forms_are_refused(void **state)
{
    struct keys *keys = *state;
    static const char *const fixed[] = {"",
                                        ".",
                                        "..",
                                        "a.b",
                                        "a.b.c.d",
                                        "a..c",
                                        ".b.c",
                                        "a.b.",
                                        "a b.c.d",
                                        "a.b=.c",
                                        "a+.b.c",
                                        "a.b/.c",
                                        "eyJhbGciOiJIUzI1NiJ9.e30",
                                        "eyJhbGciOiJIUzI1NiJ9.e30."};
    struct token_issuer *issuer = issuer_of(keys, CONFIG_TOKEN_HS256, "secret");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (!verify(issuer, fixed[i]))
            fail_msg("taken: %s", fixed[i]);
    }
    char whole[TEXT_BYTES];
    snprintf(whole, sizeof whole, "%s", make_token(keys, "{\"alg\":\"HS256\"}", GOOD, 'H'));
    assert_null(verify(issuer, whole));
    for (size_t len = strlen(whole) - 1; len > 0; len--) { /* cut off anywhere */
        whole[len] = '\0';
        assert_non_null(verify(issuer, whole));
    }
    token_issuer_free(issuer);
}

static void a_huge_token_is_refused(void **state)
{
    struct keys *keys = *state;
    struct token_issuer *issuer = issuer_of(keys, CONFIG_TOKEN_HS256, "secret");
    char *payload = malloc(2 * TOKEN_BYTES);
    assert_non_null(payload);
    for (size_t padding = TOKEN_BYTES / 2; padding < TOKEN_BYTES; padding += TOKEN_BYTES / 4) {
        size_t len = strlen(GOOD) - 1;
        memcpy(payload, GOOD, len);
        memset(payload + len, ' ', padding);
        strcpy(payload + len + padding, "}");
        const char *wrong = verify(issuer, make_token(keys, "{\"alg\":\"HS256\"}", payload, 'H'));
        assert_true(padding == TOKEN_BYTES / 2 ? !wrong : wrong != NULL);
    }
    memset(payload, '[', TOKEN_BYTES / 2); /* nested deeper than anybody means */
    payload[TOKEN_BYTES / 2] = '\0';
    assert_non_null(verify(issuer, make_token(keys, "{\"alg\":\"HS256\"}", payload, 'H')));
    free(payload);
    token_issuer_free(issuer);
}

static void a_key_must_be_of_its_algorithm(void **state)
{
    struct keys *keys = *state;
    static const struct {
        enum config_token_algorithm algorithm;
        const char *file, *says;
    } table[] = {
        {CONFIG_TOKEN_HS256, "rsa.pem", "PEM file, which is no secret"}, /* anybody has a public key */
        {CONFIG_TOKEN_HS256, "short", "too short"},
        {CONFIG_TOKEN_HS256, "empty", "too short"},
        {CONFIG_TOKEN_ES256, "rsa.pem", "no key of ES256"},
        {CONFIG_TOKEN_ES256, "p384.pem", "no key of ES256"},
        {CONFIG_TOKEN_RS256, "ec.pem", "no key of RS256"},
        {CONFIG_TOKEN_RS256, "secret", "no public key"},
        {CONFIG_TOKEN_ES256, "empty", "no public key"},
        {CONFIG_TOKEN_ES256, "absent", "cannot be read"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char wrong[TOKEN_TEXT_BYTES] = "";
        struct config_token config = {.issuer = "i",
                                      .audience = "a",
                                      .algorithm = table[i].algorithm,
                                      .key = path_of(keys, table[i].file)};
        struct token_issuer *issuer;
        if (!token_issuer_new(&config, &issuer, wrong) || !strstr(wrong, table[i].says))
            fail_msg("%s: %s", table[i].file, wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_of_each_algorithm_is_taken),
        cmocka_unit_test(several_threads_verify_at_once),
        cmocka_unit_test(the_algorithm_is_not_the_tokens_choice),
        cmocka_unit_test(claims_are_all_checked),
        cmocka_unit_test(broken_forms_are_refused),
        cmocka_unit_test(a_huge_token_is_refused),
        cmocka_unit_test(a_key_must_be_of_its_algorithm),
    };
    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}

#include "app/token.h"

#include "app/credentials_hash.h"
#include "app/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/psa_util.h>
#include <string.h>

enum {
    KEY_FILE_BYTES = 64 * 1024,
    RSA_BITS_MIN = 2048,
    SIGNATURE_BYTES = 1024, /* RSA with 8,192 bits */
    ES256_BITS = 256,
    ES256_SIGNATURE_BYTES = 64,
};

struct token_issuer {
    char *issuer, *audience;
    enum config_token_algorithm algorithm;
    mbedtls_pk_context key;
    struct buffer secret; /* HS256 */
    char fingerprint[IDENTITY_FINGERPRINT_BYTES];
};

static const char *const algorithm_names[] = {
    [CONFIG_TOKEN_ES256] = "ES256", [CONFIG_TOKEN_RS256] = "RS256", [CONFIG_TOKEN_HS256] = "HS256"};

/* ---- Issuers ---- */

static void wipe(struct buffer *buffer)
{
    if (buffer->data)
        mbedtls_platform_zeroize(buffer->data, buffer->capacity);
    buffer_fini(buffer);
}

static enum sluice_error invalid(char *ret_text, const char *file, const char *what)
{
    snprintf(ret_text, TOKEN_TEXT_BYTES, "%s %s", file, what);
    return SLUICE_INVALID;
}

/* The secret is the file's bytes, but for the end of its line. */
static enum sluice_error take_secret(struct token_issuer *issuer, struct span bytes, const char *file,
                                     char *ret_text)
{
    bool ends_line = bytes.data && bytes.len > 0 && bytes.data[bytes.len - 1] == '\n';
    bytes.len -= ends_line;
    if (!bytes.data || bytes.len < HASH_BYTES)
        return invalid(ret_text, file, "is too short for HS256; allowed: a secret of at least 32 bytes");
    if (span_starts_with(bytes, SPAN_LITERAL("-----BEGIN")))
        return invalid(ret_text, file, "is a PEM file, which is no secret; allowed for HS256: a random text");
    buffer_append(&issuer->secret, bytes);
    return SLUICE_OK;
}

/* `pem` ends with NUL, as mbedTLS wants it. */
static enum sluice_error take_public_key(struct token_issuer *issuer, struct span pem, const char *file,
                                         char *ret_text)
{
    if (mbedtls_pk_parse_public_key(&issuer->key, pem.data, pem.len) != 0)
        return invalid(ret_text, file, "is no public key; allowed: PEM, BEGIN PUBLIC KEY");
    mbedtls_pk_type_t type = mbedtls_pk_get_type(&issuer->key);
    size_t bits = mbedtls_pk_get_bitlen(&issuer->key);
    if (issuer->algorithm == CONFIG_TOKEN_ES256) {
        mbedtls_ecp_group_id group = type == MBEDTLS_PK_ECKEY
                                         ? mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(issuer->key))
                                         : MBEDTLS_ECP_DP_NONE;
        if (group != MBEDTLS_ECP_DP_SECP256R1)
            return invalid(ret_text, file, "is no key of ES256; allowed: one on the curve P-256");
    } else if (type != MBEDTLS_PK_RSA || bits < RSA_BITS_MIN) {
        return invalid(ret_text, file, "is no key of RS256; allowed: RSA with at least 2048 bits");
    }
    return SLUICE_OK;
}

static enum sluice_error read_key(struct token_issuer *issuer, const char *file, struct buffer *content,
                                  char *ret_text)
{
    enum sluice_error error = file_read(file, KEY_FILE_BYTES, content);
    if (error) {
        snprintf(ret_text, TOKEN_TEXT_BYTES, "%s cannot be read: %s", file,
                 error == SLUICE_TOO_LARGE ? "it is too large for a key" : strerror(errno));
        return error;
    }
    struct span bytes = buffer_span(content);
    if (issuer->algorithm == CONFIG_TOKEN_HS256)
        return take_secret(issuer, bytes, file, ret_text);
    buffer_append(content, SPAN_LITERAL("\0"));
    return take_public_key(issuer, buffer_span(content), file, ret_text);
}

/* Each part with its NUL, so that none runs into the next. */
static void take_fingerprint(struct token_issuer *issuer, struct span key)
{
    struct buffer all = {0};
    uint8_t hash[HASH_BYTES];
    const char *algorithm = algorithm_names[issuer->algorithm];
    buffer_append(&all, span_of(issuer->issuer, strlen(issuer->issuer) + 1));
    buffer_append(&all, span_of(issuer->audience, strlen(issuer->audience) + 1));
    buffer_append(&all, span_of(algorithm, strlen(algorithm) + 1));
    hash_plain(key, hash);
    buffer_append(&all, span_of(hash, sizeof hash));
    hash_plain(buffer_span(&all), hash);
    hash_write_hex(hash, issuer->fingerprint);
    buffer_fini(&all);
}

enum sluice_error token_issuer_new(const struct config_token *config, struct token_issuer **ret_issuer,
                                   char *ret_text)
{
    struct token_issuer *issuer = memory_new(sizeof *issuer);
    struct buffer content = {0};
    mbedtls_pk_init(&issuer->key);
    issuer->issuer = memory_string(span_from_string(config->issuer));
    issuer->audience = memory_string(span_from_string(config->audience));
    issuer->algorithm = config->algorithm;
    enum sluice_error error = read_key(issuer, config->key, &content, ret_text);
    if (!error)
        take_fingerprint(issuer, buffer_span(&content));
    wipe(&content);
    if (error)
        token_issuer_free(issuer);
    else
        *ret_issuer = issuer;
    return error;
}

void token_issuer_free(struct token_issuer *issuer)
{
    if (!issuer)
        return;
    mbedtls_pk_free(&issuer->key);
    wipe(&issuer->secret);
    memory_free(issuer->issuer);
    memory_free(issuer->audience);
    memory_free(issuer);
}

const char *token_issuer_fingerprint(const struct token_issuer *issuer)
{
    return issuer->fingerprint;
}

/* ---- The three parts ---- */

struct parts {
    struct span header, payload, signature;
    struct span signed_text; /* header and payload with the dot between them */
};

static bool is_base64url(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_'))
            return false;
    }
    return text.len > 0;
}

static bool split(struct span token, struct parts *ret_parts)
{
    const uint8_t *first = token.len > 0 ? memchr(token.data, '.', token.len) : NULL;
    const uint8_t *last = token.len > 0 ? memrchr(token.data, '.', token.len) : NULL;
    if (!first || first == last || token.len > TOKEN_BYTES)
        return false;
    ret_parts->signed_text = span_of(token.data, (size_t)(last - token.data));
    ret_parts->header = span_of(token.data, (size_t)(first - token.data));
    ret_parts->payload = span_of(first + 1, (size_t)(last - first) - 1);
    ret_parts->signature = span_skip(token, ret_parts->signed_text.len + 1);
    return is_base64url(ret_parts->header) && is_base64url(ret_parts->payload) &&
           is_base64url(ret_parts->signature);
}

bool token_has_form(struct span text)
{
    struct parts parts;
    return split(text, &parts);
}

/* base64url without padding, as RFC 7515 has it. */
static bool decode(struct span text, uint8_t *bytes, size_t capacity, size_t *ret_len)
{
    uint8_t plain[TOKEN_BYTES + 4];
    size_t len = text.len;
    for (size_t i = 0; i < len; i++)
        plain[i] = text.data[i] == '-' ? '+' : text.data[i] == '_' ? '/' : text.data[i];
    while (len % 4 != 0)
        plain[len++] = '=';
    return mbedtls_base64_decode(bytes, capacity, ret_len, plain, len) == 0;
}

/* cJSON's texts end at a NUL: "ann\u0000x" would pass for ann. */
static bool has_nul(const uint8_t *json, size_t len)
{
    static const char escaped[] = "\\u0000";
    return memchr(json, 0, len) || memmem(json, len, escaped, strlen(escaped));
}

static cJSON *decode_json(struct span text)
{
    uint8_t bytes[TOKEN_BYTES];
    size_t len;
    if (!decode(text, bytes, sizeof bytes, &len) || has_nul(bytes, len))
        return NULL;
    const char *end;
    cJSON *json = cJSON_ParseWithLengthOpts((const char *)bytes, len, &end, 0);
    bool is_whole = json && end == (const char *)bytes + len;
    if (is_whole && cJSON_IsObject(json))
        return json;
    cJSON_Delete(json);
    return NULL;
}

/* ---- The checks ---- */

static bool is_text(const cJSON *item, const char *wanted)
{
    return cJSON_IsString(item) && strcmp(item->valuestring, wanted) == 0;
}

static const char *check_header(const struct token_issuer *issuer, struct span text)
{
    cJSON *header = decode_json(text);
    const char *wrong = NULL;
    if (!header)
        wrong = "the token's header is no JSON object";
    else if (!is_text(cJSON_GetObjectItemCaseSensitive(header, "alg"), algorithm_names[issuer->algorithm]))
        wrong = "the token's algorithm is not the configured one";
    else if (cJSON_GetObjectItemCaseSensitive(header, "crit"))
        wrong = "the token has critical extensions";
    cJSON_Delete(header);
    return wrong;
}

/* The signature is two numbers of 32 bytes; mbedTLS wants them in DER. */
static bool verify_es256(const struct token_issuer *issuer, const uint8_t *hash, const uint8_t *signature,
                         size_t len)
{
    uint8_t der[2 * ES256_SIGNATURE_BYTES];
    size_t der_len;
    mbedtls_pk_context *key = (mbedtls_pk_context *)&issuer->key; /* verifying does not change it */
    return len == ES256_SIGNATURE_BYTES &&
           mbedtls_ecdsa_raw_to_der(ES256_BITS, signature, len, der, sizeof der, &der_len) == 0 &&
           mbedtls_pk_verify(key, MBEDTLS_MD_SHA256, hash, HASH_BYTES, der, der_len) == 0;
}

static bool verify_hs256(const struct token_issuer *issuer, struct span text, const uint8_t *signature,
                         size_t len)
{
    uint8_t mac[HASH_BYTES];
    struct span secret = buffer_span(&issuer->secret);
    return len == sizeof mac &&
           mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), secret.data, secret.len, text.data,
                           text.len, mac) == 0 &&
           mbedtls_ct_memcmp(mac, signature, sizeof mac) == 0;
}

static bool verify_signature(const struct token_issuer *issuer, const struct parts *parts)
{
    uint8_t signature[SIGNATURE_BYTES], hash[HASH_BYTES];
    size_t len;
    if (!decode(parts->signature, signature, sizeof signature, &len))
        return false;
    if (issuer->algorithm == CONFIG_TOKEN_HS256)
        return verify_hs256(issuer, parts->signed_text, signature, len);
    hash_plain(parts->signed_text, hash);
    if (issuer->algorithm == CONFIG_TOKEN_ES256)
        return verify_es256(issuer, hash, signature, len);
    mbedtls_pk_context *key = (mbedtls_pk_context *)&issuer->key;
    return mbedtls_pk_verify(key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, len) == 0;
}

static bool has_audience(const cJSON *payload, const char *audience)
{
    const cJSON *aud = cJSON_GetObjectItemCaseSensitive(payload, "aud"), *item;
    bool found = is_text(aud, audience);
    if (cJSON_IsArray(aud))
        cJSON_ArrayForEach(item, aud) found |= is_text(item, audience);
    return found;
}

/* Seconds since the epoch, with fractions dropped; false: no time. */
static bool read_time(const cJSON *item, uint64_t *ret_s)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0))
        return false;
    *ret_s = item->valuedouble < 1e12 ? (uint64_t)item->valuedouble : UINT64_C(1000000000000);
    return true;
}

static const char *check_times(const cJSON *payload, uint64_t now_s, uint64_t skew_s, uint64_t *ret_expires_s)
{
    const cJSON *nbf = cJSON_GetObjectItemCaseSensitive(payload, "nbf");
    const cJSON *iat = cJSON_GetObjectItemCaseSensitive(payload, "iat");
    uint64_t expires_s, at_s;
    if (!read_time(cJSON_GetObjectItemCaseSensitive(payload, "exp"), &expires_s))
        return "the token has no time of expiry (exp)";
    if (now_s >= expires_s + skew_s)
        return "the token has expired";
    if (nbf && (!read_time(nbf, &at_s) || at_s > now_s + skew_s))
        return "the token is not valid yet (nbf)";
    if (iat && (!read_time(iat, &at_s) || at_s > now_s + skew_s))
        return "the token was issued in the future (iat)";
    *ret_expires_s = expires_s + skew_s;
    return NULL;
}

static bool take_subject(const cJSON *payload, struct identity *ret_identity)
{
    const cJSON *sub = cJSON_GetObjectItemCaseSensitive(payload, "sub");
    struct span name = cJSON_IsString(sub) ? span_from_string(sub->valuestring) : SPAN_EMPTY;
    if (!identity_name_valid(name))
        return false;
    snprintf(ret_identity->name, sizeof ret_identity->name, "%s", sub->valuestring);
    return true;
}

static const char *check_payload(const struct token_issuer *issuer, const cJSON *payload, uint64_t now_s,
                                 uint64_t skew_s, struct identity *ret_identity, uint64_t *ret_expires_s)
{
    struct identity identity = {.kind = IDENTITY_TOKEN};
    if (!payload)
        return "the token's payload is no JSON object";
    if (!is_text(cJSON_GetObjectItemCaseSensitive(payload, "iss"), issuer->issuer))
        return "the token's issuer (iss) is not the configured one";
    if (!has_audience(payload, issuer->audience))
        return "the token's audience (aud) is not the configured one";
    if (!take_subject(payload, &identity))
        return "the token's subject (sub) is no name";
    const char *wrong = check_times(payload, now_s, skew_s, ret_expires_s);
    if (wrong)
        return wrong;
    snprintf(identity.fingerprint, sizeof identity.fingerprint, "%s", issuer->fingerprint);
    *ret_identity = identity;
    return NULL;
}

/* The signature goes before the payload: what nobody has signed is not even read. */
const char *token_verify(const struct token_issuer *issuer, struct span token, uint64_t now_s,
                         uint64_t skew_s, struct identity *ret_identity, uint64_t *ret_expires_s)
{
    struct parts parts;
    if (!split(token, &parts))
        return "the token has not the form of a token";
    const char *wrong = check_header(issuer, parts.header);
    if (wrong)
        return wrong;
    if (!verify_signature(issuer, &parts))
        return "the token's signature is not the issuer's";
    cJSON *payload = decode_json(parts.payload);
    wrong = check_payload(issuer, payload, now_s, skew_s, ret_identity, ret_expires_s);
    cJSON_Delete(payload);
    return wrong;
}

#include "app/http_access.h"

#include "base/memory.h"

#include <mbedtls/base64.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>

static struct http_who refused(const char *error_type, const char *message)
{
    return (struct http_who){.error_type = error_type, .message = message};
}

static struct http_who who_of(const struct broker_answer *answer)
{
    if (answer->reason == MQTT_SUCCESS)
        return (struct http_who){.identity = answer->identity};
    if (answer->reason == MQTT_NOT_AUTHORIZED)
        return refused("MissingAuthenticationTokenException", "Missing Authentication Token");
    return refused("UnrecognizedClientException", "The password or the token is invalid.");
}

static struct identity transport_of(const struct gateway *gateway, const struct net_peer *peer)
{
    struct identity identity = {.kind = gateway_listen_of(gateway, peer->listener)->anonymous
                                            ? IDENTITY_ANONYMOUS
                                            : IDENTITY_UNKNOWN};
    if (peer->certificate) {
        identity.kind = IDENTITY_CERTIFICATE;
        snprintf(identity.name, sizeof identity.name, "%s", peer->name);
        snprintf(identity.fingerprint, sizeof identity.fingerprint, "%s", peer->fingerprint);
    }
    return identity;
}

/* ---- Passwords and tokens ---- */

static void end_exchange(struct http_access *access)
{
    if (access->exchange)
        authenticator_ended(access->gateway->authenticator, access->exchange);
    access->exchange = NULL;
}

static void on_answer(void *ctx, const struct broker_answer *answer)
{
    struct http_access *access = ctx;
    struct http_who who = who_of(answer);
    end_exchange(access);
    access->on_known(access->ctx, &who);
}

static bool ask(struct http_access *access, const struct broker_credentials *credentials,
                struct http_who *ret_who)
{
    struct broker_answer answer;
    struct authenticator_asker asker = {on_answer, access};
    enum sluice_error error =
        authenticator_ask(access->gateway->authenticator, &asker, &access->exchange, credentials, &answer);
    if (error == SLUICE_AGAIN)
        return false;
    *ret_who = who_of(&answer);
    end_exchange(access);
    return true;
}

/* RFC 7617: NAME:PASSWORD in Base64. */
static bool ask_basic(struct http_access *access, struct span text, struct broker_credentials *credentials,
                      struct http_who *ret_who)
{
    size_t len = 0;
    uint8_t *pair = memory_new(text.len + 1);
    bool is_pair =
        mbedtls_base64_decode(pair, text.len, &len, text.data, text.len) == 0 && memchr(pair, ':', len);
    bool known = true;
    if (is_pair) {
        size_t name_len = (size_t)((uint8_t *)memchr(pair, ':', len) - pair);
        credentials->has_user_name = credentials->has_password = true;
        credentials->user_name = span_of(pair, name_len);
        credentials->password = span_of(pair + name_len + 1, len - name_len - 1);
        known = ask(access, credentials, ret_who);
    } else {
        *ret_who = refused("IncompleteSignatureException", "Basic needs a name and a password in Base64.");
    }
    mbedtls_platform_zeroize(pair, len);
    memory_free(pair);
    return known;
}

/* ---- Keys ---- */

static struct http_who check_signature(struct gateway *gateway, const struct http_request *request,
                                       const struct identity *transport)
{
    struct http_who who = {0};
    struct credentials *credentials = authenticator_credentials(gateway->authenticator);
    switch (access_keys_verify(credentials_keys(credentials), request, gateway_wall_ms(gateway) / 1000,
                               &who.identity)) {
    case ACCESS_KEY_GOOD: return who;
    case ACCESS_KEY_UNKNOWN:
        if (transport->kind == IDENTITY_ANONYMOUS)
            return (struct http_who){.identity = *transport};
        return refused("UnrecognizedClientException",
                       "The security token included in the request is invalid.");
    case ACCESS_KEY_EXPIRED:
        return refused("InvalidSignatureException",
                       "Signature expired or not yet valid: it is more than 15 minutes off.");
    case ACCESS_KEY_WRONG:
        return refused("InvalidSignatureException",
                       "The request signature we calculated does not match the signature you provided.");
    case ACCESS_KEY_MALFORMED: break;
    }
    return refused(
        "IncompleteSignatureException",
        "The signature needs Credential, SignedHeaders with host and all x-amz-*, Signature and X-Amz-Date.");
}

/* ---- All of it ---- */

bool http_access_ask(struct http_access *access, const struct http_request *request,
                     const struct net_peer *peer, struct http_who *ret_who)
{
    static const struct span basic = SPAN_LITERAL("Basic "), bearer = SPAN_LITERAL("Bearer ");
    struct identity transport = transport_of(access->gateway, peer);
    struct broker_credentials credentials = {.transport = &transport};
    struct span text = http_header(request, "Authorization");
    if (transport.kind != IDENTITY_CERTIFICATE && access_keys_signed(request)) {
        *ret_who = check_signature(access->gateway, request, &transport);
        return true;
    }
    if (transport.kind != IDENTITY_CERTIFICATE && span_starts_with(text, basic))
        return ask_basic(access, span_skip(text, basic.len), &credentials, ret_who);
    if (span_starts_with(text, bearer)) {
        credentials.has_password = true;
        credentials.password = span_skip(text, bearer.len);
    }
    return ask(access, &credentials, ret_who);
}

void http_access_cancel(struct http_access *access)
{
    end_exchange(access);
}

static bool any_matches(const struct config_strings *patterns, struct span text)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (access_pattern_matches(span_from_string(patterns->items[i]), text))
            return true;
    }
    return false;
}

bool http_access_may_invoke(const struct config *config, const struct identity *identity,
                            struct span function)
{
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access *rule = &config->access[i];
        if (access_who_is(rule->who, identity) && any_matches(&rule->invoke, function))
            return true;
    }
    return false;
}

bool http_access_may_request(const struct config *config, const struct identity *identity, struct span key)
{
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access *rule = &config->access[i];
        if (access_who_is(rule->who, identity) && any_matches(&rule->http, key))
            return true;
    }
    return false;
}

#include "app/authenticator.h"

#include "app/scram.h"
#include "base/log.h"
#include "base/memory.h"

#include <mbedtls/platform_util.h>
#include <stdio.h>

/* One connection's way to an answer: a check in the pool, or a SCRAM conversation. */
struct exchange {
    struct authenticator *authenticator;
    struct authenticator_asker asker; /* answer NULL: nobody waits for it any more */
    struct credentials *credentials;
    struct scram *scram; /* NULL: a check */

    /* The check's. */
    uv_work_t work;
    struct exchange *next; /* in the queue for the pool */
    bool is_queued, is_in_pool;
    struct password *password; /* NULL: nobody of that name */
    bool is_token;
    uint64_t now_s;
    const char *wrong;        /* NULL: nothing is */
    struct identity identity; /* of a right token */
    uint64_t expires_s;
    size_t given_len;
    uint8_t *given;
};

struct authenticator {
    struct authenticator_host host;
    struct credentials *credentials;
    struct exchange *queue, **queue_end;
    unsigned pool_count;
    size_t exchanges; /* that are still there */
    bool freed;
    /* Random: nobody outside can compute with them. */
    uint8_t memory_key[AUTHENTICATOR_KEY_BYTES], fake_key[AUTHENTICATOR_KEY_BYTES];
};

/* ---- Making and ending ---- */

struct authenticator *authenticator_new(const struct authenticator_host *host,
                                        struct credentials *credentials)
{
    struct authenticator *authenticator = memory_new(sizeof *authenticator);
    authenticator->host = *host;
    authenticator->credentials = credentials_ref(credentials);
    authenticator->queue_end = &authenticator->queue;
    host->random(host->ctx, authenticator->memory_key, sizeof authenticator->memory_key);
    host->random(host->ctx, authenticator->fake_key, sizeof authenticator->fake_key);
    return authenticator;
}

static void release(struct authenticator *authenticator)
{
    if (!authenticator->freed || authenticator->exchanges > 0)
        return;
    credentials_unref(authenticator->credentials);
    memory_free(authenticator);
}

void authenticator_free(struct authenticator *authenticator)
{
    if (!authenticator)
        return;
    authenticator->freed = true;
    release(authenticator);
}

void authenticator_set_fake_key(struct authenticator *authenticator, const uint8_t *key)
{
    memcpy(authenticator->fake_key, key, sizeof authenticator->fake_key);
}

void authenticator_set_credentials(struct authenticator *authenticator, struct credentials *credentials)
{
    credentials_ref(credentials);
    credentials_unref(authenticator->credentials);
    authenticator->credentials = credentials;
}

struct credentials *authenticator_credentials(const struct authenticator *authenticator)
{
    return authenticator->credentials;
}

static struct exchange *exchange_new(struct authenticator *authenticator,
                                     const struct authenticator_asker *asker)
{
    struct exchange *exchange = memory_new(sizeof *exchange);
    exchange->authenticator = authenticator;
    exchange->asker = *asker;
    exchange->credentials = credentials_ref(authenticator->credentials);
    exchange->work.data = exchange;
    authenticator->exchanges++;
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    struct authenticator *authenticator = exchange->authenticator;
    if (exchange->given)
        mbedtls_platform_zeroize(exchange->given, exchange->given_len);
    memory_free(exchange->given);
    memory_free(exchange->scram);
    credentials_unref(exchange->credentials);
    memory_free(exchange);
    authenticator->exchanges--;
    release(authenticator);
}

static void leave_queue(struct exchange *exchange)
{
    struct authenticator *authenticator = exchange->authenticator;
    struct exchange **link = &authenticator->queue;
    while (*link != exchange)
        link = &(*link)->next;
    *link = exchange->next;
    if (authenticator->queue_end == &exchange->next)
        authenticator->queue_end = link;
    exchange->is_queued = false;
}

void authenticator_ended(struct authenticator *authenticator, void *ended)
{
    struct exchange *exchange = ended;
    (void)authenticator;
    exchange->asker.answer = NULL;
    if (exchange->is_queued)
        leave_queue(exchange);
    if (!exchange->is_in_pool)
        exchange_free(exchange);
}

/* ---- Answers ---- */

static struct broker_answer refused(enum mqtt_reason reason)
{
    return (struct broker_answer){.reason = reason};
}

static struct broker_answer accept_user(const struct password *password)
{
    struct broker_answer answer = {.reason = MQTT_SUCCESS, .identity.kind = IDENTITY_USER};
    snprintf(answer.identity.name, sizeof answer.identity.name, "%s", password->name);
    snprintf(answer.identity.fingerprint, sizeof answer.identity.fingerprint, "%s", password->fingerprint);
    return answer;
}

/* What was right when the exchange began must be so by the credentials of now. */
static struct broker_answer settle(const struct exchange *exchange, struct broker_answer answer)
{
    const struct authenticator *authenticator = exchange->authenticator;
    if (answer.reason == MQTT_SUCCESS &&
        !credentials_still_valid(authenticator->credentials, &answer.identity))
        return refused(MQTT_NOT_AUTHORIZED);
    return answer;
}

/* ---- Checks in the pool ---- */

static void start_checks(struct authenticator *authenticator);

/* In the pool. A token that is refused costs what a wrong password does, so that nobody learns which users
 * there are from how long it takes. */
static void check(uv_work_t *work)
{
    struct exchange *exchange = work->data;
    const struct passwords *passwords = credentials_passwords(exchange->credentials);
    struct span given = span_of(exchange->given, exchange->given_len);
    if (exchange->password)
        exchange->wrong = password_matches(exchange->password, given) ? NULL : "the password is wrong";
    else if (exchange->is_token)
        exchange->wrong = credentials_verify_token(exchange->credentials, given, exchange->now_s,
                                                   &exchange->identity, &exchange->expires_s);
    else
        exchange->wrong = "there is no such user, and the password is no token";
    if (!exchange->password && exchange->wrong && passwords)
        password_matches(passwords_nobody(passwords), given);
}

static struct broker_answer answer_of(const struct exchange *exchange)
{
    if (exchange->wrong)
        return refused(MQTT_BAD_USER_NAME_OR_PASSWORD);
    if (exchange->password)
        return accept_user(exchange->password);
    return (struct broker_answer){
        .reason = MQTT_SUCCESS, .identity = exchange->identity, .expires_ms = exchange->expires_s * 1000};
}

static void on_checked(uv_work_t *work, int status)
{
    struct exchange *exchange = work->data;
    struct authenticator *authenticator = exchange->authenticator;
    (void)status; /* checks are not cancelled */
    exchange->is_in_pool = false;
    authenticator->pool_count--;
    start_checks(authenticator);
    if (exchange->wrong)
        log_debug("a Client is refused: %s", exchange->wrong);
    else if (exchange->password) /* also of a Client that did not wait: it will come again */
        password_remember(exchange->password, authenticator->memory_key,
                          span_of(exchange->given, exchange->given_len));
    if (!exchange->asker.answer) {
        exchange_free(exchange);
        return;
    }
    struct broker_answer answer = settle(exchange, answer_of(exchange));
    exchange->asker.answer(exchange->asker.ctx, &answer);
}

static void start_checks(struct authenticator *authenticator)
{
    while (authenticator->queue && authenticator->pool_count < authenticator->host.checks_count) {
        struct exchange *exchange = authenticator->queue;
        leave_queue(exchange);
        exchange->is_in_pool = true;
        authenticator->pool_count++;
        uv_queue_work(authenticator->host.loop, &exchange->work, check, on_checked);
    }
}

static enum sluice_error ask_password(struct authenticator *authenticator,
                                      const struct authenticator_asker *asker, void **ret_exchange,
                                      const struct broker_credentials *asked,
                                      struct broker_answer *ret_answer)
{
    struct credentials *credentials = authenticator->credentials;
    const struct passwords *passwords = credentials_passwords(credentials);
    struct password *password =
        passwords && asked->has_user_name ? passwords_find(passwords, asked->user_name) : NULL;
    if (password && password_is_remembered(password, authenticator->memory_key, asked->password)) {
        *ret_answer = accept_user(password);
        return SLUICE_OK;
    }
    struct exchange *exchange = exchange_new(authenticator, asker);
    exchange->password = password;
    exchange->is_token = !password && credentials_has_tokens(credentials) && token_has_form(asked->password);
    exchange->now_s = authenticator->host.wall_ms(authenticator->host.ctx) / 1000;
    exchange->given_len = asked->password.len;
    exchange->given = memory_new(asked->password.len + 1);
    if (asked->password.len > 0)
        memcpy(exchange->given, asked->password.data, asked->password.len);
    *authenticator->queue_end = exchange;
    authenticator->queue_end = &exchange->next;
    exchange->is_queued = true;
    *ret_exchange = exchange;
    start_checks(authenticator);
    return SLUICE_AGAIN;
}

/* ---- SCRAM ---- */

static struct exchange *begin_scram(struct authenticator *authenticator,
                                    const struct authenticator_asker *asker)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct exchange *exchange = exchange_new(authenticator, asker);
    uint8_t random[SCRAM_NONCE_BYTES];
    char nonce[SCRAM_NONCE_BYTES + 1];
    authenticator->host.random(authenticator->host.ctx, random, sizeof random);
    for (size_t i = 0; i < SCRAM_NONCE_BYTES; i++)
        nonce[i] = letters[random[i] % 64];
    nonce[SCRAM_NONCE_BYTES] = '\0';
    exchange->scram = memory_new(sizeof *exchange->scram);
    scram_init(exchange->scram, nonce);
    return exchange;
}

static void ask_scram(struct authenticator *authenticator, const struct authenticator_asker *asker,
                      void **exchange, const struct broker_credentials *asked,
                      struct broker_answer *ret_answer)
{
    const struct passwords *passwords = credentials_passwords(authenticator->credentials);
    if (!span_equal(asked->method, SPAN_LITERAL(SCRAM_METHOD)) || (!passwords && !*exchange)) {
        *ret_answer = refused(MQTT_BAD_AUTHENTICATION_METHOD);
        return;
    }
    if (!*exchange)
        *exchange = begin_scram(authenticator, asker);
    struct exchange *running = *exchange;
    struct span data = SPAN_EMPTY;
    switch (scram_step(running->scram, credentials_passwords(running->credentials), authenticator->fake_key,
                       asked->data, &data)) {
    case SCRAM_CHALLENGED: *ret_answer = refused(MQTT_CONTINUE_AUTHENTICATION); break;
    case SCRAM_DONE: *ret_answer = settle(running, accept_user(running->scram->password)); break;
    default: *ret_answer = refused(MQTT_NOT_AUTHORIZED); break;
    }
    ret_answer->data = data;
}

/* ---- Asking ---- */

enum sluice_error authenticator_ask(struct authenticator *authenticator,
                                    const struct authenticator_asker *asker, void **exchange,
                                    const struct broker_credentials *asked, struct broker_answer *ret_answer)
{
    if (asked->has_method) {
        ask_scram(authenticator, asker, exchange, asked, ret_answer);
        return SLUICE_OK;
    }
    bool is_certificate = asked->transport->kind == IDENTITY_CERTIFICATE;
    bool says_something = asked->has_user_name || asked->has_password;
    if (!is_certificate && says_something && credentials_any(authenticator->credentials))
        return ask_password(authenticator, asker, exchange, asked, ret_answer);
    if (asked->transport->kind == IDENTITY_UNKNOWN)
        *ret_answer = refused(MQTT_NOT_AUTHORIZED);
    else
        *ret_answer = (struct broker_answer){.reason = MQTT_SUCCESS, .identity = *asked->transport};
    return SLUICE_OK;
}

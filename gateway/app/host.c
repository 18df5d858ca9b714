#include "app/gateway_internal.h"

#include "base/log.h"

#include <time.h>

uint64_t gateway_wall_ms(void *ctx)
{
    struct gateway *gateway = ctx;
    uint64_t loop_ms = uv_now(gateway->loop);
    if (gateway->wall_ms == 0 || gateway->wall_read_ms != loop_ms) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        gateway->wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
        gateway->wall_read_ms = loop_ms;
    }
    return gateway->wall_ms;
}

/* What waits for its transaction; past it whatever adds to it is held back until on_state_durable. */
enum { STATE_PENDING_BYTES_MAX = 16 * 1024 * 1024 };

static struct journal *journal_of(void *ctx)
{
    return storage_journal(((struct gateway *)ctx)->storage);
}

static struct state *state_of(void *ctx)
{
    return storage_state(((struct gateway *)ctx)->storage);
}

void gateway_random(void *ctx, uint8_t *bytes, size_t len)
{
    (void)ctx;
    if (uv_random(NULL, NULL, bytes, len, 0, NULL) != 0)
        log_fatal("the system gives no random numbers");
}

static bool state_is_full(void *ctx)
{
    return state_pending_bytes(state_of(ctx)) > STATE_PENDING_BYTES_MAX;
}

/* ---- Publishing ---- */

static enum mqtt_reason transform(void *ctx, const struct message *view, const struct message **ret_messages,
                                  size_t *ret_count)
{
    return intake_transform(((struct gateway *)ctx)->intake, view, ret_messages, ret_count);
}

/* A retained message is written into the state too: a publisher must not outrun that disk either. */
static bool is_retained(const struct broker_publish *publish)
{
    return publish->message_count > 0 && publish->messages[0].retained;
}

static enum sluice_error store(void *ctx, struct broker_publish *publish, uint64_t *ret_seq)
{
    struct gateway *gateway = ctx;
    if (is_retained(publish) && state_is_full(gateway))
        return SLUICE_FULL;
    return intake_store(gateway->intake, publish, ret_seq);
}

/* ---- The journal ---- */

static uint64_t queue_open(void *ctx, struct span client_id)
{
    return journal_queue_open(journal_of(ctx), JOURNAL_SESSION, client_id);
}

static void queue_drop(void *ctx, uint64_t queue)
{
    journal_queue_drop(journal_of(ctx), (uint32_t)queue);
}

static void acknowledged(void *ctx, uint64_t queue, uint64_t ordinal)
{
    journal_acknowledge(journal_of(ctx), (uint32_t)queue, ordinal);
}

static uint64_t received(void *ctx, uint64_t queue, uint64_t ordinal)
{
    return journal_received(journal_of(ctx), (uint32_t)queue, ordinal);
}

static uint64_t packet_id_free(void *ctx, uint64_t queue, uint16_t packet_id)
{
    return journal_packet_id_free(journal_of(ctx), (uint32_t)queue, packet_id);
}

static enum sluice_error load(void *ctx, uint64_t position, struct message **ret_message)
{
    return journal_load(journal_of(ctx), position, ret_message);
}

/* ---- The state ---- */

static struct state_identity state_identity_of(const struct identity *identity)
{
    return (struct state_identity){.kind = (uint32_t)identity->kind,
                                   .name = span_from_string(identity->name),
                                   .fingerprint = span_from_string(identity->fingerprint)};
}

static uint64_t session_saved(void *ctx, const struct broker_session *session)
{
    return state_save_session(state_of(ctx), &(struct state_session){
                                                 .client_id = session->client_id,
                                                 .owner = state_identity_of(session->owner),
                                                 .expiry_s = session->expiry_s,
                                                 .disconnected_ms = session->disconnected_ms,
                                             });
}

static uint64_t session_removed(void *ctx, struct span client_id)
{
    return state_remove_session(state_of(ctx), client_id);
}

/* MQTT 5, section 3.8.3.1: how the Subscription Options stand in their byte. */
static uint32_t options_of(const struct broker_subscription *subscription)
{
    return (uint32_t)subscription->qos | (uint32_t)subscription->no_local << 2 |
           (uint32_t)subscription->retain_as_published << 3 | (uint32_t)subscription->retain_handling << 4;
}

static uint64_t subscription_saved(void *ctx, const struct broker_subscription *subscription)
{
    return state_save_subscription(state_of(ctx), &(struct state_subscription){
                                                      .client_id = subscription->client_id,
                                                      .filter = subscription->filter,
                                                      .identifier = subscription->identifier,
                                                      .options = options_of(subscription),
                                                  });
}

static uint64_t subscription_removed(void *ctx, struct span client_id, struct span filter)
{
    return state_remove_subscription(state_of(ctx), client_id, filter);
}

static uint64_t will_saved(void *ctx, const struct broker_will *will)
{
    return state_save_will(state_of(ctx), &(struct state_will){.id = will->id,
                                                               .message = will->message,
                                                               .owner = state_identity_of(will->owner),
                                                               .due_ms = will->due_ms});
}

static uint64_t will_removed(void *ctx, uint64_t id)
{
    return state_remove_will(state_of(ctx), id);
}

static uint64_t retained_removed(void *ctx, struct span topic)
{
    return state_remove_retained(state_of(ctx), topic);
}

/* ---- Who a Client is ---- */

static void on_authenticated(void *ctx, const struct broker_answer *answer)
{
    channel_authenticated(ctx, answer);
}

static enum sluice_error authenticate(void *ctx, struct channel *channel, void **exchange,
                                      const struct broker_credentials *credentials,
                                      struct broker_answer *ret_answer)
{
    struct authenticator_asker asker = {on_authenticated, channel};
    return authenticator_ask(((struct gateway *)ctx)->authenticator, &asker, exchange, credentials,
                             ret_answer);
}

static void authentication_ended(void *ctx, void *exchange)
{
    authenticator_ended(((struct gateway *)ctx)->authenticator, exchange);
}

struct broker_hooks gateway_broker_hooks(struct gateway *gateway)
{
    return (struct broker_hooks){
        .ctx = gateway,
        .wall_ms = gateway_wall_ms,
        .random = gateway_random,
        .authenticate = authenticate,
        .authentication_ended = authentication_ended,
        .allowed = gateway_client_allowed,
        .transform = transform,
        .store = store,
        .queue_open = queue_open,
        .queue_drop = queue_drop,
        .acknowledged = acknowledged,
        .received = received,
        .packet_id_free = packet_id_free,
        .load = load,
        .state_is_full = state_is_full,
        .session_saved = session_saved,
        .session_removed = session_removed,
        .subscription_saved = subscription_saved,
        .subscription_removed = subscription_removed,
        .will_saved = will_saved,
        .will_removed = will_removed,
        .retained_removed = retained_removed,
    };
}

/*
 * A hostile client against the broker: after a valid CONNECT, or with its own,
 * arbitrary bytes in chunks, beside a client that subscribes to everything. The
 * first byte chooses protocol version, kind of session, and how much is given at a
 * time; the clock moves, the disk commits, passwords are judged and the connection
 * breaks as the bytes have it.
 */
#include "base/memory.h"
#include "broker/broker.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct broker *broker;
    uint64_t now_ms, seq, ticket, queue;
    struct channel *asking; /* whose password is being looked at */
    size_t exchanges;       /* that are open */
};

struct peer {
    struct channel *channel;
    struct buffer out, in;
    bool closing, paused;
};

static uint64_t wall_ms(void *ctx)
{
    const struct world *world = ctx;
    return 1700000000000 + world->now_ms;
}

static void fill_random(void *ctx, uint8_t *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, 7, len);
}

/* ---- Who it is ---- */

struct exchange {
    uint8_t data; /* of Authentication Data */
};

/* `kind`: c goes on, anything else is refused but for capital letters, which name a user. */
static struct broker_answer answer_of(const struct world *world, struct exchange *exchange, uint8_t kind)
{
    struct broker_answer answer = {.reason = MQTT_NOT_AUTHORIZED};
    exchange->data = kind;
    if (kind == 'c')
        answer.reason = MQTT_CONTINUE_AUTHENTICATION;
    if (kind >= 'A' && kind <= 'Z') {
        answer.reason = MQTT_SUCCESS;
        answer.identity = (struct identity){.kind = IDENTITY_USER, .name = {(char)kind}};
        answer.expires_ms = kind == 'Z' ? wall_ms((void *)world) + 1500 : 0;
    }
    answer.data = span_of(&exchange->data, kind & 1);
    return answer;
}

/* A User Name is answered later; what has a method at once; who has neither is anonymous. */
static enum sluice_error authenticate(void *ctx, struct channel *channel, void **exchange,
                                      const struct broker_credentials *credentials,
                                      struct broker_answer *ret_answer)
{
    struct world *world = ctx;
    struct span said = credentials->has_method ? credentials->data : credentials->password;
    if (!credentials->has_method && !credentials->has_user_name) {
        *ret_answer = (struct broker_answer){.reason = MQTT_SUCCESS, .identity = *credentials->transport};
        return SLUICE_OK;
    }
    if (credentials->has_method && !span_equal(credentials->method, SPAN_LITERAL("M"))) {
        *ret_answer = (struct broker_answer){.reason = MQTT_BAD_AUTHENTICATION_METHOD};
        return SLUICE_OK;
    }
    if (!*exchange) {
        *exchange = memory_new(sizeof(struct exchange));
        world->exchanges++;
    }
    *ret_answer = answer_of(world, *exchange, said.len > 0 ? said.data[0] : 'c');
    if (credentials->has_method)
        return SLUICE_OK;
    if (world->asking)
        abort(); /* one question at a time */
    world->asking = channel;
    return SLUICE_AGAIN;
}

static void authentication_ended(void *ctx, void *exchange)
{
    struct world *world = ctx;
    world->exchanges--;
    world->asking = NULL; /* only the attacker says a User Name */
    memory_free(exchange);
}

static void answer_later(struct world *world, uint8_t kind)
{
    struct exchange exchange;
    struct broker_answer answer = answer_of(world, &exchange, kind == 'c' ? 'd' : kind);
    struct channel *channel = world->asking;
    answer.data = SPAN_EMPTY;
    world->asking = NULL;
    if (channel)
        channel_authenticated(channel, &answer);
}

/* One user is taken away again and again. */
static bool is_allowed(void *ctx, void *connection, const struct identity *identity)
{
    const struct world *world = ctx;
    (void)connection;
    return identity->name[0] != 'Y' || world->now_ms / 1000 % 2 == 0;
}

static enum sluice_error store(void *ctx, struct broker_publish *publish, uint64_t *ret_seq)
{
    struct world *world = ctx;
    for (size_t i = 0; i < publish->message_count; i++)
        publish->messages[i].ret_position = world->seq;
    *ret_seq = ++world->seq;
    return world->seq % 31 == 0 ? SLUICE_FULL : world->seq % 37 == 0 ? SLUICE_IO : SLUICE_OK;
}

static uint64_t queue_open(void *ctx, struct span client_id)
{
    (void)client_id;
    return ++((struct world *)ctx)->queue;
}

static void queue_drop(void *ctx, uint64_t queue)
{
    (void)ctx, (void)queue;
}

static void acknowledged(void *ctx, uint64_t queue, uint64_t ordinal)
{
    (void)ctx, (void)queue, (void)ordinal;
}

static uint64_t received(void *ctx, uint64_t queue, uint64_t ordinal)
{
    (void)queue, (void)ordinal;
    return ++((struct world *)ctx)->seq;
}

static uint64_t packet_id_free(void *ctx, uint64_t queue, uint16_t packet_id)
{
    (void)queue, (void)packet_id;
    return ++((struct world *)ctx)->seq;
}

static enum sluice_error load(void *ctx, uint64_t position, struct message **ret_message)
{
    (void)ctx;
    if (position % 5 == 0)
        return SLUICE_NOT_FOUND;
    *ret_message = message_new(&(struct message){.topic = SPAN_LITERAL("t"), .qos = 1});
    return SLUICE_OK;
}

static uint64_t session_saved(void *ctx, const struct broker_session *session)
{
    (void)session;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t session_removed(void *ctx, struct span client_id)
{
    (void)client_id;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t subscription_saved(void *ctx, const struct broker_subscription *subscription)
{
    (void)subscription;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t subscription_removed(void *ctx, struct span client_id, struct span filter)
{
    (void)client_id, (void)filter;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t will_saved(void *ctx, const struct broker_will *will)
{
    (void)will;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t will_removed(void *ctx, uint64_t id)
{
    (void)id;
    return ++((struct world *)ctx)->ticket;
}

static uint64_t retained_removed(void *ctx, struct span topic)
{
    (void)topic;
    return ++((struct world *)ctx)->ticket;
}

static void on_flush_soon(void *ctx)
{
    (void)ctx;
}

static void on_close(void *ctx)
{
    struct peer *peer = ctx;
    if (peer->closing)
        abort(); /* once is the contract */
    peer->closing = true;
}

static void on_pause(void *ctx, bool paused)
{
    struct peer *peer = ctx;
    if (peer->paused == paused)
        abort();
    peer->paused = paused;
}

static void open_peer(struct world *world, struct peer *peer)
{
    *peer = (struct peer){.channel = NULL};
    struct channel_io io = {peer, &peer->out, on_flush_soon, on_close, on_pause};
    struct identity identity = {.kind = IDENTITY_ANONYMOUS};
    peer->channel = channel_open(world->broker, &io, &identity, world->now_ms);
}

static void close_peer(struct world *world, struct peer *peer)
{
    channel_closed(peer->channel, world->now_ms);
    buffer_fini(&peer->out);
    buffer_fini(&peer->in);
}

static void give(struct world *world, struct peer *peer, struct span bytes)
{
    buffer_append(&peer->in, bytes);
    if (peer->paused)
        return;
    size_t used = channel_input(peer->channel, buffer_span(&peer->in), world->now_ms);
    if (used > buffer_len(&peer->in))
        abort();
    buffer_consume(&peer->in, used);
}

static void commit(struct world *world)
{
    broker_durable(world->broker, world->seq);
    broker_state_durable(world->broker, world->ticket);
    broker_resume(world->broker);
}

static const struct span connects[] = {
    SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x04\x02\x00\x05\x00\x01"
                 "a"),
    SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x04\x00\x00\x05\x00\x01"
                 "a"),
    SPAN_LITERAL("\x10\x16\x00\x04MQTT\x05\x00\x00\x05\x08\x11\x00\x00\x00\x3c\x22\x00\x02\x00\x01"
                 "a"),
    SPAN_LITERAL("\x10\x16\x00\x04MQTT\x04\x2e\x00\x05\x00\x01"
                 "a\x00\x01w\x00\x04gone"),
    /* Receive Maximum 3, Maximum Packet Size 60, Topic Alias Maximum 2, no Problem Information. */
    SPAN_LITERAL("\x10\x20\x00\x04MQTT\x05\x00\x00\x05\x12\x11\x00\x00\x00\x3c\x21\x00\x03"
                 "\x27\x00\x00\x00\x3c\x22\x00\x02\x17\x00\x00\x01"
                 "a"),
    {.data = NULL}, /* the input brings its own */
    SPAN_LITERAL("\x10\x14\x00\x04MQTT\x05\xc0\x00\x05\x00\x00\x01"
                 "a\x00\x01u\x00\x01p"),
    SPAN_LITERAL("\x10\x16\x00\x04MQTT\x05\x00\x00\x05\x08\x15\x00\x01M\x16\x00\x01"
                 "c\x00\x01"
                 "a"),
};
enum { CONNECTS = sizeof connects / sizeof *connects };

static void attack(struct world *world, struct span bytes)
{
    struct peer peer;
    uint8_t choice = bytes.len > 0 ? bytes.data[0] : 0;
    size_t stride = 1 + (choice >> 3);
    open_peer(world, &peer);
    give(world, &peer, connects[(choice & 7) % CONNECTS]);
    for (struct span rest = bytes.len > 0 ? span_skip(bytes, 1) : bytes; rest.len > 0;) {
        size_t len = stride < rest.len ? stride : rest.len;
        give(world, &peer, span_of(rest.data, len));
        uint8_t last = rest.data[len - 1];
        rest = span_skip(rest, len);
        if (last & 1)
            commit(world);
        if (last % 7 == 0) {
            world->now_ms += 1000;
            broker_tick(world->broker, world->now_ms);
        }
        if (last % 11 == 0)
            buffer_consume(&peer.out, buffer_len(&peer.out));
        if (last % 13 == 0)
            channel_drained(peer.channel);
        if (last % 5 == 0)
            answer_later(world, (uint8_t)('A' + last % 26));
        if (last % 17 == 0)
            broker_recheck(world->broker);
        if (last == 0xfe) {
            close_peer(world, &peer);
            open_peer(world, &peer);
            give(world, &peer, connects[rest.len % CONNECTS]);
        }
    }
    close_peer(world, &peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.now_ms = 1};
    struct broker_hooks hooks = {.ctx = &world,
                                 .wall_ms = wall_ms,
                                 .random = fill_random,
                                 .authenticate = authenticate,
                                 .authentication_ended = authentication_ended,
                                 .allowed = is_allowed,
                                 .store = store,
                                 .queue_open = queue_open,
                                 .queue_drop = queue_drop,
                                 .acknowledged = acknowledged,
                                 .received = received,
                                 .packet_id_free = packet_id_free,
                                 .load = load,
                                 .session_saved = session_saved,
                                 .session_removed = session_removed,
                                 .subscription_saved = subscription_saved,
                                 .subscription_removed = subscription_removed,
                                 .will_saved = will_saved,
                                 .will_removed = will_removed,
                                 .retained_removed = retained_removed};
    struct broker_config config = broker_config_default();
    config.output_bytes = 500;
    config.queue_count = 20;
    config.queue_memory_bytes = 200;
    config.receive_maximum = 10;
    config.unacknowledged_count = 5;
    config.filters_count = 3;
    config.subscriptions_count = 6;
    config.property_bytes = 64;
    config.publish_rate.messages_a_second = 5;
    config.queue_bytes_total = 4000;
    world.broker = broker_new(&config, &hooks);
    struct access *access = access_new();
    access_allow(access, "anonymous", ACCESS_PUBLISH, "#");
    access_allow(access, "anonymous", ACCESS_SUBSCRIBE, "#");
    access_allow(access, "user:*", ACCESS_PUBLISH, "%u/#");
    access_allow(access, "user:*", ACCESS_SUBSCRIBE, "%c/#");
    broker_set_access(world.broker, access);
    struct peer watcher;
    open_peer(&world, &watcher);
    give(&world, &watcher,
         SPAN_LITERAL("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01"
                      "b"
                      "\x82\x13\x00\x01\x00\x01#\x02\x00\x0a$share/s/#\x01"));
    attack(&world, span_of(data, size));
    commit(&world);
    if (watcher.closing)
        abort(); /* one client's bytes never end another's connection */
    if (world.exchanges > 0)
        abort(); /* each is taken back */
    close_peer(&world, &watcher);
    broker_free(world.broker);
    return 0;
}

#include "client/backoff.h"
#include "client/device_internal.h"
#include "client/spool.h"
#include "wire/topic.h"

enum {
    /* PUBLISH around a frame: type, Remaining Length, two lengths, Packet Identifier, no properties. */
    PUBLISH_OVERHEAD_BYTES = 1 + 4 + 2 + 2 + 1,
    CLIENT_ID_MAX_BYTES = 255,
    FILTERS_MAX = 64,
    PACKET_MIN_BYTES = 64,
    PACKET_MAX_BYTES = 1024 * 1024,
    RECEIVES_MAX = 32, /* in one poll, so that a talkative gateway does not hold the caller */
    REFUSED = 32,      /* failures to count for one refusal: the whole of backoff_max_ms is drawn from */
};

/* ---- opening ---- */

static void fill_defaults(struct sluice_device_config *config)
{
#define MEMBER(name) offsetof(struct sluice_device_config, name)
    static const struct {
        uint32_t member; /* a uint32_t */
        uint32_t otherwise;
    } defaults[] = {
        {MEMBER(flush_ms), 60000},         {MEMBER(packet_bytes), 1300},   {MEMBER(receive_bytes), 1024},
        {MEMBER(session_expiry_s), 86400}, {MEMBER(connect_ms), 30000},    {MEMBER(answer_ms), 15000},
        {MEMBER(puback_ms), 60000},        {MEMBER(backoff_min_ms), 1000}, {MEMBER(backoff_max_ms), 120000},
    };
#undef MEMBER
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        uint32_t *number = (uint32_t *)(void *)((uint8_t *)config + defaults[i].member);
        if (*number == 0)
            *number = defaults[i].otherwise;
    }
    config->port = config->port ? config->port : 8883;
    config->in_flight_max = config->in_flight_max ? config->in_flight_max : 16;
    config->keep_alive_s = config->keep_alive_s ? config->keep_alive_s : 300;
}

static bool in_range(uint32_t value, uint32_t low, uint32_t high)
{
    return value >= low && value <= high;
}

static bool config_valid(const struct sluice_device_config *config)
{
    struct span client_id = span_from_string(config->client_id);
    if (!config->host || !*config->host || client_id.len == 0 || client_id.len > CLIENT_ID_MAX_BYTES ||
        !utf8_valid(client_id))
        return false;
    if (config->channel_count > FRAME_CHANNELS_MAX || config->filter_count > FILTERS_MAX)
        return false;
    if (config->channel_count > 0 && !topic_name_valid(span_from_string(config->topic)))
        return false;
    for (size_t i = 0; i < config->channel_count; i++)
        if ((unsigned)config->channels[i].type > SLUICE_TEXT)
            return false;
    for (size_t i = 0; i < config->filter_count; i++)
        if (!topic_filter_valid(span_from_string(config->filters[i])))
            return false;
    return in_range(config->packet_bytes, PACKET_MIN_BYTES, PACKET_MAX_BYTES) &&
           in_range(config->receive_bytes, PACKET_MIN_BYTES, PACKET_MAX_BYTES) &&
           config->backoff_min_ms <= config->backoff_max_ms;
}

static size_t align(size_t bytes)
{
    size_t unit = _Alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

/* The parts of a device's memory, in this order; the outbox follows. */
struct layout {
    size_t device, channels, columns, engine, frame;
};

static struct layout layout_of(const struct sluice_device_config *config)
{
    return (struct layout){
        .device = align(sizeof(struct sluice_device)),
        .channels = align(config->channel_count * sizeof(struct frame_channel)),
        .columns = align(config->channel_count * sizeof(struct frame_column)),
        .engine = align(engine_memory_bytes(config)),
        .frame = config->channel_count ? align(config->packet_bytes) : 0,
    };
}

static size_t layout_bytes(const struct layout *layout)
{
    return layout->device + layout->channels + layout->columns + layout->engine + layout->frame;
}

size_t sluice_device_size(const struct sluice_device_config *config, size_t outbox_bytes)
{
    struct sluice_device_config filled = *config;
    fill_defaults(&filled);
    struct layout layout = layout_of(&filled);
    return layout_bytes(&layout) + align(outbox_bytes);
}

static enum sluice_error open_batch(struct sluice_device *device)
{
    size_t around_bytes = PUBLISH_OVERHEAD_BYTES + strlen(device->config.topic);
    if (device->config.packet_bytes <= around_bytes)
        return SLUICE_INVALID;
    device->batch.capacity_bytes = device->config.packet_bytes - around_bytes;
    batch_declare(&device->batch, device->config.channels);
    return batch_check(&device->batch) ? SLUICE_INVALID : SLUICE_OK;
}

enum sluice_error sluice_device_open(void *memory, size_t memory_bytes,
                                     const struct sluice_device_config *config, struct sluice_port *port,
                                     struct sluice_device **ret_device)
{
    struct sluice_device_config filled = *config;
    fill_defaults(&filled);
    if (!config_valid(&filled))
        return SLUICE_INVALID;
    struct layout layout = layout_of(&filled);
    if (memory_bytes < layout_bytes(&layout) + 2 * outbox_entry_bytes(filled.packet_bytes))
        return SLUICE_NO_MEMORY;
    struct sluice_device *device = memory;
    *device = (struct sluice_device){.config = filled, .port = port, .asleep = filled.sleeps};
    uint8_t *at = (uint8_t *)memory + layout.device;
    device->batch.channels = (struct frame_channel *)(void *)at;
    device->batch.columns = (struct frame_column *)(void *)(at += layout.channels);
    device->batch.channel_count = filled.channel_count;
    uint8_t *engine_memory = at += layout.columns;
    device->batch.memory = at += layout.engine;
    at += layout.frame;
    outbox_init(&device->engine.outbox, at, memory_bytes - layout_bytes(&layout));
    engine_init(&device->engine, &device->config, &device->counters, engine_memory);
    enum sluice_error error = filled.channel_count ? open_batch(device) : SLUICE_OK;
    if (!error && filled.store)
        error = filled.store->spool->open(&device->engine);
    if (error)
        return error;
    *ret_device = device;
    return SLUICE_OK;
}

/* ---- samples and messages ---- */

enum sluice_error sluice_device_flush(struct sluice_device *device)
{
    struct span frame = batch_finish(&device->batch);
    if (frame.len == 0)
        return SLUICE_OK;
    uint16_t sample_count = (uint16_t)device->batch.sample_count;
    enum sluice_error error = engine_publish_frame(&device->engine, frame, sample_count);
    if (error)
        return error;
    device->counters.frames++;
    device->counters.samples_published += sample_count;
    batch_clear(&device->batch);
    return SLUICE_OK;
}

static enum sluice_error add_sample(struct sluice_device *device, const struct batch_sample *sample,
                                    enum sluice_error (*add)(struct batch *, const struct batch_sample *))
{
    device->counters.samples++;
    enum sluice_error error = device->config.channel_count ? add(&device->batch, sample) : SLUICE_INVALID;
    if (error == SLUICE_FULL) {
        error = sluice_device_flush(device);
        if (!error)
            error = add(&device->batch, sample);
    }
    if (error)
        device->counters.samples_dropped++;
    return error;
}

enum sluice_error sluice_device_sample(struct sluice_device *device, uint64_t now_ms, uint64_t time_ms,
                                       const double *values)
{
    return add_sample(device, &(struct batch_sample){now_ms, time_ms, values, NULL}, batch_add);
}

enum sluice_error sluice_device_sample_texts(struct sluice_device *device, uint64_t now_ms, uint64_t time_ms,
                                             const double *values, const char *const *texts)
{
    return add_sample(device, &(struct batch_sample){now_ms, time_ms, values, texts}, batch_add_texts);
}

enum sluice_error sluice_device_publish(struct sluice_device *device, const struct sluice_message *message)
{
    enum sluice_error error = engine_publish_message(&device->engine, message);
    if (error == SLUICE_FULL)
        device->counters.refused++;
    return error;
}

/* Poll's own flush: a frame that is old enough, or could not be published before. */
static void flush_due(struct sluice_device *device, uint64_t now_ms)
{
    const struct batch *batch = &device->batch;
    bool due = batch->finished.len > 0 || (batch->sample_count > 0 && !device->asleep &&
                                           now_ms >= batch->first_ms + device->config.flush_ms);
    if (due || device->then)
        sluice_device_flush(device);
}

/* ---- the connection ---- */

/* The only way from any link back to waiting. */
static void drop_link(struct sluice_device *device)
{
    device->port->close(device->port);
    if (device->engine.answered)
        device->failed_count = 0;
    device->engine.answered = false;
    engine_lost(&device->engine);
    device->link = LINK_WAITING;
}

/* For a failure: the next attempt is later. */
static void lose(struct sluice_device *device, uint64_t now_ms, enum sluice_error error)
{
    drop_link(device);
    unsigned count = error == SLUICE_DENIED ? REFUSED : device->failed_count;
    device->attempt_ms =
        now_ms + backoff_delay_ms(device->config.backoff_min_ms, device->config.backoff_max_ms, count,
                                  device->port->random(device->port));
    device->failed_count++;
}

static bool all_settled(const struct sluice_device *device)
{
    const struct engine *engine = &device->engine;
    if (outbox_queued(&engine->outbox) > 0 || device->batch.sample_count > 0)
        return false;
    /* Commands come with a connection only. */
    return device->then == THEN_CLOSE || device->config.filter_count == 0 ||
           (engine->state == ENGINE_ONLINE && engine->fetch == ENGINE_FETCH_DONE);
}

static void step_waiting(struct sluice_device *device, uint64_t now_ms)
{
    if (device->asleep || now_ms < device->attempt_ms || (device->then && all_settled(device)))
        return;
    device->counters.attempts++;
    device->connect_deadline_ms = now_ms + device->config.connect_ms;
    device->link = LINK_CONNECTING;
}

static void step_connecting(struct sluice_device *device, uint64_t now_ms)
{
    struct sluice_port *port = device->port;
    enum sluice_error error = port->connect(port, device->config.host, device->config.port);
    if (error == SLUICE_OK) {
        engine_connected(&device->engine, now_ms);
        device->link = LINK_UP;
    } else if (error != SLUICE_AGAIN) {
        lose(device, now_ms, engine_fail(&device->engine, error, port->error, ""));
    } else if (now_ms >= device->connect_deadline_ms) {
        lose(device, now_ms,
             engine_fail(&device->engine, SLUICE_TIMEOUT,
                         "no connection to the gateway in time: ", port->error));
    }
}

static enum sluice_error receive_all(struct sluice_device *device, uint64_t now_ms)
{
    struct sluice_port *port = device->port;
    for (int i = 0; i < RECEIVES_MAX; i++) {
        size_t capacity, len;
        uint8_t *place = engine_input(&device->engine, &capacity);
        enum sluice_error error = port->receive(port, place, capacity, &len);
        if (error == SLUICE_AGAIN)
            return SLUICE_OK;
        if (error)
            return engine_fail(&device->engine, error, port->error, "");
        error = engine_received(&device->engine, len, now_ms);
        if (error)
            return error;
    }
    device->more_to_receive = true;
    return SLUICE_OK;
}

static enum sluice_error send_all(struct sluice_device *device, uint64_t now_ms)
{
    struct sluice_port *port = device->port;
    for (struct span output; (output = engine_output(&device->engine, now_ms)).len > 0;) {
        size_t len;
        enum sluice_error error = port->send(port, output.data, output.len, &len);
        if (error)
            return error == SLUICE_AGAIN ? SLUICE_OK : error;
        engine_sent(&device->engine, len, now_ms);
    }
    return SLUICE_OK;
}

static void step_up(struct sluice_device *device, uint64_t now_ms)
{
    device->more_to_receive = false;
    enum sluice_error error = receive_all(device, now_ms);
    if (!error)
        error = engine_tick(&device->engine, now_ms);
    if (!error && device->then == THEN_SLEEP && device->config.filter_count > 0)
        engine_fetch(&device->engine, now_ms);
    if (error) {
        if (device->engine.state == ENGINE_LEAVING)
            send_all(device, now_ms); /* the reason why we leave, if the connection takes it at once */
    } else if ((error = send_all(device, now_ms))) {
        engine_fail(&device->engine, error, device->port->error, "");
    }
    if (error)
        lose(device, now_ms, error);
}

/* What sluice_device_deliver and sluice_device_close asked for, after the link has done what it can. */
static void step_leaving(struct sluice_device *device, uint64_t now_ms)
{
    struct engine *engine = &device->engine;
    bool late = now_ms >= device->late_ms, settled = all_settled(device);
    if (!late && !settled)
        return;
    if (!settled && device->link != LINK_WAITING) /* where it waits, the reason was said before */
        engine_fail(engine, SLUICE_TIMEOUT, "not all was delivered in time",
                    device->link == LINK_CONNECTING ? ": there is no connection" : "");
    if (device->link == LINK_UP && engine->state == ENGINE_ONLINE) {
        engine_leave(engine);
        send_all(device, now_ms);
    }
    if (!late && device->link == LINK_UP && engine_output(engine, now_ms).len > 0)
        return;
    drop_link(device);
    if (device->config.store) /* the power may go now */
        device->config.store->spool->commit(engine);
    if (device->then == THEN_CLOSE)
        device->link = LINK_CLOSED;
    device->asleep = device->then == THEN_SLEEP;
    device->then = THEN_STAY;
}

/* ---- the caller's side of it ---- */

static void tell_state(struct sluice_device *device)
{
    enum sluice_device_state state = sluice_device_state(device);
    if (state == device->told_state && device->engine.failure_count == device->told_failure_count)
        return;
    device->told_state = state;
    device->told_failure_count = device->engine.failure_count;
    if (device->config.on_state)
        device->config.on_state(device->config.context, state);
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t next_ms(const struct sluice_device *device, uint64_t now_ms)
{
    uint64_t next = ENGINE_NEVER;
    switch (device->link) {
    case LINK_WAITING: next = device->asleep ? ENGINE_NEVER : device->attempt_ms; break;
    case LINK_CONNECTING: next = device->connect_deadline_ms; break;
    case LINK_UP: next = device->more_to_receive ? now_ms : engine_deadline_ms(&device->engine); break;
    case LINK_CLOSED: return ENGINE_NEVER;
    }
    if (device->batch.sample_count > 0 && device->batch.finished.len == 0 && !device->asleep)
        next = earlier(next, device->batch.first_ms + device->config.flush_ms);
    return device->then ? earlier(next, device->late_ms) : next;
}

static bool has_connection(const struct sluice_device *device)
{
    return device->link == LINK_CONNECTING || device->link == LINK_UP;
}

uint64_t sluice_device_poll(struct sluice_device *device, uint64_t now_ms)
{
    static void (*const steps[])(struct sluice_device *, uint64_t) = {
        [LINK_WAITING] = step_waiting,
        [LINK_CONNECTING] = step_connecting,
        [LINK_UP] = step_up,
    };
    flush_due(device, now_ms);
    for (enum link before = LINK_CLOSED; device->link != before && device->link != LINK_CLOSED;) {
        before = device->link;
        steps[before](device, now_ms);
        if (device->then)
            step_leaving(device, now_ms);
        tell_state(device);
    }
    if (has_connection(device) && device->port->flush)
        device->port->flush(device->port);
    struct sluice_store *store = device->config.store;
    uint64_t commit_ms = store ? store->spool->tick(&device->engine, now_ms) : ENGINE_NEVER;
    return earlier(next_ms(device, now_ms), commit_ms);
}

struct sluice_wait sluice_device_wait(const struct sluice_device *device)
{
    return has_connection(device) ? device->port->wait(device->port) : (struct sluice_wait){.descriptor = -1};
}

static void leave(struct sluice_device *device, uint64_t now_ms, uint32_t limit_ms, enum then then)
{
    device->then = then;
    device->late_ms = now_ms + limit_ms;
    if (device->asleep)
        device->attempt_ms = now_ms;
    device->asleep = false;
}

void sluice_device_deliver(struct sluice_device *device, uint64_t now_ms, uint32_t limit_ms)
{
    if (device->config.sleeps && device->then != THEN_CLOSE)
        leave(device, now_ms, limit_ms, THEN_SLEEP);
}

void sluice_device_close(struct sluice_device *device, uint64_t now_ms, uint32_t linger_ms)
{
    leave(device, now_ms, linger_ms, THEN_CLOSE);
}

enum sluice_device_state sluice_device_state(const struct sluice_device *device)
{
    if (device->link == LINK_CLOSED)
        return SLUICE_DEVICE_CLOSED;
    if (device->then == THEN_CLOSE)
        return SLUICE_DEVICE_CLOSING;
    if (device->asleep)
        return SLUICE_DEVICE_ASLEEP;
    if (device->link == LINK_WAITING)
        return SLUICE_DEVICE_OFFLINE;
    if (device->link == LINK_CONNECTING)
        return SLUICE_DEVICE_CONNECTING;
    return device->engine.state == ENGINE_ONLINE ? SLUICE_DEVICE_ONLINE : SLUICE_DEVICE_OPENING;
}

const char *sluice_device_state_name(enum sluice_device_state state)
{
    static const char *const names[] = {"offline", "connecting", "opening", "online",
                                        "closing", "closed",     "asleep"};
    return names[state];
}

const char *sluice_device_error(const struct sluice_device *device)
{
    return device->engine.error;
}

enum sluice_error sluice_device_failure(const struct sluice_device *device)
{
    return device->engine.failure;
}

struct sluice_device_counters sluice_device_counters(const struct sluice_device *device)
{
    struct sluice_device_counters counters = device->counters;
    counters.queued = outbox_queued(&device->engine.outbox);
    return counters;
}

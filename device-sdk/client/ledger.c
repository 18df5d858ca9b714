#include "sluice/ledger.h"

#include "wire/mqtt.h"

enum { DUP_FLAG = 0x08, LENGTH_BITS_MAX = 28 };

static const uint64_t HOUR_MS = 3600000;

static struct sluice_ledger *ledger_of(struct sluice_port *port)
{
    return (struct sluice_ledger *)(void *)port;
}

/* ---- hours ---- */

/* This hour's place in the ring, after the hours that went by without anything. */
static struct sluice_hour *this_hour(struct sluice_ledger *ledger)
{
    const struct sluice_ledger_config *config = &ledger->config;
    struct sluice_hour *hour = &config->hours[ledger->now];
    uint64_t passed_count = (config->now_ms() - hour->start_ms) / HOUR_MS;
    uint64_t start_ms = hour->start_ms + passed_count * HOUR_MS;
    if (passed_count > config->hour_count) /* all that was kept is older */
        passed_count = config->hour_count;
    for (; passed_count > 0; passed_count--) {
        ledger->now = (ledger->now + 1) % config->hour_count;
        ledger->kept_count += ledger->kept_count < config->hour_count;
        hour = &config->hours[ledger->now];
        *hour = (struct sluice_hour){.start_ms = start_ms - (passed_count - 1) * HOUR_MS};
    }
    return hour;
}

const struct sluice_hour *sluice_ledger_hour(struct sluice_ledger *ledger, size_t hours_ago)
{
    this_hour(ledger);
    if (hours_ago >= ledger->kept_count)
        return NULL;
    size_t count = ledger->config.hour_count;
    return &ledger->config.hours[(ledger->now + count - hours_ago) % count];
}

/* ---- MQTT ---- */

static enum sluice_cause cause_of(uint8_t first_byte)
{
    switch (first_byte >> 4) {
    case MQTT_PUBLISH: return first_byte & DUP_FLAG ? SLUICE_CAUSE_RETRANSMISSION : SLUICE_CAUSE_DATA;
    case MQTT_PUBACK: return SLUICE_CAUSE_ACKNOWLEDGEMENT;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP: return SLUICE_CAUSE_KEEP_ALIVE;
    default: return SLUICE_CAUSE_HANDSHAKE;
    }
}

/* Each byte counts for the packet that it is of; of what is no MQTT, for whatever it looks like. */
static void count_stream(struct sluice_ledger_stream *stream, uint32_t counts[SLUICE_CAUSE_COUNT],
                         struct span bytes)
{
    while (bytes.len > 0) {
        size_t len = 1;
        if (stream->in_length) {
            stream->left_bytes |= (uint32_t)(*bytes.data & 0x7F) << stream->shift;
            stream->shift += 7;
            stream->in_length = (*bytes.data & 0x80) && stream->shift < LENGTH_BITS_MAX;
        } else if (stream->left_bytes > 0) {
            len = bytes.len < stream->left_bytes ? bytes.len : stream->left_bytes;
            stream->left_bytes -= (uint32_t)len;
        } else {
            *stream = (struct sluice_ledger_stream){.cause = cause_of(*bytes.data), .in_length = true};
        }
        counts[stream->cause] += (uint32_t)len;
        bytes = span_skip(bytes, len);
    }
}

/* ---- what is below MQTT ---- */

/* A figure that has become smaller is of a connection that has ended. */
static uint32_t more(uint64_t now, uint64_t before)
{
    return now > before ? (uint32_t)(now - before) : 0;
}

/* The bytes around MQTT's: a port may write a part of them before it says that it took any. */
static void count_overhead(uint32_t *count, int64_t *overhead_bytes)
{
    if (*overhead_bytes <= 0)
        return;
    *count += (uint32_t)*overhead_bytes;
    *overhead_bytes = 0;
}

/* Counts what has come since the last time. */
static void look(struct sluice_ledger *ledger)
{
    if (!ledger->config.traffic)
        return;
    struct sluice_traffic now = {0}, before = ledger->before;
    ledger->config.traffic(ledger->config.port, &now);
    ledger->before = now;
    struct sluice_hour *hour = this_hour(ledger);
    enum sluice_cause cause = ledger->is_open ? SLUICE_CAUSE_TLS : SLUICE_CAUSE_HANDSHAKE;
    ledger->sent_overhead_bytes += more(now.sent_bytes, before.sent_bytes);
    ledger->received_overhead_bytes += more(now.received_bytes, before.received_bytes);
    count_overhead(&hour->sent[cause], &ledger->sent_overhead_bytes);
    count_overhead(&hour->received[cause], &ledger->received_overhead_bytes);
    hour->sent[SLUICE_CAUSE_TCP_IP] += more(now.sent_header_bytes, before.sent_header_bytes);
    hour->received[SLUICE_CAUSE_TCP_IP] += more(now.received_header_bytes, before.received_header_bytes);
    hour->sent[SLUICE_CAUSE_RETRANSMISSION] += more(now.resent_bytes, before.resent_bytes);
}

/* ---- the port ---- */

/* What the port beneath says of itself, for those who look at this one. */
static void show(struct sluice_ledger *ledger)
{
    const struct sluice_port *port = ledger->config.port;
    ledger->port.error = port->error;
    ledger->port.connected_count = port->connected_count;
    ledger->port.resumed_count = port->resumed_count;
}

static enum sluice_error ledger_connect(struct sluice_port *port, const char *host, uint16_t tcp_port)
{
    struct sluice_ledger *ledger = ledger_of(port);
    enum sluice_error error = ledger->config.port->connect(ledger->config.port, host, tcp_port);
    look(ledger);
    show(ledger);
    if (!error) {
        ledger->is_open = true;
        ledger->sending = ledger->receiving = (struct sluice_ledger_stream){0};
    }
    return error;
}

static enum sluice_error ledger_send(struct sluice_port *port, const void *data, size_t len, size_t *ret_sent)
{
    struct sluice_ledger *ledger = ledger_of(port);
    size_t sent = 0;
    enum sluice_error error = ledger->config.port->send(ledger->config.port, data, len, &sent);
    show(ledger);
    if (!error) {
        *ret_sent = sent;
        count_stream(&ledger->sending, this_hour(ledger)->sent, span_of(data, sent));
        ledger->sent_overhead_bytes -= (int64_t)sent;
    }
    look(ledger);
    return error;
}

static enum sluice_error ledger_receive(struct sluice_port *port, void *memory, size_t capacity,
                                        size_t *ret_received)
{
    struct sluice_ledger *ledger = ledger_of(port);
    size_t received = 0;
    enum sluice_error error = ledger->config.port->receive(ledger->config.port, memory, capacity, &received);
    show(ledger);
    if (!error) {
        *ret_received = received;
        count_stream(&ledger->receiving, this_hour(ledger)->received, span_of(memory, received));
        ledger->received_overhead_bytes -= (int64_t)received;
    }
    look(ledger);
    return error;
}

static void ledger_flush(struct sluice_port *port)
{
    struct sluice_ledger *ledger = ledger_of(port);
    ledger->config.port->flush(ledger->config.port);
    look(ledger);
}

static void ledger_close(struct sluice_port *port)
{
    struct sluice_ledger *ledger = ledger_of(port);
    look(ledger);
    ledger->config.port->close(ledger->config.port);
    look(ledger);
    ledger->is_open = false;
    ledger->before = (struct sluice_traffic){0};
}

static struct sluice_wait ledger_wait(struct sluice_port *port)
{
    struct sluice_port *beneath = ledger_of(port)->config.port;
    return beneath->wait(beneath);
}

static uint32_t ledger_random(struct sluice_port *port)
{
    struct sluice_port *beneath = ledger_of(port)->config.port;
    return beneath->random(beneath);
}

void sluice_ledger_init(struct sluice_ledger *ledger, const struct sluice_ledger_config *config)
{
    *ledger = (struct sluice_ledger){
        .port = {.connect = ledger_connect,
                 .send = ledger_send,
                 .flush = config->port->flush ? ledger_flush : NULL,
                 .receive = ledger_receive,
                 .close = ledger_close,
                 .wait = ledger_wait,
                 .random = ledger_random},
        .config = *config,
        .kept_count = 1,
    };
    config->hours[0] = (struct sluice_hour){.start_ms = config->now_ms()};
    show(ledger);
}

const char *sluice_cause_name(enum sluice_cause cause)
{
    static const char *const names[] = {
        "data", "acknowledgement", "keep_alive", "handshake", "retransmission", "tls", "tcp_ip"};
    return names[cause];
}

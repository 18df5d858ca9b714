#include "device_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

const struct sluice_channel channels[] = {
    {"temperature", "Cel", 1, SLUICE_DECIMAL},
    {"door", NULL, 0, SLUICE_BOOLEAN},
};
const char *const filters[] = {"farm/shed/commands/#"};

_Alignas(max_align_t) uint8_t memory[32 * 1024];
struct fake_port fake;
struct sluice_device *device;
char commands[256];
uint64_t now_ms;

static void on_message(void *context, const struct sluice_message *message)
{
    (void)context;
    strncat(commands, message->payload.data, message->payload.len);
    strcat(commands, ";");
    const char *error_type = message->payload.len == 5 ? "Stuck" : NULL; /* "close" */
    assert_int_equal(sluice_device_answer(device, message, (struct sluice_bytes){"done", 4}, error_type),
                     SLUICE_OK);
}

struct sluice_device_config base_config(void)
{
    return (struct sluice_device_config){
        .host = "gateway",
        .client_id = "shed",
        .topic = "farm/shed/telemetry",
        .channels = channels,
        .channel_count = 2,
        .on_message = on_message,
        .flush_ms = FLUSH_MS,
        .keep_alive_s = KEEP_ALIVE_MS / 1000,
        .answer_ms = ANSWER_MS,
        .puback_ms = PUBACK_MS,
        .connect_ms = CONNECT_MS,
    };
}

void open_with(const struct sluice_device_config *config, size_t memory_bytes)
{
    fake_port_init(&fake);
    commands[0] = '\0';
    now_ms = 1000000;
    assert_int_equal(sluice_device_open(memory, memory_bytes, config, &fake.port, &device), SLUICE_OK);
}

void open_device(void)
{
    struct sluice_device_config config = base_config();
    open_with(&config, sizeof memory);
}

uint64_t poll_device(void)
{
    return sluice_device_poll(device, now_ms);
}

enum sluice_device_state poll_at(uint64_t at_ms)
{
    now_ms = at_ms;
    poll_device();
    return sluice_device_state(device);
}

struct mqtt_packet take(enum mqtt_type type)
{
    struct mqtt_packet packet = {0};
    assert_true(fake_port_take(&fake, &packet));
    assert_string_equal(mqtt_type_name(packet.type), mqtt_type_name(type));
    return packet;
}

void take_nothing(void)
{
    struct mqtt_packet packet;
    assert_false(fake_port_take(&fake, &packet));
}

void give_connack(bool session_present, struct span properties)
{
    fake_port_give_packet(&fake, &(struct mqtt_packet){.type = MQTT_CONNACK,
                                                       .version = MQTT_5,
                                                       .connack = {.session_present = session_present},
                                                       .properties = {properties}});
}

void give_command(const char *payload, uint8_t qos, uint16_t packet_id, struct span properties)
{
    fake_port_give_packet(&fake,
                          &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                                .version = MQTT_5,
                                                .packet_id = packet_id,
                                                .properties = {properties},
                                                .publish = {.topic = SPAN_LITERAL("farm/shed/commands/a"),
                                                            .payload = span_from_string(payload),
                                                            .qos = qos}});
}

void go_online(bool session_present)
{
    poll_device();
    take(MQTT_CONNECT);
    give_connack(session_present, SPAN_EMPTY);
    poll_device();
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_ONLINE);
}

void sample(uint64_t time_ms, double temperature)
{
    assert_int_equal(sluice_device_sample(device, now_ms, time_ms, (double[]){temperature, 1}), SLUICE_OK);
}

enum sluice_error publish(const char *text)
{
    return sluice_device_publish(
        device, &(struct sluice_message){.topic = {"farm/shed/events", 16}, .payload = {text, strlen(text)}});
}

void break_connection(void)
{
    fake.stream_result = SLUICE_CLOSED;
    uint64_t next_ms = poll_device();
    fake.stream_result = SLUICE_OK;
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_OFFLINE);
    assert_true(next_ms > now_ms && next_ms < UINT64_MAX);
    now_ms = next_ms;
}

void assert_balanced(void)
{
    struct sluice_device_counters c = sluice_device_counters(device);
    assert_int_equal(c.published + c.recovered, c.acknowledged + c.dropped_oldest + c.dropped_thinned +
                                                    c.dropped_rejected + c.dropped_too_large +
                                                    c.dropped_damaged + c.queued);
}

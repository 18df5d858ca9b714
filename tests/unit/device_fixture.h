/*
 * A sluice_device on a port without a network, for tests: opened with small
 * limits, on a clock that the test sets, with a Server's answers at hand.
 * Everything is reset by open_with.
 */
#ifndef SLUICE_TESTS_DEVICE_FIXTURE_H
#define SLUICE_TESTS_DEVICE_FIXTURE_H

#include "fake_port.h"
#include "sluice/device.h"

enum { KEEP_ALIVE_MS = 60000, ANSWER_MS = 10000, PUBACK_MS = 30000, FLUSH_MS = 5000, CONNECT_MS = 20000 };

extern const struct sluice_channel channels[2]; /* "temperature", one decimal; "door", yes or no */
extern const char *const filters[1];
extern uint8_t memory[32 * 1024];
extern struct fake_port fake;
extern struct sluice_device *device;
extern char commands[256]; /* the payloads of all messages, each with a semicolon */
extern uint64_t now_ms;

struct sluice_device_config base_config(void);
void open_with(const struct sluice_device_config *config, size_t memory_bytes);
void open_device(void);
uint64_t poll_device(void);
enum sluice_device_state poll_at(uint64_t at_ms);
struct mqtt_packet take(enum mqtt_type type);
void take_nothing(void);
void give_connack(bool session_present, struct span properties);
/* A command that the device's filters match. */
void give_command(const char *payload, uint8_t qos, uint16_t packet_id, struct span properties);
/* Polls until CONNECT is out, answers it, and polls again. */
void go_online(bool session_present);
void sample(uint64_t time_ms, double temperature);
enum sluice_error publish(const char *text);
/* The connection breaks; the next attempt is made as soon as it may be. */
void break_connection(void);
void assert_balanced(void);

#endif

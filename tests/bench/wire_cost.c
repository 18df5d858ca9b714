/*
 * What a device costs on the wire: the real port, TLS and gateway, on a clock of the
 * device's own that jumps from one measurement to the next, so that an hour takes a
 * second. IP bytes are those of nft counters, `up` and `down` of table `inet wire`
 * (tests/bench/wire_cost.sh makes them).
 *
 *   wire_cost PORT CA CERTIFICATE KEY    prints a line for each phase: name, bytes up, down, together
 */
#include "room.h"
#include "sluice/device.h"
#include "sluice/posix.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUIET_MS = 250, /* of real time: longer than a delayed acknowledgement of TCP takes */
    HOUR_MS = ROOM_SAMPLES * ROOM_INTERVAL_MS,
};

struct bytes {
    unsigned long up, down;
};

static struct {
    _Alignas(max_align_t) unsigned char memory[32 * 1024];
    double values[ROOM_SAMPLES][ROOM_CHANNELS];
    struct sluice_channel channels[ROOM_CHANNELS];
    struct sluice_posix_config files;
    struct sluice_device_config config;
    struct sluice_port *port;
    struct sluice_device *device;
    uint64_t now_ms;
    struct bytes before; /* the phase under way */
    bool by_phases;
} run;

static void give_up(const char *why)
{
    fprintf(stderr, "wire_cost: %s\n", why);
    exit(1);
}

static struct bytes count_bytes(void)
{
    struct bytes bytes = {0, 0};
    unsigned long *at = &bytes.up;
    char line[256];
    FILE *nft = popen("nft list counters table inet wire", "r");
    while (nft && fgets(line, sizeof line, nft)) {
        if (strstr(line, "counter up"))
            at = &bytes.up;
        else if (strstr(line, "counter down"))
            at = &bytes.down;
        sscanf(line, " packets %*u bytes %lu", at);
    }
    if (!nft || pclose(nft))
        give_up("there are no counters");
    return bytes;
}

static void end_phase(const char *name)
{
    struct bytes now = count_bytes();
    unsigned long up = now.up - run.before.up, down = now.down - run.before.down;
    if (name)
        printf("%-44s %6lu %6lu %6lu\n", name, up, down, up + down);
    run.before = now;
}

/* Whether the device waits for nothing from the gateway; `answered_bytes`: what it had received before. */
static bool is_settled(uint64_t answered_bytes)
{
    enum sluice_device_state state = sluice_device_state(run.device);
    struct sluice_device_counters counters = sluice_device_counters(run.device);
    bool is_online = state == SLUICE_DEVICE_ONLINE && counters.bytes_received > answered_bytes;
    return counters.queued == 0 &&
           (is_online || state == SLUICE_DEVICE_ASLEEP || state == SLUICE_DEVICE_CLOSED);
}

/* Lets the network do what it has to do at this moment of the device's clock, until it is quiet. */
static void settle(uint64_t answered_bytes)
{
    int ready;
    do {
        sluice_device_poll(run.device, run.now_ms);
        struct sluice_wait wait = sluice_device_wait(run.device);
        struct pollfd entry = {wait.descriptor,
                               (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
        ready = poll(&entry, 1, QUIET_MS);
    } while (ready > 0 || (!is_settled(answered_bytes) && !sluice_device_error(run.device)[0]));
    if (sluice_device_error(run.device)[0])
        give_up(sluice_device_error(run.device));
}

static void open_device(const char *client_id, uint16_t keep_alive_s, bool sleeps)
{
    char why[SLUICE_POSIX_ERROR_BYTES];
    run.config.client_id = client_id;
    run.config.keep_alive_s = keep_alive_s;
    run.config.sleeps = sleeps;
    if (sluice_posix_new(&run.files, why, &run.port))
        give_up(why);
    if (sluice_device_open(run.memory, sizeof run.memory, &run.config, run.port, &run.device))
        give_up("the device cannot be opened");
}

static void close_device(void)
{
    sluice_device_close(run.device, run.now_ms, 1000);
    settle(0);
    sluice_posix_free(run.port);
}

/* An hour of samples; where something is sent, the clock waits for its answer. */
static void pass_hour(void)
{
    for (size_t i = 0; i < ROOM_SAMPLES; i++) {
        run.now_ms += ROOM_INTERVAL_MS;
        if (sluice_device_sample(run.device, run.now_ms, 1700000000000 + run.now_ms, run.values[i]))
            give_up("a sample is refused");
        struct sluice_device_counters before = sluice_device_counters(run.device);
        sluice_device_poll(run.device, run.now_ms);
        if (sluice_device_counters(run.device).bytes_sent != before.bytes_sent)
            settle(before.bytes_received);
    }
}

static void held(const char *client_id, uint16_t keep_alive_s, const char *connect, const char *hour)
{
    open_device(client_id, keep_alive_s, false);
    end_phase(NULL);
    settle(0);
    end_phase(connect);
    pass_hour();
    end_phase(hour);
    if (sluice_device_counters(run.device).samples_acknowledged != ROOM_SAMPLES)
        give_up("not all is acknowledged");
    close_device();
}

static void on_state(void *context, enum sluice_device_state state)
{
    (void)context;
    if (run.by_phases && state == SLUICE_DEVICE_OPENING)
        end_phase("  TCP and TLS");
    else if (run.by_phases && state == SLUICE_DEVICE_ONLINE)
        end_phase("  CONNECT, CONNACK");
}

/* As a whole first: looking at the counters takes time, in which TCP acknowledges more than it else would. */
static void slept(void)
{
    static const char *const names[] = {"sleeps: delivery, full handshake", "sleeps: delivery, resumed",
                                        "  PUBLISH, PUBACK, DISCONNECT"};
    run.config.on_state = on_state;
    open_device("sleeper", 0, true);
    for (size_t i = 0; i < 3; i++) {
        pass_hour();
        end_phase(NULL);
        run.by_phases = i == 2;
        sluice_device_deliver(run.device, run.now_ms, 20000);
        settle(0);
        if (sluice_device_counters(run.device).samples_acknowledged != (i + 1) * ROOM_SAMPLES)
            give_up("not all is acknowledged");
        end_phase(names[i]);
    }
    if (run.port->resumed_count != 2)
        give_up("the TLS session was not resumed");
    close_device();
}

int main(int count, char **arguments)
{
    if (count != 5)
        give_up("usage: wire_cost PORT CA CERTIFICATE KEY");
    run.files = (struct sluice_posix_config){
        .ca_file = arguments[2], .certificate_file = arguments[3], .key_file = arguments[4]};
    for (size_t i = 0; i < ROOM_CHANNELS; i++)
        run.channels[i] = (struct sluice_channel){.name = room_channels[i].name,
                                                  .unit = room_channels[i].unit,
                                                  .decimals = room_channels[i].decimals};
    run.config = (struct sluice_device_config){
        .host = "127.0.0.1",
        .port = (uint16_t)strtoul(arguments[1], NULL, 10),
        .topic = "farm/shed/telemetry",
        .channels = run.channels,
        .channel_count = ROOM_CHANNELS,
        .flush_ms = HOUR_MS - ROOM_INTERVAL_MS, /* with the last sample of the hour */
    };
    room_series(ROOM_SEED, run.values);
    run.now_ms = HOUR_MS;
    held("held", 2 * HOUR_MS / 1000, "held: connect, full handshake", "held: an hour");
    held("kept", 300, NULL, "held: an hour, keep-alive each 5 min");
    slept();
    return 0;
}

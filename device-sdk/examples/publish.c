/*
 * The least that a device needs: publishes two values of this machine, taken every
 * ten seconds, to a gateway over mutual TLS. A program to begin with: replace the
 * channels and `measure` by what you have.
 *
 *     sluice-publish HOST PORT CLIENT_ID TOPIC
 *
 * It reads ca.crt, device.crt and device.key in the folder in which it is started.
 * The sizes in tests/bench/README.md are those of this program.
 */
#include "sluice/device.h"
#include "sluice/posix.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLE_INTERVAL_MS = 10000 };

static const struct sluice_channel channels[] = {
    {"temperature", "Cel", 1, SLUICE_DECIMAL},
    {"load", NULL, 2, SLUICE_DECIMAL},
};

/* A board without a sensor publishes what it has: NAN stands for a missing value. */
static void measure(double values[2])
{
    char text[16] = "";
    int file = open("/sys/class/thermal/thermal_zone0/temp", O_RDONLY | O_CLOEXEC);
    values[0] = file >= 0 && read(file, text, sizeof text - 1) > 0 ? atoi(text) / 1000.0 : NAN;
    if (file >= 0)
        close(file);
    if (getloadavg(&values[1], 1) != 1)
        values[1] = NAN;
}

static void say(const char *what, const char *detail)
{
    fputs(what, stderr);
    fputs(": ", stderr);
    fputs(detail, stderr);
    fputc('\n', stderr);
}

static void on_state(void *context, enum sluice_device_state state)
{
    struct sluice_device *const *device = context;
    say(sluice_device_state_name(state), sluice_device_error(*device));
}

static void run(struct sluice_device *device)
{
    for (uint64_t sample_ms = 0;;) {
        uint64_t now_ms = sluice_posix_now_ms();
        if (now_ms >= sample_ms) {
            double values[2];
            measure(values);
            sluice_device_sample(device, now_ms, sluice_posix_time_ms(), values);
            sample_ms = now_ms + SAMPLE_INTERVAL_MS;
        }
        uint64_t next_ms = sluice_device_poll(device, now_ms);
        next_ms = next_ms < sample_ms ? next_ms : sample_ms;
        struct sluice_wait wait = sluice_device_wait(device);
        struct pollfd entry = {wait.descriptor,
                               (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
        poll(&entry, 1, next_ms > now_ms ? (int)(next_ms - now_ms) : 0);
    }
}

int main(int argc, char **argv)
{
    static _Alignas(max_align_t) unsigned char memory[16 * 1024];
    static struct sluice_device *device;
    struct sluice_port *port;
    char why[SLUICE_POSIX_ERROR_BYTES];
    if (argc != 5) {
        say("usage", "sluice-publish HOST PORT CLIENT_ID TOPIC");
        return 2;
    }
    const struct sluice_posix_config files = {
        .ca_file = "ca.crt", .certificate_file = "device.crt", .key_file = "device.key"};
    if (sluice_posix_new(&files, why, &port)) {
        say("sluice-publish", why);
        return 1;
    }
    const struct sluice_device_config config = {.host = argv[1],
                                                .port = (uint16_t)atoi(argv[2]),
                                                .client_id = argv[3],
                                                .topic = argv[4],
                                                .channels = channels,
                                                .channel_count = 2,
                                                .on_state = on_state,
                                                .context = &device};
    enum sluice_error error = sluice_device_open(memory, sizeof memory, &config, port, &device);
    if (error) {
        say("sluice-publish", sluice_error_text(error));
        return 2;
    }
    run(device);
}

/*
 * A network that takes what it is given and then says nothing: the device, on the
 * posix port, leaves after its limit, names what did not come, and does not spin.
 */
#include "port_fixture.h"
#include "sluice/device.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SHORT_MS = 300,
    LONG_MS = 20000,  /* for what does come, on a busy machine */
    ANSWER_MS = 2000, /* there something comes before the silence */
    POLLS_MAX = 60,   /* each handshake is some; a loop that spins has thousands */
};

static _Alignas(max_align_t) uint8_t memory[16 * 1024];
static struct sluice_port *port;
static struct sluice_device *device;

static void open_device(uint16_t tcp_port, uint32_t connect_ms)
{
    const struct sluice_device_config config = {
        .host = "localhost",
        .port = tcp_port,
        .client_id = "shed",
        .connect_ms = connect_ms,
        .answer_ms = ANSWER_MS,
        .puback_ms = ANSWER_MS,
        .keep_alive_s = 1,
        .backoff_min_ms = 60000,
        .backoff_max_ms = 60000,
    };
    port = open_posix("ca", "device");
    assert_int_equal(sluice_device_open(memory, sizeof memory, &config, port, &device), SLUICE_OK);
}

/* As an agent's loop has it. */
static void poll_once(void)
{
    uint64_t now_ms = sluice_posix_now_ms(), next_ms = sluice_device_poll(device, now_ms);
    struct sluice_wait wait = sluice_device_wait(device);
    struct pollfd entry = {wait.descriptor,
                           (short)((wait.readable ? POLLIN : 0) | (wait.writable ? POLLOUT : 0)), 0};
    if (sluice_device_error(device)[0] == '\0')
        poll(&entry, 1, next_ms > now_ms ? (int)(next_ms - now_ms) : 0);
}

static void expect_left(const char *sentence)
{
    int polls = 0;
    while (sluice_device_error(device)[0] == '\0' && polls < POLLS_MAX) {
        poll_once();
        polls++;
    }
    if (strcmp(sluice_device_error(device), sentence) != 0)
        fail_msg("'%s' after %d polls, not '%s'", sluice_device_error(device), polls, sentence);
    assert_int_equal(sluice_device_state(device), SLUICE_DEVICE_OFFLINE);
    assert_int_equal(sluice_device_counters(device).attempts, 1);
    assert_int_equal(sluice_device_wait(device).descriptor, -1);
    sluice_posix_free(port);
}

/* A socket that listens and is never asked for a connection. */
static int listen_silently(uint16_t *ret_tcp_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *ret_tcp_port = ntohs(address.sin_port);
    return listener;
}

static void a_silent_name_service_is_left(void **state)
{
    (void)state;
    machine_names_unanswered = true;
    open_device(8883, SHORT_MS);
    expect_left("no connection to the gateway in time: no lookup answer for localhost");
    machine_names_unanswered = false;
}

/* The kernel takes one connection for a listener that has no room, and drops what asks for more. */
static void a_network_that_swallows_packets_is_left(void **state)
{
    (void)state;
    uint16_t tcp_port;
    int listener = listen_silently(&tcp_port), fillers[4];
    for (size_t i = 0; i < 4; i++) {
        struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_port = htons(tcp_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    machine_localhost = "127.0.0.1";
    open_device(tcp_port, SHORT_MS);
    expect_left("no connection to the gateway in time: no TCP answer for localhost");
    machine_localhost = NULL;
    for (size_t i = 0; i < 4; i++)
        close(fillers[i]);
    close(listener);
}

static void a_network_that_accepts_and_is_silent_is_left(void **state)
{
    (void)state;
    uint16_t tcp_port;
    int listener = listen_silently(&tcp_port);
    machine_localhost = "127.0.0.1";
    open_device(tcp_port, SHORT_MS);
    expect_left("no connection to the gateway in time: no TLS answer for localhost");
    machine_localhost = NULL;
    close(listener);
}

static void a_gateway_that_is_silent_is_left(void **state)
{
    (void)state;
    const struct {
        const char *says;
        size_t says_bytes;
        bool publish;
        const char *sentence;
    } rows[] = {
        {"", 0, false, "the gateway is silent: no CONNACK"},
        {"\x20\x03\x00\x00\x00", 5, false, "the gateway is silent: no PINGRESP"},
        {"\x20\x03\x00\x00\x00", 5, true, "the gateway is silent: no PUBACK"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server server = server_start_as((struct server_wish){
            .certificate = "gateway", .says = rows[i].says, .says_bytes = rows[i].says_bytes});
        open_device(server.tcp_port, LONG_MS);
        const struct sluice_message message = {.topic = {"t/1", 3}, .payload = {"x", 1}};
        if (rows[i].publish)
            assert_int_equal(sluice_device_publish(device, &message), SLUICE_OK);
        expect_left(rows[i].sentence);
        server_stop(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_name_service_is_left),
        cmocka_unit_test(a_network_that_swallows_packets_is_left),
        cmocka_unit_test(a_network_that_accepts_and_is_silent_is_left),
        cmocka_unit_test(a_gateway_that_is_silent_is_left),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}

/* net.h over plain TCP: strokes, pausing, closing, limits. Clients are sockets of this process. */
#include "base/memory.h"
#include "net/connect_rate.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What the server does with its connections, and what came of it. */
struct fixture {
    uv_loop_t loop;
    struct net *net;
    struct net_listener *listener;
    struct net_listener_config config;
    bool refuses;
    size_t unit_bytes;                 /* on_data takes whole units only */
    bool echoes;                       /* and sends them back */
    bool pauses;                       /* after the next on_data */
    size_t takes_when_paused;          /* in units, of that on_data */
    struct net_connection *connection; /* the last that was opened */
    struct net_peer peer;
    struct buffer received;
    size_t opened, data_calls, drained, closed;
    enum sluice_error why;
};

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct fixture *fixture = ctx;
    fixture->opened++;
    fixture->connection = connection;
    fixture->peer = *peer;
    return fixture->refuses ? NULL : fixture;
}

static size_t on_data(void *user, struct span input)
{
    struct fixture *fixture = user;
    size_t taken = input.len - input.len % fixture->unit_bytes;
    fixture->data_calls++;
    if (fixture->pauses) {
        fixture->pauses = false;
        taken = fixture->takes_when_paused * fixture->unit_bytes;
        net_pause(fixture->connection, true);
    }
    buffer_append(&fixture->received, span_of(input.data, taken));
    if (fixture->echoes) {
        buffer_append(net_output(fixture->connection), span_of(input.data, taken));
        net_flush_soon(fixture->connection);
    }
    return taken;
}

static void on_drained(void *user)
{
    ((struct fixture *)user)->drained++;
}

static void on_closed(void *user, enum sluice_error why)
{
    struct fixture *fixture = user;
    fixture->closed++;
    fixture->why = why;
    if (fixture->connection)
        net_flush_soon(fixture->connection); /* no harm */
    fixture->connection = NULL;
}

static void start(struct fixture *fixture)
{
    char text[NET_TEXT_BYTES];
    const struct net_callbacks callbacks = {fixture, on_open, on_data, on_drained, NULL, on_closed};
    assert_int_equal(net_listener_start(fixture->net, &fixture->config, &callbacks, &fixture->listener, text),
                     SLUICE_OK);
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_new(sizeof *fixture);
    uv_loop_init(&fixture->loop);
    fixture->net = net_new(&fixture->loop);
    fixture->config = net_listener_config_default();
    fixture->config.name = "mqtt";
    fixture->config.address = "127.0.0.1";
    fixture->unit_bytes = 1;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    net_stop(fixture->net);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&fixture->loop); /* every handle is closed, or it is busy */
    buffer_fini(&fixture->received);
    memory_free(fixture);
    return failed;
}

static void turn(struct fixture *fixture)
{
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

#define TURN_UNTIL(fixture, condition)                                                                       \
    while (!(condition))                                                                                     \
    turn(fixture)

static int client_connect(struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(net_listener_port(fixture->listener))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A client that is connected at both ends. */
static int client_open(struct fixture *fixture)
{
    size_t before = fixture->opened;
    int fd = client_connect(fixture);
    TURN_UNTIL(fixture, fixture->opened > before);
    return fd;
}

static void client_send(struct fixture *fixture, int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent > 0)
            bytes = span_skip(bytes, (size_t)sent);
        turn(fixture);
    }
}

/* Appends what is there; true at the server's end of the connection, orderly or not. */
static bool client_receive(int fd, struct buffer *received, int *ret_error)
{
    ssize_t len = recv(fd, buffer_reserve(received, 65536), 65536, 0);
    if (len > 0)
        buffer_grown(received, (size_t)len);
    *ret_error = len < 0 ? errno : 0;
    return len == 0 || (len < 0 && errno != EAGAIN);
}

static void assert_bytes(const struct buffer *received, struct span expected)
{
    assert_int_equal(buffer_len(received), expected.len);
    assert_memory_equal(received->data + received->start, expected.data, expected.len);
}

/* Bytes whose order shows. */
static struct buffer pattern(size_t len)
{
    struct buffer bytes = {0};
    for (uint32_t i = 0; buffer_len(&bytes) < len; i++)
        buffer_append(&bytes, span_of(&i, sizeof i));
    return bytes;
}

static void bytes_arrive_whole_and_in_order_however_they_are_cut(void **state)
{
    static const struct {
        const char *name;
        size_t total_bytes, unit_bytes, piece_bytes;
    } rows[] = {
        {"one byte a segment", 1000, 10, 1},
        {"pieces beside the units", 112000, 28, 1001},
        {"all at once", 2000000, 1000, 2000000},
        {"units beyond the headroom", 1000000, 200000, 30000},
        {"units beyond a stroke", 2400000, 800000, 2400000},
    };
    struct fixture *fixture = *state;
    start(fixture);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer sent = pattern(rows[i].total_bytes);
        fixture->unit_bytes = rows[i].unit_bytes;
        int fd = client_open(fixture);
        for (struct span rest = buffer_span(&sent); rest.len > 0;) {
            size_t piece = rest.len < rows[i].piece_bytes ? rest.len : rows[i].piece_bytes;
            client_send(fixture, fd, span_of(rest.data, piece));
            rest = span_skip(rest, piece);
        }
        TURN_UNTIL(fixture, buffer_len(&fixture->received) >= rows[i].total_bytes);
        print_message("%s\n", rows[i].name);
        assert_bytes(&fixture->received, buffer_span(&sent));
        close(fd);
        TURN_UNTIL(fixture, fixture->closed == i + 1);
        assert_int_equal(fixture->why, SLUICE_CLOSED);
        buffer_fini(&sent);
        buffer_fini(&fixture->received);
    }
    assert_int_equal(net_listener_counters(fixture->listener)->connections, 0);
    assert_string_equal(fixture->peer.address, "127.0.0.1");
    assert_string_equal(fixture->peer.listener, "mqtt");
}

static void one_listener_takes_both_families(void **state)
{
    struct fixture *fixture = *state;
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (six < 0 || bind(six, (struct sockaddr *)&address, sizeof address)) {
        close(six);
        skip(); /* this machine has no IPv6 */
    }
    fixture->config.address = "::";
    start(fixture);
    address.sin6_port = htons(net_listener_port(fixture->listener));
    assert_int_equal(connect(six, (struct sockaddr *)&address, sizeof address), 0);
    TURN_UNTIL(fixture, fixture->opened == 1);
    assert_string_equal(fixture->peer.address, "::1");
    int four = client_open(fixture);
    assert_string_equal(fixture->peer.address, "127.0.0.1");
    close(four);
    close(six);
}

static void what_is_written_comes_back(void **state)
{
    struct fixture *fixture = *state;
    fixture->echoes = true;
    start(fixture);
    int fd = client_open(fixture), error;
    struct buffer sent = pattern(500000), received = {0};
    client_send(fixture, fd, buffer_span(&sent));
    while (buffer_len(&received) < buffer_len(&sent)) {
        turn(fixture);
        assert_false(client_receive(fd, &received, &error));
    }
    assert_bytes(&received, buffer_span(&sent));
    assert_int_equal(net_listener_counters(fixture->listener)->bytes_sent, buffer_len(&sent));
    assert_null(net_output(fixture->connection)->data); /* idle, it holds no memory */
    buffer_fini(&sent);
    buffer_fini(&received);
    close(fd);
}

static void paused_gets_nothing_and_misses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->pauses = true;
    fixture->unit_bytes = 2;
    fixture->takes_when_paused = 1;
    start(fixture);
    int fd = client_open(fixture);
    client_send(fixture, fd, SPAN_LITERAL("aabbc"));
    TURN_UNTIL(fixture, fixture->data_calls == 1);
    client_send(fixture, fd, SPAN_LITERAL("cdd"));
    for (int i = 0; i < 10; i++)
        turn(fixture);
    assert_int_equal(fixture->data_calls, 1);
    net_pause(fixture->connection, false);
    TURN_UNTIL(fixture, buffer_len(&fixture->received) == 8);
    assert_bytes(&fixture->received, SPAN_LITERAL("aabbccdd"));
    close(fd);
}

static void what_arrived_before_a_reset_is_read(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fd = client_open(fixture);
    assert_int_equal(send(fd, "last words", 10, 0), 10);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
    TURN_UNTIL(fixture, fixture->closed == 1);
    assert_int_equal(fixture->why, SLUICE_CLOSED);
    assert_bytes(&fixture->received, SPAN_LITERAL("last words"));
}

static void output_waits_for_a_slow_reader(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fd = client_open(fixture), error;
    struct buffer sent = pattern(16 << 20), received = {0};
    buffer_append(net_output(fixture->connection), buffer_span(&sent));
    net_flush_soon(fixture->connection);
    for (int i = 0; i < 10; i++)
        turn(fixture);
    assert_true(buffer_len(net_output(fixture->connection)) > 0);
    assert_int_equal(fixture->drained, 0);
    while (buffer_len(&received) < buffer_len(&sent)) {
        assert_false(client_receive(fd, &received, &error));
        turn(fixture);
    }
    TURN_UNTIL(fixture, fixture->drained > 0);
    assert_int_equal(fixture->drained, 1);
    assert_bytes(&received, buffer_span(&sent));
    buffer_fini(&sent);
    buffer_fini(&received);
    close(fd);
}

/* Whoever stopped because its output had grown large is told when it has left, also if that was at once. */
static void output_that_leaves_at_once_is_told_too(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fd = client_open(fixture);
    for (size_t round = 1; round <= 3; round++) {
        buffer_append(net_output(fixture->connection), SPAN_LITERAL("fits"));
        net_flush_soon(fixture->connection);
        for (int i = 0; i < 10; i++)
            turn(fixture);
        assert_int_equal(buffer_len(net_output(fixture->connection)), 0);
        assert_int_equal(fixture->drained, round);
    }
    close(fd);
}

/* Unread input would make the system answer with a reset, which takes the last words with it. */
static void closing_sends_the_last_output_and_resets_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fd = client_open(fixture), error = 0;
    struct buffer sent = pattern(4 << 20), received = {0};
    buffer_append(net_output(fixture->connection), buffer_span(&sent));
    net_close(fixture->connection);
    client_send(fixture, fd, buffer_span(&sent));
    while (!client_receive(fd, &received, &error))
        turn(fixture);
    assert_int_equal(error, 0);
    assert_bytes(&received, buffer_span(&sent));
    assert_int_equal(fixture->data_calls, 0);
    assert_int_equal(fixture->closed, 0);
    close(fd);
    TURN_UNTIL(fixture, fixture->closed == 1);
    assert_int_equal(fixture->why, SLUICE_OK);
    buffer_fini(&sent);
    buffer_fini(&received);
}

static void closing_has_a_deadline(void **state)
{
    static const struct {
        const char *name;
        size_t output_bytes;
        enum sluice_error why;
    } rows[] = {
        {"all is sent, and the peer does not close", 1, SLUICE_OK},
        {"the peer does not read", 16 << 20, SLUICE_TIMEOUT},
    };
    struct fixture *fixture = *state;
    fixture->config.close_timeout_ms = 1;
    start(fixture);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client_open(fixture);
        struct buffer sent = pattern(rows[i].output_bytes);
        buffer_append(net_output(fixture->connection), buffer_span(&sent));
        net_close(fixture->connection);
        TURN_UNTIL(fixture, fixture->closed == i + 1);
        if (fixture->why != rows[i].why)
            fail_msg("%s: %d", rows[i].name, fixture->why);
        buffer_fini(&sent);
        close(fd);
    }
}

static void aborting_tells_once(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fd = client_open(fixture);
    net_abort(fixture->connection);
    net_close(fixture->connection);
    net_abort(fixture->connection);
    assert_int_equal(fixture->closed, 0); /* never from inside */
    for (int i = 0; i < 10; i++)
        turn(fixture);
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->why, SLUICE_DENIED);
    close(fd);
}

static void refused_connection_is_closed_without_a_word(void **state)
{
    struct fixture *fixture = *state;
    struct buffer received = {0};
    int error;
    fixture->refuses = true;
    start(fixture);
    int fd = client_open(fixture);
    while (!client_receive(fd, &received, &error))
        turn(fixture);
    assert_int_equal(buffer_len(&received), 0);
    assert_int_equal(fixture->closed, 0);
    buffer_fini(&received);
    close(fd);
}

static void connections_are_bounded_in_all_and_for_an_address(void **state)
{
    struct fixture *fixture = *state;
    for (int row = 0; row < 2; row++) {
        fixture->config.connections_count = row == 0 ? 2 : 100;
        fixture->config.connections_per_address_count = row == 0 ? 100 : 2;
        fixture->opened = fixture->closed = 0;
        start(fixture);
        const struct net_counters *counters = net_listener_counters(fixture->listener);
        int first = client_open(fixture), second = client_open(fixture), third = client_connect(fixture);
        TURN_UNTIL(fixture, counters->accepted == 3);
        assert_int_equal(counters->refused_full, row == 0);
        assert_int_equal(counters->refused_per_address, row == 1);
        assert_int_equal(fixture->opened, 2);
        close(first); /* makes room */
        TURN_UNTIL(fixture, fixture->closed == 1);
        int fourth = client_open(fixture);
        assert_int_equal(counters->connections, 2);
        close(second);
        close(third);
        close(fourth);
        TURN_UNTIL(fixture, fixture->closed == 3);
    }
}

/* The bounds are those of the gateway, whichever of its listeners is asked. */
static void listeners_share_their_bounds(void **state)
{
    struct fixture *fixture = *state;
    for (int row = 0; row < 2; row++) {
        fixture->config.connections_count = row == 0 ? 2 : 100;
        fixture->config.connections_per_address_count = row == 0 ? 100 : 2;
        fixture->opened = fixture->closed = 0;
        start(fixture);
        int first = client_open(fixture);
        start(fixture); /* clients take this one from now on */
        const struct net_counters *counters = net_listener_counters(fixture->listener);
        int second = client_open(fixture), third = client_connect(fixture);
        TURN_UNTIL(fixture, counters->accepted == 2);
        assert_int_equal(counters->refused_full, row == 0);
        assert_int_equal(counters->refused_per_address, row == 1);
        close(first);
        close(second);
        close(third);
        TURN_UNTIL(fixture, fixture->closed == 2);
    }
}

/* One a second allows ten at once. */
static void an_address_that_connects_too_fast_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.connects_a_second = 1;
    start(fixture);
    const struct net_counters *counters = net_listener_counters(fixture->listener);
    uv_update_time(&fixture->loop);
    uint64_t began_ms = uv_now(&fixture->loop);
    for (uint64_t i = 1; i <= 20; i++) {
        int fd = client_connect(fixture);
        TURN_UNTIL(fixture, counters->accepted == i);
        close(fd);
    }
    uint64_t earned = (uv_now(&fixture->loop) - began_ms) / 1000;
    assert_in_range(fixture->opened, 10, 10 + earned);
    assert_int_equal(counters->refused_rate, 20 - fixture->opened);
    TURN_UNTIL(fixture, fixture->closed == fixture->opened);
}

static void an_address_earns_its_connections(void **state)
{
    (void)state;
    struct connect_rate rate = {.seed = 1};
    size_t passed = 0;
    for (uint64_t now_ms = 1000; now_ms < 61000; now_ms++) {
        for (int i = 0; i < 5; i++)
            passed += connect_rate_allows(&rate, 42, 100, now_ms);
    }
    assert_in_range(passed, 60 * 100 + 990, 60 * 100 + 1000);
    assert_false(connect_rate_allows(&rate, 42, 100, 61000 - 1));
    assert_true(connect_rate_allows(&rate, 43, 100, 61000 - 1)); /* in another slot, with this seed */
}

static void accepting_goes_on_after_descriptors_ran_out(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit old, none;
    start(fixture);
    int fd = client_connect(fixture);
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 10; i++)
        turn(fixture);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(fixture->opened, 0);
    TURN_UNTIL(fixture, fixture->opened == 1);
    close(fd);
}

static void stopped_listener_closes_what_it_has(void **state)
{
    struct fixture *fixture = *state;
    struct buffer received = {0};
    int error;
    start(fixture);
    int fd = client_open(fixture);
    buffer_append(net_output(fixture->connection), SPAN_LITERAL("bye"));
    net_listener_stop(fixture->listener);
    while (!client_receive(fd, &received, &error))
        turn(fixture);
    assert_bytes(&received, SPAN_LITERAL("bye"));
    close(fd);
    TURN_UNTIL(fixture, fixture->closed == 1);
    assert_int_equal(fixture->why, SLUICE_OK);
    buffer_fini(&received);
}

static void everything_is_closed_when_net_stops(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    int fds[20];
    for (int i = 0; i < 20; i++)
        fds[i] = client_open(fixture);
    net_stop(fixture->net);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->closed, 20);
    assert_int_equal(fixture->why, SLUICE_DENIED);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    fixture->net = net_new(&fixture->loop); /* for tear_down */
}

static void start_says_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    const struct {
        const char *address;
        uint16_t port;
        enum sluice_error error;
        const char *text;
    } rows[] = {
        {"nowhere", 1883, SLUICE_INVALID, "listen mqtt: \"nowhere\" is not an IPv4 or IPv6 address"},
        {"1.2.3", 1883, SLUICE_INVALID, "listen mqtt: \"1.2.3\" is not an IPv4 or IPv6 address"},
        {"203.0.113.9", 1883, SLUICE_INVALID,
         "listen mqtt: 203.0.113.9:1883 is not an address of this machine"},
        {"127.0.0.1", net_listener_port(fixture->listener), SLUICE_EXISTS, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[NET_TEXT_BYTES] = "", in_use[NET_TEXT_BYTES];
        struct net_listener *listener = NULL;
        const struct net_callbacks callbacks = {fixture, on_open, on_data, NULL, NULL, on_closed};
        fixture->config.address = rows[i].address;
        fixture->config.port = rows[i].port;
        snprintf(in_use, sizeof in_use, "listen mqtt: 127.0.0.1:%u is in use by another program",
                 rows[i].port);
        assert_int_equal(net_listener_start(fixture->net, &fixture->config, &callbacks, &listener, text),
                         rows[i].error);
        assert_string_equal(text, rows[i].text ? rows[i].text : in_use);
        assert_null(listener);
    }
}

#define NET_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(bytes_arrive_whole_and_in_order_however_they_are_cut),
        NET_TEST(one_listener_takes_both_families),
        NET_TEST(what_is_written_comes_back),
        NET_TEST(paused_gets_nothing_and_misses_nothing),
        NET_TEST(what_arrived_before_a_reset_is_read),
        NET_TEST(output_waits_for_a_slow_reader),
        NET_TEST(output_that_leaves_at_once_is_told_too),
        NET_TEST(closing_sends_the_last_output_and_resets_nothing),
        NET_TEST(closing_has_a_deadline),
        NET_TEST(aborting_tells_once),
        NET_TEST(refused_connection_is_closed_without_a_word),
        NET_TEST(connections_are_bounded_in_all_and_for_an_address),
        NET_TEST(listeners_share_their_bounds),
        NET_TEST(an_address_that_connects_too_fast_is_refused),
        cmocka_unit_test(an_address_earns_its_connections),
        NET_TEST(accepting_goes_on_after_descriptors_ran_out),
        NET_TEST(stopped_listener_closes_what_it_has),
        NET_TEST(everything_is_closed_when_net_stops),
        NET_TEST(start_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net.h over WebSocket, on plain TCP: the user sees payload, and pausing, slow readers and closing are as
 * without. Clients are sockets of this process; their mask is zero, which leaves payload as it is. */
#include "base/memory.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { FRAME_BYTES_MAX = 1000 };

/* The user's first stroke is taken as it is and answered so; then WebSocket begins. */
struct fixture {
    uv_loop_t loop;
    struct net *net;
    struct net_listener *listener;
    struct net_connection *connection;
    struct buffer payload; /* what the user got */
    struct buffer raw;     /* what the client got, not yet read as frames */
    int fd;
    bool upgraded, echoes, pauses;
    size_t drained, closed;
    enum sluice_error why;
    unsigned status; /* of the Server's Close */
};

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct fixture *fixture = ctx;
    (void)peer;
    fixture->connection = connection;
    return fixture;
}

static size_t on_data(void *user, struct span input)
{
    struct fixture *fixture = user;
    if (!fixture->upgraded) {
        assert_true(span_equal(input, SPAN_LITERAL("upgrade")));
        buffer_append(net_output(fixture->connection), SPAN_LITERAL("upgraded"));
        net_start_websocket(fixture->connection, FRAME_BYTES_MAX);
        fixture->upgraded = true;
        return input.len;
    }
    if (fixture->pauses) {
        fixture->pauses = false;
        net_pause(fixture->connection, true);
        return 0;
    }
    buffer_append(&fixture->payload, input);
    if (fixture->echoes)
        buffer_append(net_output(fixture->connection), input);
    net_flush_soon(fixture->connection);
    return input.len;
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
}

static void turn(struct fixture *fixture)
{
    uint8_t bytes[65536];
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    if (fixture->fd < 0)
        return;
    ssize_t len = recv(fixture->fd, bytes, sizeof bytes, 0);
    if (len > 0)
        buffer_append(&fixture->raw, span_of(bytes, (size_t)len));
}

#define TURN_UNTIL(fixture, condition)                                                                       \
    while (!(condition))                                                                                     \
    turn(fixture)

static void client_send(struct fixture *fixture, struct span bytes)
{
    assert_int_equal(send(fixture->fd, bytes.data, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void client_send_frame(struct fixture *fixture, uint8_t first, const char *payload)
{
    struct buffer frame = {0};
    size_t len = strlen(payload);
    buffer_append(&frame, span_of((uint8_t[]){first, (uint8_t)(0x80 | len), 0, 0, 0, 0}, 6));
    buffer_append(&frame, span_of(payload, len));
    client_send(fixture, buffer_span(&frame));
    buffer_fini(&frame);
}

/* Takes whole frames from `raw`, and adds the payload of binary ones. */
static void client_read_frames(struct fixture *fixture, struct buffer *payload)
{
    for (;;) {
        struct reader reader = reader_of(buffer_span(&fixture->raw));
        uint8_t first = read_u8(&reader), length = read_u8(&reader);
        struct span bytes =
            read_bytes(&reader, length < 126 ? length : read_integer(&reader, length == 126 ? 2 : 8));
        if (reader.failed)
            return;
        if (first == 0x88)
            fixture->status = (unsigned)(bytes.data[0] << 8 | bytes.data[1]);
        else
            assert_int_equal(first, 0x82);
        if (first == 0x82)
            buffer_append(payload, bytes);
        buffer_consume(&fixture->raw, buffer_len(&fixture->raw) - reader_left(&reader));
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = memory_new(sizeof *fixture);
    const struct net_callbacks callbacks = {.ctx = fixture,
                                            .on_open = on_open,
                                            .on_data = on_data,
                                            .on_drained = on_drained,
                                            .on_closed = on_closed};
    struct net_listener_config config = net_listener_config_default();
    char text[NET_TEXT_BYTES];
    uv_loop_init(&fixture->loop);
    fixture->net = net_new(&fixture->loop);
    config.name = "ws";
    config.address = "127.0.0.1";
    assert_int_equal(net_listener_start(fixture->net, &config, &callbacks, &fixture->listener, text),
                     SLUICE_OK);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(net_listener_port(fixture->listener))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    fixture->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fixture->fd, F_SETFL, O_NONBLOCK);
    client_send(fixture, SPAN_LITERAL("upgrade"));
    struct span answer = SPAN_LITERAL("upgraded"); /* as it is, in no frame */
    TURN_UNTIL(fixture, buffer_len(&fixture->raw) >= answer.len);
    assert_true(span_equal(buffer_span(&fixture->raw), answer));
    buffer_fini(&fixture->raw);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->fd >= 0)
        close(fixture->fd);
    net_stop(fixture->net);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&fixture->loop);
    buffer_fini(&fixture->payload);
    buffer_fini(&fixture->raw);
    memory_free(fixture);
    return failed;
}

static void payload_goes_in_and_out(void **state)
{
    struct fixture *fixture = *state;
    struct buffer echoed = {0};
    fixture->echoes = true;
    client_send_frame(fixture, 0x02, "over ");
    client_send_frame(fixture, 0x80, "two frames");
    while (buffer_len(&echoed) < strlen("over two frames")) {
        turn(fixture);
        client_read_frames(fixture, &echoed);
    }
    assert_true(span_equal(buffer_span(&echoed), SPAN_LITERAL("over two frames")));
    assert_true(span_equal(buffer_span(&fixture->payload), SPAN_LITERAL("over two frames")));
    buffer_fini(&echoed);
}

/* What the peer does not take stays in the output, where its writer sees how much it is. */
static void output_waits_for_a_slow_reader(void **state)
{
    enum { PIECE_BYTES = 1 << 20, PIECES = 16 };
    struct fixture *fixture = *state;
    struct buffer received = {0}, *output = net_output(fixture->connection);
    int fd = fixture->fd;
    fixture->fd = -1; /* not read */
    for (int i = 0; i < PIECES; i++) {
        memset(buffer_reserve(output, PIECE_BYTES), 'a' + i, PIECE_BYTES);
        buffer_grown(output, PIECE_BYTES);
        net_flush_soon(fixture->connection);
        for (int j = 0; j < 5; j++)
            turn(fixture);
    }
    assert_true(buffer_len(output) >
                (PIECES - 8) * PIECE_BYTES); /* a socket's buffers and a frame have the rest */
    size_t drained = fixture->drained;       /* of the first pieces */
    fixture->fd = fd;
    while (buffer_len(&received) < PIECES * PIECE_BYTES) {
        turn(fixture);
        client_read_frames(fixture, &received);
    }
    for (int i = 0; i < PIECES * PIECE_BYTES; i++)
        assert_int_equal(received.data[received.start + (size_t)i], 'a' + i / PIECE_BYTES);
    assert_int_equal(fixture->drained, drained + 1);
    buffer_fini(&received);
}

/* Whoever is held back has not said its last word when it says Close. */
static void what_came_before_a_close_is_presented_first(void **state)
{
    struct fixture *fixture = *state;
    struct buffer nothing = {0};
    fixture->pauses = true;
    client_send_frame(fixture, 0x82, "held back");
    client_send_frame(fixture, 0x88, "\x03\xe9");
    for (int i = 0; i < 10; i++)
        turn(fixture);
    assert_false(fixture->pauses);
    assert_int_equal(buffer_len(&fixture->payload), 0);
    assert_int_equal(buffer_len(&fixture->raw), 0);
    net_pause(fixture->connection, false);
    while (fixture->status == 0) {
        turn(fixture);
        client_read_frames(fixture, &nothing);
    }
    assert_true(span_equal(buffer_span(&fixture->payload), SPAN_LITERAL("held back")));
    assert_int_equal(fixture->status, 1001);
    close(fixture->fd);
    fixture->fd = -1;
    TURN_UNTIL(fixture, fixture->closed == 1);
    assert_int_equal(fixture->why, SLUICE_OK);
}

static void each_end_has_its_status(void **state)
{
    static const struct {
        uint8_t first;
        unsigned status;
    } rows[] = {{0x81, 1003}, {0xc2, 1002}, {0, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture *fixture = *state;
        struct buffer received = {0};
        if (rows[i].first)
            client_send_frame(fixture, rows[i].first, "x");
        else
            net_close(fixture->connection);
        buffer_append(net_output(fixture->connection), SPAN_LITERAL("last words"));
        net_flush_soon(fixture->connection);
        while (fixture->status == 0) {
            turn(fixture);
            client_read_frames(fixture, &received);
        }
        assert_int_equal(fixture->status, rows[i].status);
        assert_true(span_equal(buffer_span(&received), SPAN_LITERAL("last words")));
        assert_int_equal(buffer_len(&fixture->payload), 0);
        buffer_fini(&received);
        tear_down(state);
        set_up(state);
    }
}

#define NET_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(payload_goes_in_and_out),
        NET_TEST(output_waits_for_a_slow_reader),
        NET_TEST(what_came_before_a_close_is_presented_first),
        NET_TEST(each_end_has_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

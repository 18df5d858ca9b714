/*
 * Bytes that are no MQTT, or are wrong in it, to the gateway that malformed.sh
 * runs at port MQTT of the loopback: that connection alone is closed, and
 * version 5 is told why. A well-behaved client is connected all the time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_S = 60 };

#define BYTES(literal) (literal), sizeof(literal) - 1

/* Without a Client Identifier, which the Server then gives; Keep Alive 60 s. */
#define CONNECT_3 "\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"
#define CONNECT_5 "\x10\x0d\0\4MQTT\5\2\0\x3c\0\0\0"

static int connect_gateway(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(getenv("MQTT"))),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval hang = {.tv_sec = HANG_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof hang), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t len)
{
    /* The gateway may have closed already, which is what the reading finds out. */
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    assert_true(sent == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

enum packet_read {
    PACKET,
    ENDED,
    SILENT, /* for as long as only a hanging machine would take */
};

/* Reads a whole Control Packet of less than 128 bytes. */
static enum packet_read read_packet(int fd, uint8_t packet[static 129])
{
    ssize_t len = recv(fd, packet, 2, MSG_WAITALL);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return SILENT;
    if (len != 2)
        return ENDED;
    assert_true(packet[1] < 128);
    if (packet[1] == 0) /* recv would wait even for nothing */
        return PACKET;
    return recv(fd, packet + 2, packet[1], MSG_WAITALL) == packet[1] ? PACKET : ENDED;
}

/* The witness's connection is alive: it gets its PINGRESP. */
static void assert_alive(int witness, const char *row)
{
    uint8_t packet[129];
    send_bytes(witness, BYTES("\xc0\0"));
    if (read_packet(witness, packet) != PACKET || packet[0] != 0xd0)
        fail_msg("%s: the other client's session has ended", row);
}

enum {
    NO_WORD = 0,    /* the connection ends without a packet */
    CONNACK = 0x20, /* it ends with one, and this is its first byte */
    DISCONNECT = 0xe0,
};

struct row {
    const char *name;
    int version; /* of the CONNECT before; 0: there is none */
    const char *bytes;
    size_t len;
    uint8_t answer;
    uint8_t reason;
};

static const struct row rows[] = {
    {"PUBLISH first", 0, BYTES("\x30\5\0\1txx"), NO_WORD, 0},
    {"PINGREQ first", 0, BYTES("\xc0\0"), NO_WORD, 0},
    {"AUTH first", 0, BYTES("\xf0\0"), NO_WORD, 0},
    {"reserved packet type 0", 0, BYTES("\0\0"), NO_WORD, 0},
    {"HTTP", 0, BYTES("GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"), NO_WORD, 0},
    {"TLS hello", 0, BYTES("\x16\3\1\0\x5\1\0\0\1\0"), NO_WORD, 0},
    {"PROXY line", 0, BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 4000 1883\r\n"), NO_WORD, 0},
    {"Remaining Length of five bytes", 0, BYTES("\x10\xff\xff\xff\xff\1"), NO_WORD, 0},
    {"CONNECT that claims 256 MB", 0, BYTES("\x10\xff\xff\xff\x7f\0\4MQTT\4\2\0\x3c\0\0"), NO_WORD, 0},
    {"CONNECT with wrong flags", 0, BYTES("\x11\x0c\0\4MQTT\4\2\0\x3c\0\0"), NO_WORD, 0},
    {"protocol level 2", 0, BYTES("\x10\x0c\0\4MQTT\2\2\0\x3c\0\0"), CONNACK, 0x01},
    {"protocol level 6", 0, BYTES("\x10\x0d\0\4MQTT\6\2\0\x3c\0\0\0"), CONNACK, 0x84},
    {"another protocol's name", 0, BYTES("\x10\x0c\0\4MQTX\4\2\0\x3c\0\0"), CONNACK, 0x01},
    {"version 3.1.1 without Client Identifier and Clean Session", 0, BYTES("\x10\x0c\0\4MQTT\4\0\0\x3c\0\0"),
     CONNACK, 0x02},
    {"version 5 with Receive Maximum 0", 0, BYTES("\x10\x10\0\4MQTT\5\2\0\x3c\3\x21\0\0\0\0"), CONNACK, 0x82},
    {"version 5 with an unknown property", 0, BYTES("\x10\x0f\0\4MQTT\5\2\0\x3c\2\x7f\0\0\0"), CONNACK, 0x81},
    {"version 5 with reserved connect flag", 0, BYTES("\x10\x0d\0\4MQTT\5\3\0\x3c\0\0\0"), CONNACK, 0x81},

    {"second CONNECT", 4, BYTES(CONNECT_3), NO_WORD, 0},
    {"second CONNECT, version 5", 5, BYTES(CONNECT_5), DISCONNECT, 0x82},
    {"CONNACK from a Client", 5, BYTES("\x20\3\0\0\0"), DISCONNECT, 0x82},
    {"PINGRESP from a Client", 5, BYTES("\xd0\0"), DISCONNECT, 0x82},
    {"PINGREQ with flags", 5, BYTES("\xc1\0"), DISCONNECT, 0x81},
    {"PINGREQ with content", 5, BYTES("\xc0\1x"), DISCONNECT, 0x81},
    {"SUBSCRIBE with flags 0", 5, BYTES("\x80\7\0\1\0\0\1t\0"), DISCONNECT, 0x81},
    {"SUBSCRIBE without a filter", 5, BYTES("\x82\3\0\1\0"), DISCONNECT, 0x82},
    {"SUBSCRIBE without a filter, version 3.1.1", 4, BYTES("\x82\2\0\1"), NO_WORD, 0},
    {"SUBSCRIBE with Packet Identifier 0", 5, BYTES("\x82\7\0\0\0\0\1t\0"), DISCONNECT, 0x82},
    {"SUBSCRIBE of QoS 3", 5, BYTES("\x82\7\0\1\0\0\1t\3"), DISCONNECT, 0x82},
    {"UNSUBSCRIBE without a filter", 5, BYTES("\xa2\3\0\1\0"), DISCONNECT, 0x82},
    {"PUBLISH of QoS 3", 5, BYTES("\x36\6\0\1t\0\1\0"), DISCONNECT, 0x81},
    {"PUBLISH of QoS 3, version 3.1.1", 4, BYTES("\x36\5\0\1t\0\1"), NO_WORD, 0},
    {"PUBLISH to a wildcard", 5, BYTES("\x30\4\0\1#\0"), DISCONNECT, 0x90},
    {"PUBLISH to a wildcard, version 3.1.1", 4, BYTES("\x30\3\0\1#"), NO_WORD, 0},
    {"PUBLISH without topic and alias", 5, BYTES("\x30\3\0\0\0"), DISCONNECT, 0x82},
    {"PUBLISH with Topic Alias 0", 5, BYTES("\x30\7\0\1t\3\x23\0\0"), DISCONNECT, 0x94},
    {"PUBLISH with an unknown Topic Alias", 5, BYTES("\x30\6\0\0\3\x23\0\1"), DISCONNECT, 0x82},
    {"PUBLISH with a NUL in its topic", 5, BYTES("\x30\4\0\1\0\0"), DISCONNECT, 0x81},
    {"PUBLISH with a surrogate in its topic", 5, BYTES("\x30\6\0\3\xed\xa0\x80\0"), DISCONNECT, 0x81},
    {"PUBLISH with an overlong slash", 5, BYTES("\x30\5\0\2\xc0\xaf\0"), DISCONNECT, 0x81},
    {"PUBLISH whose topic is longer than itself", 5, BYTES("\x30\4\0\x9tx"), DISCONNECT, 0x81},
    {"PUBLISH with a Property Length of five bytes", 5, BYTES("\x30\x9\0\1t\xff\xff\xff\xff\1x"), DISCONNECT,
     0x81},
    {"PUBLISH with a property of CONNECT", 5, BYTES("\x30\7\0\1t\3\x21\0\1"), DISCONNECT, 0x81},
    {"PUBLISH larger than allowed", 5, BYTES("\x30\xff\xff\xff\x7f\0\1t"), DISCONNECT, 0x95},
    {"reserved packet type 0, version 5", 5, BYTES("\0\0"), DISCONNECT, 0x81},
};

/* False: it went on, or ended in another way than the row says, which is printed. */
static bool ends_as_it_should(int fd, const struct row *row)
{
    uint8_t packet[129] = {0};
    enum packet_read read = read_packet(fd, packet);
    if (read == PACKET && row->answer != NO_WORD) {
        uint8_t reason = packet[0] == DISCONNECT ? packet[2] : packet[3];
        if (packet[0] == row->answer && reason == row->reason && read_packet(fd, packet) == ENDED)
            return true;
        print_error("%s: answered with packet 0x%02x, reason 0x%02x\n", row->name, packet[0], reason);
        return false;
    }
    if (read == ENDED && row->answer == NO_WORD)
        return true;
    static const char *const texts[] = {
        [PACKET] = "is told something", [ENDED] = "is told nothing", [SILENT] = "goes on"};
    print_error("%s: the connection %s\n", row->name, texts[read]);
    return false;
}

static bool try_row(const struct row *row)
{
    int fd = connect_gateway();
    uint8_t packet[129];
    if (row->version == 4)
        send_bytes(fd, BYTES(CONNECT_3));
    if (row->version == 5)
        send_bytes(fd, BYTES(CONNECT_5));
    if (row->version)
        assert_int_equal(read_packet(fd, packet), PACKET);
    send_bytes(fd, row->bytes, row->len);
    bool good = ends_as_it_should(fd, row);
    close(fd);
    return good;
}

static void a_malformed_packet_closes_its_connection_alone(void **state)
{
    (void)state;
    int witness = connect_gateway();
    uint8_t packet[129];
    send_bytes(witness, BYTES(CONNECT_5));
    assert_int_equal(read_packet(witness, packet), PACKET);
    size_t failed_count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        failed_count += !try_row(&rows[i]);
        assert_alive(witness, rows[i].name);
    }
    assert_int_equal(failed_count, 0);
    close(witness);
}

/* The same bytes, one a segment, are the same packets. */
static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    int fd = connect_gateway();
    uint8_t packet[129];
    static const char bytes[] = CONNECT_5 "\x82\7\0\1\0\0\1t\0" /* SUBSCRIBE */
                                          "\x30\6\0\1t\0hi" /* PUBLISH */;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        send_bytes(fd, bytes + i, 1);
    static const uint8_t expected[] = {CONNACK, 0x90, 0x30};
    for (size_t i = 0; i < sizeof expected; i++) {
        assert_int_equal(read_packet(fd, packet), PACKET);
        assert_int_equal(packet[0], expected[i]);
    }
    assert_memory_equal(packet, "\x30\6\0\1t\0hi", 8);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_packet_closes_its_connection_alone),
        cmocka_unit_test(bytes_may_come_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

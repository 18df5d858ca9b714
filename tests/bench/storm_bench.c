/*
 * Mutual-TLS clients that all come back at once after the gateway was killed, each
 * with its own session, and what healthy clients notice of it. tests/bench/storm.sh
 * runs it:
 *   storm_bench MQTTS-PORT MQTT-PORT CA CERTIFICATE KEY CLIENTS [tls12]
 * It connects all, says "connected", and waits for a line: the gateway is there
 * again. Then a process of its own sends each millisecond one message to itself
 * over the plain listener, first without the storm and then with it. Who is
 * refused tries again. Prints one line of NAME=VALUE.
 */
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    HEALTHY_COUNT = 20,
    HEALTHY_PACKET_BYTES = 22, /* a PUBLISH of QoS 0 with a time in it */
    TICK_US = 1000,
    QUIET_US = 2 * 1000 * 1000,
    SAMPLES_MAX = 1 << 20,
};

static void die(const char *what)
{
    fprintf(stderr, "storm_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Not yet connected: a flood from one address would run out of ports. */
static int open_socket(uint16_t port, uint32_t turn)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000102 + turn % 250)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&from, sizeof from))
        die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        die("connect");
    return fd;
}

/* Its length; MQTT 3.1.1 with Clean Session 1. */
static size_t make_connect(uint32_t number, uint8_t *ret_packet)
{
    uint8_t packet[24] = {0x10, 22, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0x0e, 0x10, 0, 10};
    snprintf((char *)packet + 14, 11, "storm%05u", number % 100000);
    memcpy(ret_packet, packet, sizeof packet);
    return sizeof packet;
}

/* ---- The healthy clients ---- */

enum phase { PHASE_QUIET, PHASE_STORM, PHASE_OVER };

/* Between the two processes. */
struct healthy {
    _Atomic int phase;
    size_t counts[PHASE_OVER];
    uint32_t latencies_us[PHASE_OVER][SAMPLES_MAX];
};

static void exchange(int fd, const uint8_t *packet, size_t len, uint8_t *answer, size_t answer_len)
{
    if (send(fd, packet, len, MSG_NOSIGNAL) != (ssize_t)len ||
        recv(fd, answer, answer_len, MSG_WAITALL) != (ssize_t)answer_len)
        die("a healthy client is refused");
}

/* A socket that is subscribed to the topic `hNNNNN`. */
static int open_healthy(uint16_t port, uint32_t number)
{
    uint8_t packet[64], answer[5], subscribe[14] = {0x82, 11, 0, 1, 0, 6};
    int fd = open_socket(port, number);
    fcntl(fd, F_SETFL, 0);
    poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    size_t len = make_connect(90000 + number, packet);
    exchange(fd, packet, len, answer, 4);
    char topic[8];
    snprintf(topic, sizeof topic, "h%05u", number);
    memcpy(subscribe + 6, topic, 6);
    exchange(fd, subscribe, 13, answer, 5);
    return fd;
}

static void send_healthy(int fd, uint32_t number, uint64_t due_us)
{
    uint8_t packet[HEALTHY_PACKET_BYTES + 1] = {0x30, HEALTHY_PACKET_BYTES - 2, 0, 6};
    snprintf((char *)packet + 4, 7, "h%05u", number);
    memcpy(packet + HEALTHY_PACKET_BYTES - sizeof due_us, &due_us, sizeof due_us);
    if (send(fd, packet, HEALTHY_PACKET_BYTES, MSG_NOSIGNAL) != HEALTHY_PACKET_BYTES)
        die("a healthy client is cut off");
}

/* A message counts where it was due, so that one that could not be sent in time is not forgotten. */
static void receive_healthy(int fd, struct healthy *healthy)
{
    uint8_t packet[HEALTHY_PACKET_BYTES];
    uint64_t due_us;
    if (recv(fd, packet, sizeof packet, MSG_WAITALL) != sizeof packet)
        die("a healthy client is cut off");
    memcpy(&due_us, packet + sizeof packet - sizeof due_us, sizeof due_us);
    int phase = healthy->phase;
    if (phase < PHASE_OVER && healthy->counts[phase] < SAMPLES_MAX)
        healthy->latencies_us[phase][healthy->counts[phase]++] = (uint32_t)(now_us() - due_us);
}

static void run_healthy(uint16_t port, struct healthy *healthy)
{
    struct pollfd sockets[HEALTHY_COUNT];
    for (uint32_t i = 0; i < HEALTHY_COUNT; i++)
        sockets[i] = (struct pollfd){.fd = open_healthy(port, i), .events = POLLIN};
    uint64_t due_us = now_us();
    for (uint32_t turn = 0; healthy->phase != PHASE_OVER; turn++, due_us += TICK_US) {
        for (uint64_t now; (now = now_us()) < due_us;) {
            struct timespec wait = {.tv_nsec = (long)(due_us - now) * 1000};
            if (ppoll(sockets, HEALTHY_COUNT, &wait, NULL) <= 0)
                continue;
            for (uint32_t i = 0; i < HEALTHY_COUNT; i++) {
                if (sockets[i].revents)
                    receive_healthy(sockets[i].fd, healthy);
            }
        }
        send_healthy(sockets[turn % HEALTHY_COUNT].fd, turn % HEALTHY_COUNT, due_us);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void print_healthy(const char *name, struct healthy *healthy, enum phase phase)
{
    uint32_t *all = healthy->latencies_us[phase];
    size_t count = healthy->counts[phase];
    qsort(all, count, sizeof *all, compare);
    if (count > 0)
        printf(" %s_messages=%zu %s_p50_us=%u %s_p99_us=%u %s_max_us=%u", name, count, name, all[count / 2],
               name, all[count * 99 / 100], name, all[count - 1]);
}

/* ---- The storm ---- */

enum state { CLIENT_CLOSED, CLIENT_HANDSHAKE, CLIENT_CONNECT, CLIENT_READY };

struct client {
    enum state state;
    int fd;
    uint32_t number;
    SSL *ssl;
    SSL_SESSION *session;
};

struct storm {
    SSL_CTX *context;
    struct client *clients;
    uint32_t clients_count, ready_count, resumed_count, retries_count;
    uint16_t port;
    int epoll;
};

/* TLS 1.3's comes after the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *client = SSL_get_app_data(ssl);
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

static void close_client(struct client *client)
{
    if (client->ssl)
        SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN); /* or OpenSSL takes its session for a bad one */
    SSL_free(client->ssl);
    if (client->state != CLIENT_CLOSED)
        close(client->fd);
    client->ssl = NULL;
    client->state = CLIENT_CLOSED;
}

static void open_client(struct storm *storm, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client};
    client->fd = open_socket(storm->port, client->number);
    client->ssl = SSL_new(storm->context);
    client->state = CLIENT_HANDSHAKE;
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_app_data(client->ssl, client);
    if (client->session)
        SSL_set_session(client->ssl, client->session);
    if (epoll_ctl(storm->epoll, EPOLL_CTL_ADD, client->fd, &event))
        die("epoll");
}

/* False: it is over. */
static bool goes_on(const struct client *client, int result)
{
    int error = SSL_get_error(client->ssl, result);
    return result > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool step_client(struct storm *storm, struct client *client)
{
    uint8_t packet[64];
    int result = 1;
    if (client->state == CLIENT_HANDSHAKE) {
        result = SSL_connect(client->ssl);
        if (result == 1) {
            client->state = CLIENT_CONNECT;
            result = SSL_write(client->ssl, packet, (int)make_connect(client->number, packet));
        }
    }
    if (client->state == CLIENT_CONNECT && result > 0) {
        result = SSL_read(client->ssl, packet, 4);
        if (result == 4 && packet[3] == 0) {
            client->state = CLIENT_READY;
            storm->ready_count++;
            storm->resumed_count += SSL_session_reused(client->ssl) == 1;
        }
    }
    return goes_on(client, result);
}

static void connect_all(struct storm *storm)
{
    struct epoll_event events[256];
    storm->ready_count = storm->resumed_count = storm->retries_count = 0;
    for (uint32_t i = 0; i < storm->clients_count; i++)
        open_client(storm, &storm->clients[i]);
    while (storm->ready_count < storm->clients_count) {
        int count = epoll_wait(storm->epoll, events, sizeof events / sizeof *events, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client->state == CLIENT_READY || step_client(storm, client))
                continue;
            close_client(client);
            storm->retries_count++;
            open_client(storm, client);
        }
    }
}

static void set_up(struct storm *storm, char **files, bool is_old)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    storm->context = context;
    storm->epoll = epoll_create1(EPOLL_CLOEXEC);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (is_old)
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (SSL_CTX_load_verify_locations(context, files[0], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, files[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, files[2], SSL_FILETYPE_PEM) != 1)
        die("the certificates");
    storm->clients = memory_new_array(storm->clients_count, sizeof *storm->clients);
    for (uint32_t i = 0; i < storm->clients_count; i++)
        storm->clients[i].number = i;
}

static double seconds_since(uint64_t began_us)
{
    return (double)(now_us() - began_us) / 1e6;
}

static void run_storm(struct storm *storm, uint16_t plain_port, struct healthy *healthy)
{
    pid_t child = fork();
    if (child == 0) {
        run_healthy(plain_port, healthy);
        _exit(0);
    }
    usleep(QUIET_US);
    healthy->phase = PHASE_STORM;
    uint64_t began_us = now_us();
    connect_all(storm);
    double storm_s = seconds_since(began_us);
    healthy->phase = PHASE_OVER;
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        die("the healthy clients");
    printf("clients=%u storm_s=%.2f resumed=%u retries=%u", storm->clients_count, storm_s,
           storm->resumed_count, storm->retries_count);
    print_healthy("quiet", healthy, PHASE_QUIET);
    print_healthy("storm", healthy, PHASE_STORM);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    char line[16];
    if (argc < 7) {
        fprintf(stderr, "usage: storm_bench MQTTS-PORT MQTT-PORT CA CERTIFICATE KEY CLIENTS [tls12]\n");
        return 2;
    }
    struct storm storm = {.port = (uint16_t)atoi(argv[1]), .clients_count = (uint32_t)atoi(argv[6])};
    struct healthy *healthy =
        mmap(NULL, sizeof *healthy, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (healthy == MAP_FAILED)
        die("memory");
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    set_up(&storm, argv + 3, argc > 7);
    connect_all(&storm);
    printf("connected\n");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        die("nobody says that the gateway is there again");
    for (uint32_t i = 0; i < storm.clients_count; i++)
        close_client(&storm.clients[i]);
    run_storm(&storm, (uint16_t)atoi(argv[2]), healthy);
    for (uint32_t i = 0; i < storm.clients_count; i++) {
        close_client(&storm.clients[i]);
        SSL_SESSION_free(storm.clients[i].session);
    }
    memory_free(storm.clients);
    SSL_CTX_free(storm.context);
    return 0;
}

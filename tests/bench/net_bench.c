/*
 * What a connection costs the gateway: processor time of a TLS handshake and
 * memory while it is idle. Prints one line a row; the clients run in a process of
 * their own, so that the figures are the server's alone.
 *   net_bench [CONNECTIONS]
 */
#include "../unit/tls_client.h"
#include "app/pki.h"
#include "base/memory.h"
#include "net/net.h"
#include "net/tls.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 256 };

static char directory[] = "/tmp/net_bench.XXXXXX";

struct row {
    const char *name;
    bool tls, certificate, resumed;
    mbedtls_ssl_protocol_version version;
};

struct bench {
    uv_loop_t loop;
    uv_signal_t done; /* SIGCHLD */
    size_t open, most_open;
    size_t most_bytes; /* of the heap, when most were open */
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void *on_open(void *ctx, struct net_connection *connection, const struct net_peer *peer)
{
    struct bench *bench = ctx;
    (void)connection;
    (void)peer;
    if (++bench->open > bench->most_open) {
        bench->most_open = bench->open;
        bench->most_bytes = heap_bytes();
    }
    return bench;
}

static size_t on_data(void *user, struct span input)
{
    (void)user;
    return input.len;
}

static void on_closed(void *user, enum sluice_error why)
{
    struct bench *bench = user;
    (void)why;
    bench->open--;
}

static void on_child(uv_signal_t *done, int number)
{
    (void)number;
    uv_stop(done->loop);
}

static const char *path(const char *name)
{
    static char paths[8][PATH_BYTES];
    static int next;
    char *buffer = paths[next++ % 8];
    snprintf(buffer, PATH_BYTES, "%s/%s", directory, name);
    return buffer;
}

static bool connect_one(const struct row *row, struct tls_client *client)
{
    client->ca_path = path("ca.crt");
    client->version = row->version;
    client->certificate_path = row->certificate ? path("sensor.crt") : NULL;
    client->key_path = path("sensor.key");
    if (row->tls)
        return tls_client_connect(client) == 0 &&
               mbedtls_ssl_write(&client->ssl, (const unsigned char *)"x", 1) == 1;
    client->fd = tcp_client_connect(client->port);
    return write(client->fd, "x", 1) == 1;
}

/* A session of TLS 1.3 has its ticket only after the handshake. */
static void keep_session(const struct row *row, struct tls_client *client, mbedtls_ssl_session *session)
{
    unsigned char byte;
    while (row->version == MBEDTLS_SSL_VERSION_TLS1_3 &&
           mbedtls_ssl_read(&client->ssl, &byte, 1) != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
        ;
    mbedtls_ssl_get_session(&client->ssl, session);
}

/* Opens them all, each with one byte sent, and holds them until all are there. */
static int run_clients(const struct row *row, uint16_t port, size_t count)
{
    struct tls_client *clients = memory_new_array(count, sizeof *clients);
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    for (size_t i = 0; i < count; i++) {
        clients[i].port = port;
        clients[i].resume = row->resumed && i > 0 ? &session : NULL;
        if (!connect_one(row, &clients[i]))
            return 1;
        if (row->resumed && i == 0)
            keep_session(row, &clients[i], &session);
    }
    return 0;
}

static double processor_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static struct net_tls *new_tls(void)
{
    struct net_tls *tls;
    char text[NET_TEXT_BYTES];
    const struct net_tls_config config = {.certificate = path("gateway.crt"),
                                          .key = path("gateway.key"),
                                          .client_ca = path("ca.crt"),
                                          .sessions_count = 1024,
                                          .session_timeout_s = 3600};
    if (net_tls_new(&config, &tls, text) == SLUICE_OK)
        return tls;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void run_row(const struct row *row, size_t count)
{
    struct bench bench = {0};
    struct net_listener *listener;
    char text[NET_TEXT_BYTES];
    struct net_listener_config config = net_listener_config_default();
    const struct net_callbacks callbacks = {&bench, on_open, on_data, NULL, NULL, on_closed};
    uv_loop_init(&bench.loop);
    uv_signal_init(&bench.loop, &bench.done);
    uv_signal_start(&bench.done, on_child, SIGCHLD);
    struct net *net = net_new(&bench.loop);
    config.name = row->name;
    config.address = "127.0.0.1";
    config.tls = row->tls ? new_tls() : NULL;
    if (net_listener_start(net, &config, &callbacks, &listener, text)) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    size_t before_bytes = heap_bytes();
    double before_ms = processor_ms();
    pid_t child = fork();
    if (child == 0)
        _exit(run_clients(row, net_listener_port(listener), count));
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    double spent_ms = processor_ms() - before_ms;
    waitpid(child, NULL, 0);
    printf("%-28s %6zu connections  %7.3f ms each  %7.0f bytes each\n", row->name, bench.most_open,
           spent_ms / (double)bench.most_open,
           (double)(bench.most_bytes - before_bytes) / (double)bench.most_open);
    uv_close((uv_handle_t *)&bench.done, NULL);
    net_stop(net);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    uv_loop_close(&bench.loop);
    net_tls_unref(config.tls);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"plain", false, false, false, 0},
        {"TLS 1.2", true, false, false, MBEDTLS_SSL_VERSION_TLS1_2},
        {"TLS 1.2 mutual", true, true, false, MBEDTLS_SSL_VERSION_TLS1_2},
        {"TLS 1.2 mutual, resumed", true, true, true, MBEDTLS_SSL_VERSION_TLS1_2},
        {"TLS 1.3", true, false, false, MBEDTLS_SSL_VERSION_TLS1_3},
        {"TLS 1.3 mutual", true, true, false, MBEDTLS_SSL_VERSION_TLS1_3},
        {"TLS 1.3 mutual, resumed", true, true, true, MBEDTLS_SSL_VERSION_TLS1_3},
    };
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    char text[PKI_TEXT_BYTES] = "no directory", command[PATH_BYTES];
    const struct pki_request gateway = {
        .directory = directory, .name = "gateway", .server = true, .hosts = {"gw.local"}, .hosts_count = 1};
    const struct pki_request sensor = {.directory = directory, .name = "sensor"};
    if (count == 0 || !mkdtemp(directory) || pki_init(directory, "Bench", text) ||
        pki_issue(&gateway, text) || pki_issue(&sensor, text)) {
        fprintf(stderr, "net_bench: %s\n", text);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run_row(&rows[i], count);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command) != 0;
}

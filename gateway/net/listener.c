#include "base/log.h"
#include "base/memory.h"
#include "net/net_internal.h"
#include "net/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,
    ACCEPT_RETRY_MS = 250,
};

struct net_listener_config net_listener_config_default(void)
{
    return (struct net_listener_config){
        .backlog_count = 1024,
        .connections_count = 100000,
        .connections_per_address_count = 10000,
        .connects_a_second = 20000,
        .handshakes_count = 1000,
        .handshake_timeout_ms = 10000,
        .close_timeout_ms = 5000,
    };
}

void listener_unref(struct net_listener *listener)
{
    if (--listener->refs > 0)
        return;
    if (listener->previous)
        listener->previous->next = listener->next;
    else
        listener->net->listeners = listener->next;
    if (listener->next)
        listener->next->previous = listener->previous;
    net_tls_unref(listener->config.tls);
    addresses_fini(&listener->addresses);
    memory_free((char *)listener->config.name);
    memory_free(listener);
}

/* ---- Accepting ---- */

static void name_address(const union socket_address *address, char *ret_name)
{
    ret_name[0] = '\0'; /* if neither knows it */
    if (address->any.sa_family == AF_INET)
        uv_ip4_name(&address->four, ret_name, NET_ADDRESS_BYTES);
    else if (IN6_IS_ADDR_V4MAPPED(&address->six.sin6_addr))
        uv_inet_ntop(AF_INET, address->six.sin6_addr.s6_addr + 12, ret_name, NET_ADDRESS_BYTES);
    else
        uv_ip6_name(&address->six, ret_name, NET_ADDRESS_BYTES);
}

/* The counter of the limit that a further connection of this address would break; NULL: it may come. */
static uint64_t *refused_by(struct net_listener *listener, uint64_t key)
{
    const struct net_listener_config *config = &listener->config;
    uint64_t connections = 0, of_address = 0;
    for (const struct net_listener *at = listener->net->listeners; at; at = at->next) {
        connections += at->counters.connections;
        of_address += addresses_count(&at->addresses, key);
    }
    if (connections >= config->connections_count)
        return &listener->counters.refused_full;
    if (of_address >= config->connections_per_address_count)
        return &listener->counters.refused_per_address;
    if (!connect_rate_allows(&listener->rate, key, config->connects_a_second, net_now_ms(listener->net)))
        return &listener->counters.refused_rate;
    return NULL;
}

/* Refusals are counted and not logged: they come in floods. */
static void admit(struct net_listener *listener, int fd, const union socket_address *address)
{
    struct net_counters *counters = &listener->counters;
    uint64_t key = addresses_key(address);
    uint64_t *refused = refused_by(listener, key);
    counters->accepted++;
    if (refused) {
        ++*refused;
        close(fd);
    } else {
        struct net_peer peer = {.listener = listener->config.name, .tls = listener->config.tls != NULL};
        name_address(address, peer.address);
        /* Our own coalescing is better than Nagle's: what leaves is a whole turn's output already. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        connection_start(listener, fd, key, &peer);
    }
}

/* Without descriptors the socket would stay readable and the loop would spin. */
static void pause_accepting(struct net_listener *listener, int error)
{
    log_warning("listen %s: cannot accept: %s", listener->config.name, uv_strerror(-error));
    uv_poll_stop(&listener->poll);
    timers_set(&listener->net->timers, &listener->retry, net_now_ms(listener->net) + ACCEPT_RETRY_MS);
}

static bool wants_more(const struct net_listener *listener)
{
    return !listener->stopped && listener->retry.place == 0 &&
           (!listener->config.tls || listener->counters.handshakes < listener->config.handshakes_count);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct net_listener *listener = poll->data;
    (void)status; /* accept says it better */
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && wants_more(listener); i++) {
        union socket_address address = {0};
        socklen_t len = sizeof address;
        int fd = accept4(listener->fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            admit(listener, fd, &address);
        else if (errno == EAGAIN)
            break;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(listener, errno);
        /* Else that connection is gone already: the next one. */
    }
    listener_poll(listener);
}

void listener_poll(struct net_listener *listener)
{
    if (listener->stopped)
        return;
    if (!wants_more(listener))
        uv_poll_stop(&listener->poll);
    else if (!uv_is_active((uv_handle_t *)&listener->poll))
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

static void on_retry(void *owner, uint64_t now_ms)
{
    (void)now_ms;
    listener_poll(owner);
}

/* ---- Starting and stopping ---- */

static enum sluice_error parse_address(const struct net_listener_config *config,
                                       union socket_address *ret_address, socklen_t *ret_len, char *ret_text)
{
    union socket_address address = {0};
    if (uv_ip4_addr(config->address, config->port, &address.four) == 0) {
        *ret_len = sizeof(struct sockaddr_in);
    } else if (uv_ip6_addr(config->address, config->port, &address.six) == 0) {
        *ret_len = sizeof(struct sockaddr_in6);
    } else {
        snprintf(ret_text, NET_TEXT_BYTES, "listen %s: \"%s\" is not an IPv4 or IPv6 address", config->name,
                 config->address);
        return SLUICE_INVALID;
    }
    *ret_address = address;
    return SLUICE_OK;
}

static enum sluice_error explain(const struct net_listener_config *config, int error, char *ret_text)
{
    char name[NET_ADDRESS_BYTES + sizeof "[]:65535"];
    bool six = strchr(config->address, ':') != NULL;
    snprintf(name, sizeof name, six ? "[%s]:%u" : "%s:%u", config->address, config->port);
    switch (error) {
    case EADDRINUSE:
        snprintf(ret_text, NET_TEXT_BYTES, "listen %s: %s is in use by another program", config->name, name);
        return SLUICE_EXISTS;
    case EADDRNOTAVAIL:
        snprintf(ret_text, NET_TEXT_BYTES, "listen %s: %s is not an address of this machine", config->name,
                 name);
        return SLUICE_INVALID;
    case EACCES:
        snprintf(ret_text, NET_TEXT_BYTES, "listen %s: this user may not listen on %s", config->name, name);
        return SLUICE_DENIED;
    default:
        snprintf(ret_text, NET_TEXT_BYTES, "listen %s: %s: %s", config->name, name, uv_strerror(-error));
        return SLUICE_IO;
    }
}

/* A listening socket, or -1 with errno. */
static int open_socket(const union socket_address *address, socklen_t len, int backlog_count)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
        bind(fd, &address->any, len) == 0 && listen(fd, backlog_count) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t port_of(int fd)
{
    union socket_address address = {0};
    getsockname(fd, &address.any, &(socklen_t){sizeof address});
    return ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
}

static struct net_listener *listener_new(struct net *net, const struct net_listener_config *config,
                                         const struct net_callbacks *callbacks, int fd)
{
    struct net_listener *listener = memory_new(sizeof *listener);
    listener->net = net;
    listener->config = *config;
    listener->config.name = memory_string(span_from_string(config->name));
    if (config->tls)
        net_tls_ref(config->tls);
    listener->callbacks = *callbacks;
    listener->retry = (struct timer){.on_expired = on_retry, .owner = listener};
    listener->refs = 1;
    listener->fd = fd;
    listener->port = port_of(fd);
    uv_random(NULL, NULL, &listener->addresses.seed, sizeof listener->addresses.seed, 0, NULL);
    listener->rate.seed = listener->addresses.seed;
    listener->next = net->listeners;
    if (net->listeners)
        net->listeners->previous = listener;
    net->listeners = listener;
    return listener;
}

enum sluice_error net_listener_start(struct net *net, const struct net_listener_config *config,
                                     const struct net_callbacks *callbacks,
                                     struct net_listener **ret_listener, char *ret_text)
{
    union socket_address address = {0};
    socklen_t len = 0;
    enum sluice_error error = parse_address(config, &address, &len, ret_text);
    if (error)
        return error;
    int fd = open_socket(&address, len, config->backlog_count);
    if (fd < 0)
        return explain(config, errno, ret_text);
    struct net_listener *listener = listener_new(net, config, callbacks, fd);
    int failed = uv_poll_init(net->loop, &listener->poll, fd);
    if (failed) {
        close(fd);
        listener_unref(listener);
        return explain(config, -failed, ret_text);
    }
    listener->poll.data = listener;
    listener_poll(listener);
    *ret_listener = listener;
    return SLUICE_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    listener_unref(handle->data);
}

void listener_stop(struct net_listener *listener, enum sluice_error why)
{
    if (!listener->stopped) {
        listener->stopped = true;
        timers_stop(&listener->net->timers, &listener->retry);
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
        close(listener->fd);
    }
    for (struct net_connection *connection = listener->connections; connection;
         connection = connection->next) {
        if (why == SLUICE_OK)
            net_close(connection);
        else
            connection_end(connection, why);
    }
}

void net_listener_stop(struct net_listener *listener)
{
    listener_stop(listener, SLUICE_OK);
}

const char *net_listener_name(const struct net_listener *listener)
{
    return listener->config.name;
}

uint16_t net_listener_port(const struct net_listener *listener)
{
    return listener->port;
}

const struct net_counters *net_listener_counters(const struct net_listener *listener)
{
    return &listener->counters;
}

struct net_tls *net_listener_tls(const struct net_listener *listener)
{
    return listener->config.tls;
}

void net_listener_set_tls(struct net_listener *listener, struct net_tls *tls)
{
    net_tls_ref(tls);
    net_tls_unref(listener->config.tls);
    listener->config.tls = tls;
    net_listener_check(listener);
}

void net_listener_check(struct net_listener *listener)
{
    for (struct net_connection *connection = listener->connections; connection; connection = connection->next)
        connection_check(connection);
}

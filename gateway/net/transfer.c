#include "base/memory.h"
#include "net/net_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* ---- In ---- */

static bool takes_input(const struct net_connection *connection)
{
    return connection->open && !connection->paused && !connection->refused && !connection->closing &&
           !connection->ending;
}

static struct span give(struct net_connection *connection, struct span input)
{
    return span_skip(input, connection->listener->callbacks.on_data(connection->user, input));
}

/*
 * Presents `len` new bytes that lie at `data` in the shared buffer. What the last stroke left over goes in
 * front of them where it fits into the headroom; so the big buffer is the one that is shared, and the
 * connection's own holds an incomplete packet's beginning and nothing else.
 */
static void deliver(struct net_connection *connection, uint8_t *data, size_t len)
{
    struct buffer *kept = &connection->input;
    size_t kept_bytes = buffer_len(kept);
    connection->listener->counters.bytes_received += len;
    if (kept_bytes > HEADROOM_BYTES || (kept_bytes > 0 && !takes_input(connection))) {
        buffer_append(kept, span_of(data, len));
        transfer_present(connection);
        return;
    }
    struct span front = buffer_span(kept);
    if (front.data) {
        memcpy(data - kept_bytes, front.data, kept_bytes);
        buffer_consume(kept, kept_bytes);
    }
    struct span rest = span_of(data - kept_bytes, kept_bytes + len);
    if (takes_input(connection))
        rest = give(connection, rest);
    if (!connection->closing && !connection->ending)
        buffer_append(kept, rest);
    buffer_trim(kept);
}

void transfer_present(struct net_connection *connection)
{
    struct buffer *kept = &connection->input;
    if (!takes_input(connection) || buffer_len(kept) == 0)
        return;
    struct span all = buffer_span(kept);
    buffer_consume(kept, all.len - give(connection, all).len);
    buffer_trim(kept);
}

static void arrive(struct net_connection *connection, uint8_t *data, size_t len)
{
    if (connection->websocket)
        len = websocket_decode(connection->websocket, data, len);
    if (len > 0)
        deliver(connection, data, len);
}

static void read_cipher(struct net_connection *connection, struct span cipher)
{
    uint8_t *plain = connection->listener->net->read_buffer + HEADROOM_BYTES;
    size_t len = 0;
    enum sluice_error error =
        tls_stream_decrypt(connection->stream, cipher, plain, READ_BYTES + TLS_RECORD_BYTES, &len);
    if (len > 0)
        arrive(connection, plain, len);
    if (error)
        connection_end(connection, error);
}

/* One stroke a turn: whoever sends more than that waits for the others. */
void transfer_read(struct net_connection *connection)
{
    struct net *net = connection->listener->net;
    if (connection->stream && !net->cipher_buffer)
        net->cipher_buffer = memory_new(READ_BYTES);
    uint8_t *into = connection->stream ? net->cipher_buffer : net->read_buffer + HEADROOM_BYTES;
    ssize_t len = recv(connection->fd, into, READ_BYTES, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0)
        connection_end(connection, connection->lingering ? SLUICE_OK : SLUICE_CLOSED);
    else if (connection->lingering)
        return; /* nobody is interested any more */
    else if (connection->stream)
        read_cipher(connection, span_of(into, (size_t)len));
    else
        arrive(connection, into, (size_t)len);
}

/* ---- Out ---- */

/* True when all of it is out. */
static bool send_all(struct net_connection *connection, struct buffer *bytes)
{
    struct span rest = buffer_span(bytes);
    if (rest.len == 0)
        return true;
    ssize_t sent = send(connection->fd, rest.data, rest.len, MSG_NOSIGNAL);
    if (sent < 0) {
        connection->unwritable |= errno != EAGAIN && errno != EINTR;
        return false;
    }
    buffer_consume(bytes, (size_t)sent);
    buffer_trim(bytes);
    return (size_t)sent == rest.len;
}

/* Encrypts and sends; true when all of it is out. `is_last`: nothing follows, and TLS says so. */
static bool send_cipher(struct net_connection *connection, struct buffer *bytes, bool is_last)
{
    struct buffer *cipher = tls_stream_output(connection->stream);
    bool all;
    do {
        if (tls_stream_encrypt(connection->stream, bytes))
            connection->unwritable = true;
        if (is_last && buffer_len(bytes) == 0)
            tls_stream_goodbye(connection->stream);
        all = !connection->unwritable && send_all(connection, cipher);
    } while (all && buffer_len(bytes) > 0);
    return all;
}

/* What leaves next: the output, or the frames it becomes. What waits for the peer waits in the output, where
 * its writer sees how much it is. */
static struct buffer *next_bytes(struct net_connection *connection)
{
    struct websocket *websocket = connection->websocket;
    if (!websocket)
        return &connection->output;
    if (buffer_len(websocket_output(websocket)) == 0)
        websocket_encode(websocket, &connection->output);
    if (connection->closing && buffer_len(&connection->output) == 0)
        websocket_goodbye(websocket);
    return websocket_output(websocket);
}

bool transfer_flush(struct net_connection *connection)
{
    struct buffer *output = &connection->output;
    size_t before = buffer_len(output);
    bool all;
    do {
        struct buffer *bytes = next_bytes(connection);
        bool is_last = connection->closing && (bytes == output || buffer_len(output) == 0);
        all = connection->stream ? send_cipher(connection, bytes, is_last) : send_all(connection, bytes);
    } while (all && buffer_len(output) > 0);
    connection->listener->counters.bytes_sent += before - buffer_len(output);
    return all;
}

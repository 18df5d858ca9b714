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

static void read_cipher(struct net_connection *connection, struct span cipher)
{
    uint8_t *plain = connection->listener->net->read_buffer + HEADROOM_BYTES;
    size_t len = 0;
    enum sluice_error error =
        tls_stream_decrypt(connection->stream, cipher, plain, READ_BYTES + TLS_RECORD_BYTES, &len);
    if (len > 0)
        deliver(connection, plain, len);
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
        deliver(connection, into, (size_t)len);
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

bool transfer_flush(struct net_connection *connection)
{
    struct buffer *output = &connection->output;
    uint64_t *bytes_sent = &connection->listener->counters.bytes_sent;
    size_t before = buffer_len(output);
    bool all;
    if (connection->stream) {
        struct buffer *cipher = tls_stream_output(connection->stream);
        do {
            if (tls_stream_encrypt(connection->stream, output))
                connection->unwritable = true;
            if (connection->closing && buffer_len(output) == 0)
                tls_stream_goodbye(connection->stream);
            all = !connection->unwritable && send_all(connection, cipher);
        } while (all && buffer_len(output) > 0);
    } else {
        all = send_all(connection, output);
    }
    *bytes_sent += before - buffer_len(output);
    return all;
}

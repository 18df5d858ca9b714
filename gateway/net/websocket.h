/*
 * The Server's side of WebSocket (RFC 6455) after its handshake: frames become
 * the bytes that they carry, and bytes become binary frames. Where frames begin
 * and end means nothing to either side: what they carry is one stream. No
 * extension is ever in use. A Ping is answered with the next output, and of
 * several only the last, so that a flood of them costs nothing.
 *
 * Sans-I/O; owned by one thread. Payload is decoded where it lies, and nothing of
 * it is kept: a frame's size bounds no memory, but what is over frame_bytes_max
 * is refused as what nobody can mean. At rest it holds about 300 bytes.
 *
 * What breaks the protocol ends it, as the peer's Close does: from then on
 * nothing is decoded, and the Close frame that websocket_goodbye writes says why:
 * 1002 for a frame without a mask, with a reserved bit or opcode, out of order,
 * or a control frame that is fragmented or too long; 1003 for text; 1009 for a
 * frame over the bound.
 */
#ifndef SLUICE_NET_WEBSOCKET_H
#define SLUICE_NET_WEBSOCKET_H

#include "base/buffer.h"

struct websocket;

struct websocket *websocket_new(uint64_t frame_bytes_max);
void websocket_free(struct websocket *websocket); /* NULL is allowed */

/* Takes all of `bytes`, and leaves the payload of what has arrived at their beginning; returns its length. */
size_t websocket_decode(struct websocket *websocket, uint8_t *bytes, size_t len);
/* The peer has said Close, or broke the protocol. */
bool websocket_ended(const struct websocket *websocket);
/* Moves all of `payload` to websocket_output as one frame, behind the Pong that is due. */
void websocket_encode(struct websocket *websocket, struct buffer *payload);
/* Writes, once, the Close frame; nothing may follow it. */
void websocket_goodbye(struct websocket *websocket);
/* Nothing more in this turn: gives back the memory that it needs at work only. */
void websocket_rest(struct websocket *websocket);
/* Frames to be sent. */
struct buffer *websocket_output(struct websocket *websocket);

#endif

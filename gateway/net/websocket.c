#include "net/websocket.h"

#include "base/log.h"
#include "base/memory.h"

#include <wslay/wslay.h>

enum { CONTROL_BYTES_MAX = 125 };

struct websocket {
    wslay_frame_context_ptr context; /* 4 KB; NULL while no frame is half read */
    uint64_t frame_bytes_max;
    struct span arrived;    /* what wslay has yet to take */
    size_t unseen_bytes;    /* what it has taken and not yet given: a part of a frame's header */
    uint64_t payload_bytes; /* of the current frame, still to come; 0: between two frames */
    struct buffer output;
    uint16_t close_status; /* that our Close says; 0: none, as the peer's had none */
    uint16_t peer_status;
    uint8_t peer_status_len;
    uint8_t ping_len;
    uint8_t ping[CONTROL_BYTES_MAX];
    bool in_message : 1; /* a fragmented message is not complete */
    bool owes_pong : 1;
    bool ended : 1;
    bool said_goodbye : 1;
};

/* ---- wslay ---- */

static ssize_t on_receive(uint8_t *bytes, size_t len, int flags, void *ctx)
{
    struct websocket *websocket = ctx;
    (void)flags;
    if (len > websocket->arrived.len)
        len = websocket->arrived.len;
    if (len == 0)
        return -1; /* it says WSLAY_ERR_WANT_READ then */
    memcpy(bytes, websocket->arrived.data, len);
    websocket->arrived = span_skip(websocket->arrived, len);
    websocket->unseen_bytes += len;
    return (ssize_t)len;
}

static ssize_t on_send(const uint8_t *bytes, size_t len, int flags, void *ctx)
{
    struct websocket *websocket = ctx;
    (void)flags;
    buffer_append(&websocket->output, span_of(bytes, len));
    return (ssize_t)len;
}

static wslay_frame_context_ptr context_of(struct websocket *websocket)
{
    static const struct wslay_frame_callbacks callbacks = {.send_callback = on_send,
                                                           .recv_callback = on_receive};
    if (!websocket->context && wslay_frame_context_init(&websocket->context, &callbacks, websocket) != 0)
        log_fatal("out of memory");
    return websocket->context;
}

static void send_frame(struct websocket *websocket, uint8_t opcode, struct span payload)
{
    wslay_frame_send(context_of(websocket), &(struct wslay_frame_iocb){.fin = 1,
                                                                       .opcode = opcode,
                                                                       .payload_length = payload.len,
                                                                       .data = payload.data,
                                                                       .data_length = payload.len});
}

/* ---- In ---- */

static void end(struct websocket *websocket, uint16_t status)
{
    websocket->ended = true;
    websocket->close_status = status;
}

/* The status to end with for a frame that may not come now; 0: it may. wslay has seen to the length and
 * the FIN bit of control frames, and to the form of the length. */
static uint16_t frame_fault(const struct websocket *websocket, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv != WSLAY_RSV_NONE || !frame->mask)
        return WSLAY_CODE_PROTOCOL_ERROR;
    switch (frame->opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG: return 0;
    case WSLAY_TEXT_FRAME: return WSLAY_CODE_UNSUPPORTED_DATA; /* [MQTT-6.0.0-1] */
    case WSLAY_BINARY_FRAME:
    case WSLAY_CONTINUATION_FRAME:
        if (websocket->in_message != (frame->opcode == WSLAY_CONTINUATION_FRAME))
            return WSLAY_CODE_PROTOCOL_ERROR;
        return frame->payload_length > websocket->frame_bytes_max ? WSLAY_CODE_MESSAGE_TOO_BIG : 0;
    default: return WSLAY_CODE_PROTOCOL_ERROR;
    }
}

static size_t header_bytes(uint64_t payload_bytes)
{
    size_t length_bytes = payload_bytes < 126 ? 0 : payload_bytes <= UINT16_MAX ? 2 : 8;
    return 2 + length_bytes + 4; /* and the mask */
}

static void begin_frame(struct websocket *websocket, const struct wslay_frame_iocb *frame)
{
    uint16_t fault = frame_fault(websocket, frame);
    if (fault) {
        end(websocket, fault);
        return;
    }
    websocket->unseen_bytes -= header_bytes(frame->payload_length);
    websocket->payload_bytes = frame->payload_length;
    if (!wslay_is_ctrl_frame(frame->opcode))
        websocket->in_message = !frame->fin;
    if (frame->opcode == WSLAY_PING) {
        websocket->owes_pong = false;
        websocket->ping_len = 0;
    }
}

/* The peer's own status is sent back; one that may not be sent is an error of its own. */
static void take_close(struct websocket *websocket)
{
    uint16_t status = websocket->peer_status;
    bool is_known = status >= WSLAY_CODE_NORMAL_CLOSURE && status <= 1014 && status != 1004 &&
                    status != WSLAY_CODE_NO_STATUS_RCVD && status != WSLAY_CODE_ABNORMAL_CLOSURE;
    if (websocket->peer_status_len == 0)
        end(websocket, 0);
    else if (websocket->peer_status_len == 2 && (is_known || (status >= 3000 && status < 5000)))
        end(websocket, status);
    else
        end(websocket, WSLAY_CODE_PROTOCOL_ERROR);
}

static void take_control(struct websocket *websocket, uint8_t opcode, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (opcode == WSLAY_PING)
            websocket->ping[websocket->ping_len++] = bytes.data[i];
        else if (opcode == WSLAY_CONNECTION_CLOSE && websocket->peer_status_len < 2) {
            websocket->peer_status = (uint16_t)(websocket->peer_status << 8 | bytes.data[i]);
            websocket->peer_status_len++;
        }
    }
    if (websocket->payload_bytes > 0)
        return;
    if (opcode == WSLAY_PING)
        websocket->owes_pong = true;
    else if (opcode == WSLAY_CONNECTION_CLOSE)
        take_close(websocket);
}

/* wslay has copied what it gives, so the place of the frames is free for their payload. */
size_t websocket_decode(struct websocket *websocket, uint8_t *bytes, size_t len)
{
    size_t payload_len = 0;
    websocket->arrived = span_of(bytes, len);
    while (!websocket->ended) {
        struct wslay_frame_iocb frame;
        ssize_t got = wslay_frame_recv(context_of(websocket), &frame);
        if (got == WSLAY_ERR_WANT_READ)
            break;
        if (got < 0)
            end(websocket, WSLAY_CODE_PROTOCOL_ERROR);
        else if (websocket->payload_bytes == 0)
            begin_frame(websocket, &frame);
        if (websocket->ended)
            break;
        websocket->payload_bytes -= frame.data_length;
        websocket->unseen_bytes -= frame.data_length;
        if (wslay_is_ctrl_frame(frame.opcode)) {
            take_control(websocket, frame.opcode, span_of(frame.data, frame.data_length));
        } else {
            memcpy(bytes + payload_len, frame.data, frame.data_length);
            payload_len += frame.data_length;
        }
    }
    websocket->arrived = SPAN_EMPTY;
    return payload_len;
}

bool websocket_ended(const struct websocket *websocket)
{
    return websocket->ended;
}

/* ---- Out ---- */

void websocket_encode(struct websocket *websocket, struct buffer *payload)
{
    if (websocket->owes_pong)
        send_frame(websocket, WSLAY_PONG, span_of(websocket->ping, websocket->ping_len));
    websocket->owes_pong = false;
    if (buffer_len(payload) == 0)
        return;
    send_frame(websocket, WSLAY_BINARY_FRAME, buffer_span(payload));
    buffer_fini(payload);
}

void websocket_goodbye(struct websocket *websocket)
{
    uint16_t status = websocket->ended ? websocket->close_status : WSLAY_CODE_NORMAL_CLOSURE;
    uint8_t payload[] = {(uint8_t)(status >> 8), (uint8_t)status};
    if (websocket->said_goodbye)
        return;
    send_frame(websocket, WSLAY_CONNECTION_CLOSE, span_of(payload, status ? sizeof payload : 0));
    websocket->said_goodbye = true;
}

struct buffer *websocket_output(struct websocket *websocket)
{
    return &websocket->output;
}

/* ---- Life ---- */

struct websocket *websocket_new(uint64_t frame_bytes_max)
{
    struct websocket *websocket = memory_new(sizeof *websocket);
    websocket->frame_bytes_max = frame_bytes_max;
    return websocket;
}

void websocket_rest(struct websocket *websocket)
{
    if (!websocket->context || websocket->payload_bytes > 0 || websocket->unseen_bytes > 0)
        return;
    wslay_frame_context_free(websocket->context);
    websocket->context = NULL;
}

void websocket_free(struct websocket *websocket)
{
    if (!websocket)
        return;
    if (websocket->context)
        wslay_frame_context_free(websocket->context);
    buffer_fini(&websocket->output);
    memory_free(websocket);
}

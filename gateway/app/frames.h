/*
 * Telemetry frames are decoded at the door: behind it a frame is as many
 * messages as it has samples, each a JSON object, and nothing else of the
 * gateway knows the format. A route that wants a frame in one piece gets it as
 * SenML. One owner, one thread; the messages and texts that these functions give
 * are views that live until the next call.
 */
#ifndef SLUICE_APP_FRAMES_H
#define SLUICE_APP_FRAMES_H

#include "base/message.h"
#include "sluice/error.h"
#include "wire/frame.h"

struct frames;

/* `bytes_max`: of all messages of one frame together, as message_bytes. */
struct frames *frames_new(const struct frame_limits *limits, size_t bytes_max);
void frames_free(struct frames *frames);

/* The messages that `view` stands for: a frame's samples, or `view` itself. SLUICE_INVALID: a damaged frame;
 * SLUICE_TOO_LARGE: over the limits; nothing of it is to be used. */
enum sluice_error frames_expand(struct frames *frames, const struct message *view,
                                const struct message **ret_messages, size_t *ret_count);

/* Whether `first` is the first message that the last frames_expand made of a frame. */
bool frames_made(const struct frames *frames, const struct message *first);
/* That frame as one SenML message. SLUICE_NOT_FOUND: `first` was no frame. SLUICE_TOO_LARGE: it is over
 * bytes_max, for SenML says a channel's name and unit with each value. */
enum sluice_error frames_senml(struct frames *frames, const struct message *first,
                               struct message *ret_message);

#endif

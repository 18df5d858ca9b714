#include "app/intake.h"

#include "base/memory.h"

struct intake {
    uv_loop_t *loop;
    struct journal *journal;
    struct functions *functions;
    struct frames *frames;
    struct retained_queue *retained;
    struct journal_message *messages; /* these two are room for the PUBLISH under way */
    size_t message_capacity;
    struct journal_target *targets;
    size_t target_capacity;
    struct intake_counters counters;
};

struct intake *intake_new(uv_loop_t *loop, struct journal *journal, struct functions *functions,
                          struct frames *frames, struct retained_queue *retained)
{
    struct intake *intake = memory_new(sizeof *intake);
    intake->loop = loop;
    intake->journal = journal;
    intake->functions = functions;
    intake->frames = frames;
    intake->retained = retained;
    return intake;
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    memory_free(intake->messages);
    memory_free(intake->targets);
    memory_free(intake);
}

const struct intake_counters *intake_counters(const struct intake *intake)
{
    return &intake->counters;
}

enum mqtt_reason intake_transform(struct intake *intake, const struct message *view,
                                  const struct message **ret_messages, size_t *ret_count)
{
    switch (frames_expand(intake->frames, view, ret_messages, ret_count)) {
    case SLUICE_OK: return MQTT_SUCCESS;
    case SLUICE_TOO_LARGE:
        return MQTT_IMPLEMENTATION_SPECIFIC_ERROR; /* a quota would be tried again, for ever */
    default: return MQTT_PAYLOAD_FORMAT_INVALID;
    }
}

/* Offers all messages to the functions. A frame in one piece, if a route takes it so, is one message more
 * behind its samples: *ret_has_senml. So selections are in the order of messages. */
static enum sluice_error select_functions(struct intake *intake, const struct broker_publish *publish,
                                          struct message *ret_senml, bool *ret_has_senml)
{
    struct functions *functions = intake->functions;
    const struct message *first = publish->messages[0].message;
    functions_select_start(functions);
    *ret_has_senml = false;
    if (publish->replay)
        return SLUICE_OK;
    for (size_t i = 0; i < publish->message_count; i++)
        functions_select(functions, publish->messages[i].message, i, FUNCTIONS_OF_SAMPLES);
    if (!functions_want_senml(functions, first->topic))
        return SLUICE_OK;
    switch (frames_senml(intake->frames, first, ret_senml)) {
    case SLUICE_OK:
        *ret_has_senml =
            functions_select(functions, ret_senml, publish->message_count, FUNCTIONS_OF_SENML) > 0;
        return SLUICE_OK;
    case SLUICE_NOT_FOUND: /* what is no frame is whole as it is */
        functions_select(functions, first, 0, FUNCTIONS_OF_SENML);
        return SLUICE_OK;
    default: return SLUICE_TOO_LARGE;
    }
}

static void make_room(struct intake *intake, size_t messages, size_t targets)
{
    if (messages > intake->message_capacity) {
        intake->messages = memory_resize(intake->messages, messages * sizeof *intake->messages);
        intake->message_capacity = messages;
    }
    if (targets > intake->target_capacity) {
        intake->targets = memory_resize(intake->targets, targets * sizeof *intake->targets);
        intake->target_capacity = targets;
    }
}

/* The journal's view of the PUBLISH in intake->messages: each message with the targets of its sessions, then
 * of its functions, then as a retained one. */
static size_t lay_out(struct intake *intake, const struct broker_publish *publish,
                      const struct message *senml)
{
    size_t count = publish->message_count + (senml ? 1 : 0);
    size_t targets_max = functions_selected(intake->functions);
    for (size_t i = 0; i < publish->message_count; i++)
        targets_max += publish->messages[i].target_count + 1;
    make_room(intake, count, targets_max);
    struct journal_target *at = intake->targets;
    size_t selection = 0, retained = 0;
    for (size_t i = 0; i < count; i++) {
        const struct broker_stored *stored = i < publish->message_count ? &publish->messages[i] : NULL;
        struct journal_target *first = at;
        for (size_t j = 0; stored && j < stored->target_count; j++) {
            const struct broker_target *target = &stored->targets[j];
            *at++ = (struct journal_target){.queue = (uint32_t)target->queue,
                                            .ordinal = target->ordinal,
                                            .share = target->share,
                                            .qos = target->qos,
                                            .retain = target->retain};
        }
        for (; selection < functions_selected(intake->functions) &&
               functions_selected_message(intake->functions, selection) == i;
             selection++)
            *at++ = functions_selected_target(intake->functions, selection);
        if (stored && stored->retained)
            *at++ = retained_queue_target(intake->retained, retained++, stored->retained);
        intake->messages[i] = (struct journal_message){.message = stored ? stored->message : senml,
                                                       .targets = first,
                                                       .target_count = (size_t)(at - first)};
    }
    return count;
}

/* Gives the broker its positions, the function queues their messages, and the state what is retained. */
static void hand_out(struct intake *intake, struct broker_publish *publish, const struct message *senml)
{
    uint64_t now_ms = uv_now(intake->loop);
    for (size_t i = 0; i < publish->message_count; i++) {
        const struct broker_stored *stored = &publish->messages[i];
        publish->messages[i].ret_position = intake->messages[i].ret_position;
        if (stored->retained)
            retained_queue_stored(intake->retained, stored->message, stored->retained);
    }
    struct message *kept_senml = senml ? message_new(senml) : NULL;
    for (size_t i = 0; i < functions_selected(intake->functions); i++) {
        size_t index = functions_selected_message(intake->functions, i);
        struct message *kept =
            index < publish->message_count ? broker_stored_keep(&publish->messages[index]) : kept_senml;
        struct broker_processing *processing = NULL;
        if (functions_selected_acknowledge(intake->functions, i) == CONFIG_ACKNOWLEDGE_PROCESSED)
            processing = broker_publish_await(publish);
        functions_selected_queue(intake->functions, i, kept, intake->messages[index].ret_position, processing,
                                 now_ms);
    }
    message_unref(kept_senml);
}

/* Whether the publisher need not wait for the disk: all that takes the PUBLISH are events that say so. */
static bool is_acknowledged_at_once(const struct intake *intake, size_t message_count)
{
    size_t targets = 0, selected = functions_selected(intake->functions);
    for (size_t i = 0; i < message_count; i++)
        targets += intake->messages[i].target_count;
    for (size_t i = 0; i < selected; i++) {
        if (functions_selected_acknowledge(intake->functions, i) != CONFIG_ACKNOWLEDGE_RECEIVED)
            return false;
    }
    return targets == selected;
}

/* Published by the gateway itself, and for nobody. */
static bool is_result(const struct message *message)
{
    return message->publisher_kind == IDENTITY_INTERNAL && message->client_id.len == 0;
}

/*
 * The crash argument: whatever is told to the outside about this PUBLISH waits for the seq of its one record.
 * Before that is on disk a function may already run (and then runs again after a crash, since nothing was
 * acknowledged and the publisher repeats), but no subscriber of a durable session and no publisher has heard
 * of it. A PUBLISH that no queue takes and that is not QoS 2 of a durable session has nothing to keep. Only
 * `acknowledge: received` breaks that, on request: what is lost with it is what the last commit did not have.
 */
enum sluice_error intake_store(struct intake *intake, struct broker_publish *publish, uint64_t *ret_seq)
{
    struct message senml_message;
    bool has_senml;
    enum sluice_error error = select_functions(intake, publish, &senml_message, &has_senml);
    if (error)
        return error;
    const struct message *senml = has_senml ? &senml_message : NULL;
    size_t count = lay_out(intake, publish, senml);
    struct journal_origin origin = {.may_use_reserve = is_result(publish->messages[0].message)};
    if (publish->origin_qos == 2) {
        origin.queue = (uint32_t)publish->origin_queue;
        origin.packet_id = publish->origin_packet_id;
    }
    size_t stored = 0;
    for (size_t i = 0; i < count; i++)
        stored += intake->messages[i].target_count > 0;
    if (stored > 0 || origin.queue != 0) {
        error = functions_select_fits(intake->functions);
        if (!error)
            error = journal_append_messages(intake->journal, origin, intake->messages, count, ret_seq);
        if (error)
            return error;
        if (publish->origin_qos > 0 && stored > 0 && is_acknowledged_at_once(intake, count))
            *ret_seq = 0;
        hand_out(intake, publish, senml);
    } else {
        *ret_seq = 0;
    }
    intake->counters.stored += stored;
    intake->counters.frames += frames_made(intake->frames, publish->messages[0].message);
    return SLUICE_OK;
}

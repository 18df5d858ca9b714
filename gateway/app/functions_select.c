#include "app/functions_internal.h"

#include "base/memory.h"

void functions_select_start(struct functions *functions)
{
    for (size_t i = 0; i < functions->selection_count; i++) {
        functions->selections[i].mapping->selected_count = 0;
        functions->selections[i].mapping->selected_bytes = 0;
    }
    functions->selection_count = 0;
}

static void add_selection(struct functions *functions, struct mapping *mapping, const struct message *message,
                          size_t index)
{
    if (functions->selection_count == functions->selection_capacity) {
        functions->selection_capacity =
            functions->selection_capacity ? functions->selection_capacity * 2 : 64;
        functions->selections = memory_resize(functions->selections,
                                              functions->selection_capacity * sizeof *functions->selections);
    }
    uint32_t partition = mapping_partition(mapping, message);
    tumbling_before(mapping->tumbling, partition, message->received_ms);
    functions->selections[functions->selection_count++] = (struct selection){
        .mapping = mapping,
        .ordinal = queue_next_ordinal(mapping->queue) + mapping->selected_count,
        .partition = partition,
        .message = index,
    };
    mapping->selected_count++;
    mapping->selected_bytes += message_bytes(message);
}

static enum functions_form form_of(const struct mapping *mapping)
{
    return mapping->event->frames == CONFIG_FRAMES_SENML ? FUNCTIONS_OF_SENML : FUNCTIONS_OF_SAMPLES;
}

/* False: it is no topic of this stage. */
static bool strip_stage(const struct functions *functions, struct span *topic)
{
    struct span prefix = span_from_string(functions->config->topic_prefix);
    bool is_ours = span_starts_with(*topic, prefix);
    if (is_ours)
        *topic = span_skip(*topic, prefix.len);
    return is_ours;
}

struct message functions_view(const struct functions *functions, const struct message *message)
{
    struct message view = *message;
    strip_stage(functions, &view.topic);
    return view;
}

bool functions_want_senml(struct functions *functions, struct span topic)
{
    if (!functions->any_senml || !strip_stage(functions, &topic))
        return false;
    const struct rule_entry *const *entries;
    size_t count = rule_set_find(&functions->rules, topic, &entries);
    for (size_t i = 0; i < count; i++)
        if (form_of(entries[i]->user) == FUNCTIONS_OF_SENML)
            return true;
    return false;
}

size_t functions_select(struct functions *functions, const struct message *message, size_t index,
                        enum functions_form form)
{
    struct message view = *message;
    if (!strip_stage(functions, &view.topic))
        return 0;
    struct rule_input input = rule_input_of(&view, functions_random(functions));
    const struct rule_entry *const *entries;
    size_t count = rule_set_find(&functions->rules, view.topic, &entries), found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct mapping *mapping = entries[i]->user;
        /* A payload that is no JSON is taken too: it becomes a dead letter that says so. */
        if (form_of(mapping) != form || uplink_brought(mapping->function->config, message) ||
            rule_matches(entries[i]->rule, &input) == RULE_NO_MATCH)
            continue;
        add_selection(functions, entries[i]->user, message, index);
        found++;
    }
    for (size_t i = functions->selection_count - found; i < functions->selection_count; i++)
        functions->selections[i].payload_is_json = input.payload == RULE_PAYLOAD_JSON;
    return found;
}

enum sluice_error functions_select_fits(struct functions *functions)
{
    for (size_t i = 0; i < functions->selection_count; i++) {
        struct mapping *mapping = functions->selections[i].mapping;
        if (!queue_has_room(mapping->queue, mapping->selected_count, mapping->selected_bytes) ||
            !tumbling_has_room(mapping->tumbling, functions->selections[i].partition)) {
            functions->full = mapping;
            return SLUICE_FULL;
        }
    }
    return SLUICE_OK;
}

size_t functions_selected(const struct functions *functions)
{
    return functions->selection_count;
}

size_t functions_selected_message(const struct functions *functions, size_t selection)
{
    return functions->selections[selection].message;
}

struct journal_target functions_selected_target(const struct functions *functions, size_t selection)
{
    const struct selection *selected = &functions->selections[selection];
    return (struct journal_target){.queue = selected->mapping->queue_id,
                                   .ordinal = selected->ordinal,
                                   .share = selected->partition,
                                   .qos = 1};
}

enum config_acknowledge functions_selected_acknowledge(const struct functions *functions, size_t selection)
{
    return functions->selections[selection].mapping->event->acknowledge;
}

void functions_selected_queue(struct functions *functions, size_t selection, struct message *message,
                              uint64_t position, struct broker_processing *processing, uint64_t now_ms)
{
    const struct selection *selected = &functions->selections[selection];
    if (processing)
        awaited_add(&selected->mapping->awaited, selected->ordinal, processing);
    message->payload_is_json |= selected->payload_is_json;
    queue_add(selected->mapping->queue, message, selected->partition, position, now_ms);
    tumbling_arrived(selected->mapping->tumbling, selected->partition, message);
    functions->counters.accepted++;
}

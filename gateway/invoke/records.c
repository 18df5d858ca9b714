#include "invoke/records.h"

#include "base/json_write.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

struct records_writer records_begin(struct buffer *out, const struct records_source *source)
{
    struct records_writer writer = {.out = out, .source = source};
    json_write_raw(out, "{\"Records\":[");
    json_write_raw(&writer.source_json, ",\"eventSource\":");
    json_write_string(&writer.source_json, source->event_source);
    json_write_raw(&writer.source_json, ",\"eventSourceARN\":");
    json_write_string(&writer.source_json, source->arn);
    json_write_raw(&writer.source_json, ",\"awsRegion\":");
    json_write_string(&writer.source_json, source->region);
    return writer;
}

enum { EVENT_END_BYTES = 2 };

void records_end(struct records_writer *writer, struct span tail)
{
    json_write_raw(writer->out, "]");
    buffer_append(writer->out, tail);
    json_write_raw(writer->out, "}");
    buffer_fini(&writer->source_json);
}

static bool is_too_large(const struct records_writer *writer)
{
    size_t bytes_max = writer->source->event_bytes_max;
    return bytes_max > 0 && writer->count > 1 && buffer_len(writer->out) + EVENT_END_BYTES > bytes_max;
}

/* SQS gives its numbers as text. */
static void write_quoted_u64(struct buffer *out, uint64_t value)
{
    json_write_raw(out, "\"");
    json_write_u64(out, value);
    json_write_raw(out, "\"");
}

static void write_attributes(struct buffer *out, const struct record *record)
{
    json_write_raw(out, ",\"attributes\":{\"ApproximateReceiveCount\":");
    write_quoted_u64(out, record->receive_count);
    json_write_raw(out, ",\"SentTimestamp\":");
    write_quoted_u64(out, record->sent_ms);
    json_write_raw(out, ",\"SenderId\":");
    json_write_string(out, record->sender_id);
    json_write_raw(out, ",\"ApproximateFirstReceiveTimestamp\":");
    write_quoted_u64(out, record->first_receive_ms);
    json_write_raw(out, "},\"messageAttributes\":{");
    for (size_t i = 0; i < record->attribute_count; i++) {
        if (i > 0)
            json_write_raw(out, ",");
        json_write_string(out, record->attributes[i].name);
        json_write_raw(out, ":{\"stringValue\":");
        json_write_string(out, record->attributes[i].value);
        json_write_raw(out, ",\"stringListValues\":[],\"binaryListValues\":[],\"dataType\":\"String\"}");
    }
    json_write_raw(out, "}");
}

static void write_record(const struct records_writer *writer, const struct record *record)
{
    struct buffer *out = writer->out;
    char md5[RECORDS_MD5_HEX_BYTES];
    writer->source->md5(record->body, md5);
    json_write_raw(out, "{\"messageId\":");
    json_write_string(out, record->message_id);
    json_write_raw(out, ",\"receiptHandle\":");
    json_write_string(out, record->message_id);
    json_write_raw(out, ",\"body\":");
    json_write_string(out, record->body);
    write_attributes(out, record);
    json_write_raw(out, ",\"md5OfBody\":\"");
    buffer_append(out, span_from_string(md5));
    json_write_raw(out, "\"");
    buffer_append(out, buffer_span(&writer->source_json));
    json_write_raw(out, "}");
}

bool records_add(struct records_writer *writer, const struct record *record)
{
    size_t before = buffer_len(writer->out);
    if (writer->count++ > 0)
        json_write_raw(writer->out, ",");
    write_record(writer, record);
    if (!is_too_large(writer))
        return true;
    buffer_cut(writer->out, before);
    writer->count--;
    return false;
}

/* --- The answer --- */

static void fill(bool *failed, size_t count, bool value)
{
    for (size_t i = 0; i < count; i++)
        failed[i] = value;
}

/* A record of the batch by its identifier; sorted, since an answer may name thousands in any order. */
struct named {
    struct span id;
    size_t at;
};

static int compare_named(const void *left, const void *right)
{
    const struct span a = ((const struct named *)left)->id, b = ((const struct named *)right)->id;
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len > 0 ? memcmp(a.data, b.data, a.len) : 0;
}

static bool mark_all(const cJSON *list, const struct named *records, size_t count, bool *failed)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *identifier = cJSON_GetObjectItemCaseSensitive(item, "itemIdentifier");
        struct named wanted = {.id = span_from_string(cJSON_GetStringValue(identifier))};
        const struct named *found = NULL;
        if (wanted.id.len > 0)
            found = bsearch(&wanted, records, count, sizeof *records, compare_named);
        if (!found)
            return false;
        failed[found->at] = true;
    }
    return true;
}

/* False if the answer cannot be trusted. */
static bool mark_listed(const cJSON *answer, const struct span *message_ids, size_t count, bool *failed)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, "batchItemFailures");
    if (cJSON_IsNull(answer) || (cJSON_IsObject(answer) && (!list || cJSON_IsNull(list))))
        return true;
    if (!cJSON_IsArray(list) || !list->child)
        return cJSON_IsArray(list);
    struct named *records = memory_new_array(count, sizeof *records);
    for (size_t i = 0; i < count; i++)
        records[i] = (struct named){message_ids[i], i};
    qsort(records, count, sizeof *records, compare_named);
    bool is_trusted = mark_all(list, records, count, failed);
    memory_free(records);
    return is_trusted;
}

void records_failed(struct span answer, const struct span *message_ids, size_t count, bool *ret_failed)
{
    fill(ret_failed, count, false);
    if (answer.len == 0)
        return;
    cJSON *document = cJSON_ParseWithLength((const char *)answer.data, answer.len);
    if (!mark_listed(document, message_ids, count, ret_failed))
        fill(ret_failed, count, true);
    cJSON_Delete(document);
}

#include "broker/processing.h"

#include "base/memory.h"
#include "broker/acknowledgements.h"

#include <assert.h>

struct broker_processing *processing_ref(struct broker_processing *processing)
{
    if (processing)
        processing->refs++;
    return processing;
}

void processing_unref(struct broker_processing *processing)
{
    if (processing && --processing->refs == 0)
        memory_free(processing);
}

struct broker_processing *broker_publish_await(struct broker_publish *publish)
{
    if (publish->origin_qos == 0)
        return NULL;
    if (!publish->processing) {
        publish->processing = memory_new(sizeof *publish->processing);
        publish->processing->refs = 1;
    }
    publish->processing->owed_count++;
    return publish->processing;
}

void broker_processed(struct broker_processing *processing, uint64_t seq)
{
    assert(processing->owed_count > 0);
    if (seq > processing->seq)
        processing->seq = seq;
    if (--processing->owed_count > 0)
        return;
    if (processing->channel)
        acknowledgements_release_processed(processing->channel);
    processing_unref(processing);
}

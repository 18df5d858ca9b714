#include "app/log_writer.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <uv.h>

struct target {
    char *path;
    uint64_t failed_count; /* records, since one could be written */
    int failure;           /* errno of the first of them */
};

/* In front of each record. */
struct head {
    size_t file;
    size_t len;
};

struct log_writer {
    struct log_file_bounds bounds;
    struct target *targets; /* of the thread, once it has got a record */
    size_t target_count;
    struct buffer waiting; /* the loop's */
    uv_thread_t thread;
    uv_mutex_t lock; /* of what follows */
    uv_cond_t changed;
    struct buffer given; /* empty: the thread is idle */
    bool ending;
};

/* ---- The thread ---- */

static bool write_count(struct log_file *file, struct target *target, struct span record)
{
    char line[256];
    const uint8_t *blank = memchr(record.data, ' ', record.len);
    int len = snprintf(line, sizeof line, "%.*s - (%llu records could not be written: %s)\n",
                       blank ? (int)(blank - record.data) : 0, (const char *)record.data,
                       (unsigned long long)target->failed_count, strerror(target->failure));
    if (!log_file_append(file, span_of(line, (size_t)len)))
        return false;
    target->failed_count = 0;
    return true;
}

static void write_record(struct log_file *file, struct target *target, struct span record)
{
    if ((target->failed_count == 0 || write_count(file, target, record)) && log_file_append(file, record))
        return;
    if (target->failed_count++ > 0)
        return;
    target->failure = errno;
    log_warning("%s cannot be written: %s; its records are counted and dropped", target->path,
                strerror(target->failure));
}

static void write_all(struct log_writer *writer, struct span records)
{
    struct log_file file = {.fd = -1};
    struct target *target = NULL;
    while (records.data && records.len > 0) {
        struct head head;
        memcpy(&head, records.data, sizeof head);
        records = span_skip(records, sizeof head);
        if (target != &writer->targets[head.file]) {
            log_file_close(&file);
            target = &writer->targets[head.file];
        }
        if (file.fd < 0)
            log_file_open(&file, target->path, writer->bounds); /* appending fails too, if that does */
        write_record(&file, target, span_of(records.data, head.len));
        records = span_skip(records, head.len);
    }
    log_file_close(&file);
}

static void run(void *arg)
{
    struct log_writer *writer = arg;
    uv_mutex_lock(&writer->lock);
    for (;;) {
        while (buffer_len(&writer->given) == 0 && !writer->ending)
            uv_cond_wait(&writer->changed, &writer->lock);
        if (buffer_len(&writer->given) == 0)
            break;
        uv_mutex_unlock(&writer->lock);
        write_all(writer, buffer_span(&writer->given)); /* nobody else touches it while it is not empty */
        uv_mutex_lock(&writer->lock);
        buffer_consume(&writer->given, buffer_len(&writer->given));
        uv_cond_signal(&writer->changed);
    }
    uv_mutex_unlock(&writer->lock);
}

/* ---- The loop ---- */

struct log_writer *log_writer_start(struct log_file_bounds bounds)
{
    struct log_writer *writer = memory_new(sizeof *writer);
    writer->bounds = bounds;
    uv_mutex_init(&writer->lock);
    uv_cond_init(&writer->changed);
    if (uv_thread_create(&writer->thread, run, writer) == 0)
        return writer;
    uv_cond_destroy(&writer->changed);
    uv_mutex_destroy(&writer->lock);
    memory_free(writer);
    return NULL;
}

size_t log_writer_add_file(struct log_writer *writer, const char *path)
{
    size_t number = writer->target_count++;
    writer->targets = memory_resize(writer->targets, writer->target_count * sizeof *writer->targets);
    writer->targets[number] = (struct target){.path = memory_string(span_from_string(path))};
    log_file_forget_more(path, writer->bounds);
    return number;
}

bool log_writer_add(struct log_writer *writer, size_t file, struct span record)
{
    struct head head = {file, record.len + 1};
    if (buffer_len(&writer->waiting) + sizeof head + head.len > LOG_WRITER_BYTES)
        return false;
    buffer_append(&writer->waiting, span_of(&head, sizeof head));
    buffer_append(&writer->waiting, record);
    buffer_append(&writer->waiting, SPAN_LITERAL("\n"));
    return true;
}

bool log_writer_waits(const struct log_writer *writer)
{
    return buffer_len(&writer->waiting) > 0;
}

/* With the lock held, and the thread idle. */
static void give(struct log_writer *writer)
{
    struct buffer empty = writer->given;
    writer->given = writer->waiting;
    writer->waiting = empty;
    uv_cond_signal(&writer->changed);
}

void log_writer_hand_over(struct log_writer *writer)
{
    uv_mutex_lock(&writer->lock);
    if (buffer_len(&writer->given) == 0)
        give(writer);
    uv_mutex_unlock(&writer->lock);
}

void log_writer_stop(struct log_writer *writer)
{
    if (!writer)
        return;
    uv_mutex_lock(&writer->lock);
    while (buffer_len(&writer->given) > 0)
        uv_cond_wait(&writer->changed, &writer->lock);
    give(writer);
    writer->ending = true;
    uv_mutex_unlock(&writer->lock);
    uv_thread_join(&writer->thread);
    uv_cond_destroy(&writer->changed);
    uv_mutex_destroy(&writer->lock);
    buffer_fini(&writer->waiting);
    buffer_fini(&writer->given);
    for (size_t i = 0; i < writer->target_count; i++)
        memory_free(writer->targets[i].path);
    memory_free(writer->targets);
    memory_free(writer);
}

/*
 * How deep the stack goes in the SDK, without TLS: each call of the public API is
 * made on a painted stack of its own, in the states in which it does most, and the
 * deepest byte that it wrote to is found. Prints the largest figure, in bytes; with
 * -v each one. What lies above the call is not counted.
 */
#include "../unit/device_fixture.h"
#include "sluice/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { STACK_BYTES = 128 * 1024, PAINT = 0xA5 };

static uint8_t *stack;
static uint8_t *top; /* where the call began */

static void *run(void *call)
{
    top = __builtin_frame_address(0);
    (*(void (**)(void))call)();
    return NULL;
}

static size_t depth_of(void (*call)(void))
{
    pthread_attr_t attributes;
    pthread_t thread;
    memset(stack, PAINT, STACK_BYTES);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, &call), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    const uint8_t *deepest = stack;
    while (*deepest == PAINT)
        deepest++;
    return (size_t)(top - deepest);
}

static void open_for_commands(void)
{
    struct sluice_device_config config = base_config();
    config.filters = filters;
    config.filter_count = 1;
    config.packet_bytes = 128; /* a frame is full after a few samples */
    open_with(&config, sizeof memory / 4);
}

static uint8_t flash[12 * 512];

static enum sluice_error read_flash(struct sluice_medium *medium, uint64_t offset, void *bytes, size_t len)
{
    (void)medium;
    memcpy(bytes, flash + offset, len);
    return SLUICE_OK;
}

static enum sluice_error write_flash(struct sluice_medium *medium, uint64_t offset, const void *bytes,
                                     size_t len)
{
    (void)medium;
    memcpy(flash + offset, bytes, len);
    return SLUICE_OK;
}

static enum sluice_error sync_flash(struct sluice_medium *medium)
{
    (void)medium;
    return SLUICE_OK;
}

/* A device with all that one can have: texts, a ring, commands. Begins on what the ring holds. */
static void open_with_store(void)
{
    static const struct sluice_channel declared[] = {{"temperature", "Cel", 1, SLUICE_DECIMAL},
                                                     {.name = "mode", .type = SLUICE_TEXT}};
    static struct sluice_medium medium = {sizeof flash, read_flash, write_flash, sync_flash};
    static _Alignas(max_align_t) uint8_t ring[4096];
    struct sluice_device_config config = base_config();
    assert_int_equal(
        sluice_ring_open(ring, sizeof ring, &medium, &(struct sluice_ring_config){512, 1000}, &config.store),
        SLUICE_OK);
    config.channels = declared;
    config.filters = filters;
    config.filter_count = 1;
    config.packet_bytes = 200;
    config.when_full = SLUICE_THIN_OUT;
    open_with(&config, sluice_device_size(&config, 1300));
}

static void poll_once(void)
{
    poll_device();
}

/* Fills frames and the outbox, which makes room again and again. */
static void sample_many(void)
{
    for (uint64_t i = 0; i < 3000; i++)
        sluice_device_sample(device, now_ms, 1700000000000 + 977 * i * i,
                             (double[]){(double)(i * 7919 % 1000), 1});
}

/* No printf here: its stack is not the SDK's. */
static void sample_many_texts(void)
{
    for (uint64_t i = 0; i < 3000; i++) {
        const char mode[] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i % 7), '\0'};
        sluice_device_sample_texts(device, now_ms, 1700000000000 + 977 * i * i,
                                   (double[]){(double)(i * 7919 % 1000), 0}, (const char *[]){NULL, mode});
    }
}

static uint8_t saved[8 * 1024];
static size_t saved_len;

static void save(void)
{
    sluice_device_save(device, now_ms, saved, sizeof saved, &saved_len);
}

static void restore(void)
{
    sluice_device_restore(device, now_ms, saved, saved_len);
}

static void publish_one(void)
{
    struct sluice_message message = {.topic = {"farm/shed/events", 16},
                                     .payload = {"{}", 2},
                                     .response_topic = {"farm/shed/answers", 17},
                                     .correlation = {"correlation", 11}};
    sluice_device_publish(device, &message);
}

static void give_request(void)
{
    uint8_t bytes[64];
    struct writer properties = writer_of(bytes, sizeof bytes);
    mqtt_write_bytes_property(&properties, MQTT_RESPONSE_TOPIC, SPAN_LITERAL("farm/shed/answers"));
    mqtt_write_bytes_property(&properties, MQTT_CORRELATION_DATA, SPAN_LITERAL("17"));
    give_command("close", 1, 1, writer_span(&properties));
}

static void give_session(void)
{
    give_connack(false, SPAN_EMPTY);
}

static void give_garbage(void)
{
    fake_port_give(&fake, SPAN_LITERAL("\x20\x05\xff\x00\x02\x24\x09"));
}

static void lose_connection(void)
{
    fake.stream_result = SLUICE_CLOSED;
}

static void find_it_again(void)
{
    fake.stream_result = SLUICE_OK;
    now_ms += 1000000;
}

static void close_device(void)
{
    sluice_device_close(device, now_ms, 1000);
    poll_device();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*before)(void); /* on the usual stack */
        void (*call)(void);
    } calls[] = {
        {"open", NULL, open_for_commands},
        {"samples until the outbox is full", NULL, sample_many},
        {"connects", NULL, poll_once},
        {"CONNACK, SUBSCRIBE, PUBLISH", give_session, poll_once},
        {"a command, answered in its callback", give_request, poll_once},
        {"a message", NULL, publish_one},
        {"garbage", give_garbage, poll_once},
        {"connects again", find_it_again, poll_once},
        {"the connection is lost", lose_connection, poll_once},
        {"closes", NULL, close_device},
        {"open with a store", NULL, open_with_store},
        {"texts until the store is full", NULL, sample_many_texts},
        {"connects, from the store", NULL, poll_once},
        {"sends from the store", give_session, poll_once},
        {"a command, answered into the store", give_request, poll_once},
        {"texts into a full store", NULL, sample_many_texts},
        {"saves", NULL, save},
        {"restores", open_with_store, restore},
    };
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    size_t most_bytes = 0;
    stack = aligned_alloc(4096, STACK_BYTES);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (calls[i].before)
            calls[i].before();
        size_t bytes = depth_of(calls[i].call);
        most_bytes = bytes > most_bytes ? bytes : most_bytes;
        if (verbose)
            printf("%6zu %s\n", bytes, calls[i].name);
    }
    printf("%zu\n", most_bytes);
    free(stack);
    return 0;
}

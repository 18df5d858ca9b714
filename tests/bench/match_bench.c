/*
 * What finding a message's subscriptions costs, with few and with many filters:
 * each Topic Name is one of as many as there are filters, drawn at random, so that
 * the large tree is not answered from the processor's cache alone. One in ten
 * filters has a `+`; two `#` filters match everything. Prints one JSON line for
 * each size. Processor time, without a network and without delivery.
 */
#include "base/memory.h"
#include "broker/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MATCHES = 2000000, TOPIC_BYTES = 48 };

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct span write_topic(char *text, size_t number, const char *device)
{
    int len = snprintf(text, TOPIC_BYTES, "site/%zu/%s/telemetry", number / 10, device);
    return span_of(text, (size_t)len);
}

static struct subscription *subscribe(struct topic_tree *tree, struct span filter)
{
    struct subscription *subscription = memory_new(sizeof *subscription);
    subscriptions_add(tree, subscription, SPAN_EMPTY, filter);
    return subscription;
}

static struct span filter_of(char *text, size_t number)
{
    char device[24];
    snprintf(device, sizeof device, "device%zu", number);
    return write_topic(text, number, number % 10 == 0 ? "+" : device);
}

static struct span name_of(char *text, size_t number)
{
    char device[24];
    snprintf(device, sizeof device, "device%zu", number);
    return write_topic(text, number, device);
}

/* A fixed sequence, the same in each run. */
static uint32_t next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void run(size_t filter_count)
{
    struct topic_tree tree;
    topic_tree_init(&tree, (struct hash_key){1, 2});
    struct subscription **subscriptions = memory_new_array(filter_count, sizeof *subscriptions);
    char text[TOPIC_BYTES];
    subscriptions[0] = subscribe(&tree, SPAN_LITERAL("#"));
    subscriptions[1] = subscribe(&tree, SPAN_LITERAL("site/#"));
    for (size_t i = 2; i < filter_count; i++)
        subscriptions[i] = subscribe(&tree, filter_of(text, i));

    struct subscription_matches matches = {0};
    uint64_t random = 1, found = 0;
    double started = seconds_now();
    for (size_t i = 0; i < MATCHES; i++) {
        subscriptions_match(&tree, name_of(text, next_number(&random) % filter_count), &matches);
        found += matches.count;
    }
    double with = seconds_now() - started;
    started = seconds_now();
    for (size_t i = 0; i < MATCHES; i++)
        found += name_of(text, next_number(&random) % filter_count).len == 0;
    double without = seconds_now() - started;
    printf("{\"bench\":\"match\",\"filters\":%zu,\"matches_per_name\":%.2f,\"ns_per_name\":%.0f}\n",
           filter_count, (double)found / MATCHES, (with - without) * 1e9 / MATCHES);

    memory_free(matches.items);
    for (size_t i = 0; i < filter_count; i++) {
        subscriptions_remove(&tree, subscriptions[i]);
        memory_free(subscriptions[i]);
    }
    memory_free(subscriptions);
    topic_tree_fini(&tree);
}

int main(void)
{
    for (size_t filter_count = 100; filter_count <= 100000; filter_count *= 10)
        run(filter_count);
    return 0;
}

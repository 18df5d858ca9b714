/*
 * The C interface of a native function: a shared object that the gateway's
 * `native` worker loads. handlers/README.md builds a first one in ten minutes.
 *
 *     #include <sluice/handler.h>
 *
 *     SLUICE_HANDLER;
 *
 *     enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len)
 *     {
 *         sluice_printf(context, "{\"bytes\":%zu}", event_len);
 *         return SLUICE_SUCCEEDED;
 *     }
 *
 * Process and thread: each worker is a process of its own with one thread, and
 * calls the function for one event at a time. Several workers may run side by
 * side (reservedConcurrency) and each has its own memory; a crash ends one worker,
 * not the gateway, and the event is tried again. What the function prints to
 * standard output or standard error appears in the gateway's log.
 *
 * Memory: `event` and what the getters return live until sluice_handle returns.
 * What is handed to a sluice_ function is copied.
 *
 * The functions below are in the worker; the shared object needs no library for
 * them. Configuration comes by getenv, from `environment:` of the function.
 */
#ifndef SLUICE_HANDLER_H
#define SLUICE_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function built against an older header could not run any more. */
#define SLUICE_HANDLER_ABI 1

/* Once in each shared object, at file scope: tells the worker which interface it was built against. */
#define SLUICE_HANDLER                                                                                       \
    extern const uint32_t sluice_handler_abi;                                                                \
    const uint32_t sluice_handler_abi = SLUICE_HANDLER_ABI

struct sluice_context; /* what the function is running in and for */

enum sluice_outcome {
    SLUICE_SUCCEEDED = 0,
    SLUICE_FAILED = 1, /* tried again, then to the dead letter queue; say why with sluice_fail */
};

/* To be defined by the function. `event` is JSON text, NUL-terminated: what the rule selected, or with a
 * batch
 * {"Records":[...]}, where "body" of each record is one selected event as text. */
enum sluice_outcome sluice_handle(struct sluice_context *context, const char *event, size_t event_len);

/* May be defined by the function: called once, before the first event, within the 10 s of initialisation. */
enum sluice_outcome sluice_init(struct sluice_context *context);

/* May be defined by the function: called once when the worker is shut down in good order, also after a failed
 * sluice_init, to give back what that took. Not called when the worker is killed. */
void sluice_stop(struct sluice_context *context);

/* Appends to the result, which is JSON text unless the function's users know better. No result: nothing is
 * published. A result over 6 MiB + 100 B fails the invocation. */
void sluice_write(struct sluice_context *context, const void *data, size_t len);
void sluice_printf(struct sluice_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fails the invocation (or initialisation): `return sluice_fail(context, "BadEvent", "no device in %s",
 * event);` What was written so far is dropped. Always gives SLUICE_FAILED. */
enum sluice_outcome sluice_fail(struct sluice_context *context, const char *error_type, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

/* A line for the gateway's log, with the function's name in front. */
void sluice_log(struct sluice_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One pointer of the function's own, kept as long as the worker lives; NULL at first. */
void sluice_set_state(struct sluice_context *context, void *state);
void *sluice_state(const struct sluice_context *context);

/* About this invocation: the same request has the same identifier when it is tried again. */
const char *sluice_request_id(struct sluice_context *context);
const char *sluice_function_name(const struct sluice_context *context);
/* Until the worker is killed; negative when it should have been. */
int64_t sluice_remaining_ms(const struct sluice_context *context);

#ifdef __cplusplus
}
#endif

#endif

/*
 * The one error type of Sluice, named by what the caller should do next.
 * MQTT Reason Codes are a different type (wire/mqtt.h) and are mapped to and
 * from these in one place. Functions return enum sluice_error where more than
 * one failure is possible; their outputs, named ret_*, are untouched on failure.
 */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum sluice_error {
    SLUICE_OK = 0,
    SLUICE_AGAIN,     /* nothing is wrong: call again with more input, or later */
    SLUICE_FULL,      /* a configured bound is reached: push back, then try again */
    SLUICE_INVALID,   /* the input breaks its format: refuse it */
    SLUICE_TOO_LARGE, /* the input is over a configured size: refuse it */
    SLUICE_DENIED,    /* not allowed for this caller: refuse it */
    SLUICE_NOT_FOUND, /* there is no such thing */
    SLUICE_EXISTS,    /* there is one already */
    SLUICE_TIMEOUT,   /* the deadline passed */
    SLUICE_CLOSED,    /* the other side is gone */
    SLUICE_IO,        /* the operating system refused; errno or the log says why */
    SLUICE_NO_MEMORY,
};

/* A short lower-case sentence part for a log line, never NULL. */
const char *sluice_error_text(enum sluice_error error);

#ifdef __cplusplus
}
#endif

#endif

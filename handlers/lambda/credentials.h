/*
 * AWS credentials: from the environment (AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), or else from the shared credentials
 * file (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials) and its profile
 * (AWS_PROFILE, "default"). The file is read again when it changes, so that
 * credentials that something else rotates there are followed without a restart;
 * one that has become unusable changes nothing.
 *
 * One thread. Strings belong to their struct; zeroed structs are empty ones.
 */
#ifndef SLUICE_LAMBDA_CREDENTIALS_H
#define SLUICE_LAMBDA_CREDENTIALS_H

#include "sluice/error.h"
#include "wire/span.h"

#include <time.h>

struct credentials {
    char *access_key_id; /* NULL: there are none */
    char *secret_access_key;
    char *session_token; /* NULL: they are long-term ones */
};

void credentials_fini(struct credentials *credentials);

/* Reads a profile from the text of a shared credentials file. SLUICE_NOT_FOUND: it is not there, or has no
 * keys. */
enum sluice_error credentials_parse(struct span text, const char *profile,
                                    struct credentials *ret_credentials);

struct credentials_source {
    struct credentials current; /* what to sign with */
    char *path;                 /* of the shared file; NULL: the environment has them */
    char *profile;
    /* How the file was when it was read. */
    struct timespec changed;
    long long bytes;
    unsigned long long inode;
};

/* Looks at the environment, and reads nothing yet. */
void credentials_open(struct credentials_source *source);
void credentials_close(struct credentials_source *source);

/* Reads the file if it is not as it was; cheap where it is. SLUICE_OK: nothing to say. Otherwise it is not
 * there, or has changed to something unusable, and one part of a sentence in `error` says so; current stays.
 */
enum sluice_error credentials_refresh(struct credentials_source *source, char *error, size_t error_bytes);

#endif

#include "agent/signer.h"

#include "agent/command.h"

#include <poll.h>
#include <string.h>

enum { TIMEOUT_MS = 10000 };

/* The output of a command that succeeds is all of it: command.h reads to its end before it says that it
 * ended. */
bool signer_run(void *context, const unsigned char hash[SLUICE_HASH_BYTES],
                unsigned char ret_signature[SLUICE_SIGNATURE_BYTES], size_t *ret_len)
{
    struct command command = {.timeout_ms = TIMEOUT_MS, .descriptor = -1};
    if (!command_start_with(&command, context, hash, SLUICE_HASH_BYTES, sluice_posix_now_ms()))
        return false;
    while (command_running(&command, sluice_posix_now_ms()))
        poll(&(struct pollfd){command.descriptor, POLLIN, 0}, 1, 20);
    if (!command.succeeded || command.output_bytes > SLUICE_SIGNATURE_BYTES)
        return false;
    memcpy(ret_signature, command.output, command.output_bytes);
    *ret_len = command.output_bytes;
    return true;
}

/*
 * A private key that is elsewhere: a shell command (the `signer` key of [gateway])
 * that gets a SHA-256 hash, 32 bytes, on its standard input, and prints an ECDSA
 * signature of it in DER. It is waited for, and killed with all its children
 * after 10 s: signing is rare, since TLS sessions are resumed.
 */
#ifndef SLUICE_AGENT_SIGNER_H
#define SLUICE_AGENT_SIGNER_H

#include "sluice/posix.h"

/* A sluice_signer; its context is the command's text. */
bool signer_run(void *context, const unsigned char hash[SLUICE_HASH_BYTES],
                unsigned char ret_signature[SLUICE_SIGNATURE_BYTES], size_t *ret_len);

#endif

/*
 * A certificate authority small enough for a workbench: `sluice pki`. Keys are
 * P-256. A directory holds ca.crt and ca.key, the certificate revocation list
 * ca.crl, index.tsv (pki_index.h), and NAME.crt and NAME.key for each
 * certificate. Keys can be read by their owner only; files are there whole or
 * not at all. Nothing that exists is overwritten, but for what is meant to
 * change: the list, the index, and a certificate that is renewed. Certificates
 * are valid from a day back, for devices whose clocks are behind.
 *
 * Whatever changes something also makes the list anew, valid for ten years from
 * then: an out-of-date one would lock every device out. The index is written
 * before the list, and a certificate's files before the index; so after a crash
 * the next command completes what is missing.
 *
 * Any thread and process: the directory is locked. Nothing is kept between calls.
 */
#ifndef SLUICE_APP_PKI_H
#define SLUICE_APP_PKI_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    PKI_TEXT_BYTES = 512, /* of the sentence that says what went wrong */
    PKI_NAME_BYTES = 65,  /* with its NUL: X.520's bound of a Common Name */
    PKI_HOSTS_COUNT = 16, /* of one server certificate */
    PKI_DAYS_MAX = 36500,
};

/* Why a certificate was revoked: the part of RFC 5280's reasons that means something here. */
enum pki_reason {
    PKI_UNSPECIFIED,
    PKI_KEY_COMPROMISE,
    PKI_SUPERSEDED,
    PKI_CESSATION_OF_OPERATION,
    PKI_REASON_COUNT,
};
extern const char *const pki_reasons[PKI_REASON_COUNT];        /* as RFC 5280 writes them */
extern const unsigned char pki_reason_codes[PKI_REASON_COUNT]; /* as a CRL has them */

struct pki_request {
    const char *directory;
    const char *name;                   /* Common Name and file name: letters, digits, `.`, `_` and `-` */
    bool server;                        /* for a server; otherwise for a client, a device */
    const char *hosts[PKI_HOSTS_COUNT]; /* of a server: DNS names and IP addresses; none: its name */
    size_t hosts_count;
    unsigned days; /* 0: the default */
};

/* All: SLUICE_EXISTS, SLUICE_INVALID (a name, a damaged file), SLUICE_NOT_FOUND (no CA, no such certificate),
 * SLUICE_IO, with the sentence in ret_text, PKI_TEXT_BYTES long. */
enum sluice_error pki_init(const char *directory, const char *name, char *ret_text);
enum sluice_error pki_issue(const struct pki_request *request, char *ret_text);
/* Every certificate of that name that is not revoked yet. Its files get names that end with `.revoked`, so
 * that the name can be issued again. */
enum sluice_error pki_revoke(const char *directory, const char *name, enum pki_reason reason, char *ret_text);
/* A new certificate for the key, kind and hosts of NAME.crt, in its place. The old one stays good until it
 * runs out, for a device that has not got the new one yet, or is revoked as superseded. */
enum sluice_error pki_renew(const char *directory, const char *name, unsigned days, bool revoke_old,
                            char *ret_text);
/* The list alone; `days` 0: ten years. */
enum sluice_error pki_renew_crl(const char *directory, unsigned days, char *ret_text);
/* Prints a line for each certificate, and when the list has to be renewed. Changes nothing. */
enum sluice_error pki_list(const char *directory, FILE *out, char *ret_text);

/* `sluice pki ...`, argv[0] being "pki". The exit status: 0 done, 1 failed, 2 not done because of what was
 * asked for (usage, names, files that exist). */
int pki_command(int argc, char **argv);

#endif

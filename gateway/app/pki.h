/*
 * A certificate authority small enough for a workbench: `sluice pki`. Keys are
 * P-256. A directory holds ca.crt and ca.key, and NAME.crt and NAME.key for each
 * certificate that was issued; keys can be read by their owner only. Nothing that
 * exists is overwritten. Certificates are valid from a day back, for devices
 * whose clocks are behind. Any thread; nothing is kept between calls.
 */
#ifndef SLUICE_APP_PKI_H
#define SLUICE_APP_PKI_H

#include "sluice/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PKI_TEXT_BYTES = 512, /* of the sentence that says what went wrong */
    PKI_NAME_BYTES = 65,  /* with its NUL: X.520's bound of a Common Name */
    PKI_HOSTS_COUNT = 16, /* of one server certificate */
    PKI_DAYS_MAX = 36500,
};

struct pki_request {
    const char *directory;
    const char *name;                   /* Common Name and file name: letters, digits, `.`, `_` and `-` */
    bool server;                        /* for a server; otherwise for a client, a device */
    const char *hosts[PKI_HOSTS_COUNT]; /* of a server: DNS names and IP addresses; none: its name */
    size_t hosts_count;
    unsigned days; /* 0: the default */
};

/* Both: SLUICE_EXISTS, SLUICE_INVALID (a name), SLUICE_NOT_FOUND (there is no CA), SLUICE_IO, with the
 * sentence in ret_text, PKI_TEXT_BYTES long. */
enum sluice_error pki_init(const char *directory, const char *name, char *ret_text);
enum sluice_error pki_issue(const struct pki_request *request, char *ret_text);

/* `sluice pki ...`, argv[0] being "pki". The exit status: 0 done, 1 failed, 2 not done because of what was
 * asked for (usage, names, files that exist). */
int pki_command(int argc, char **argv);

#endif

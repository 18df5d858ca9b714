/*
 * What an authority has issued: index.tsv, a line for each certificate, its own
 * and its CRL included, in the order of their making. Plain text with tabs, so
 * that any tool reads it; times are UTC. It is what the CRL is written from, so
 * a line that cannot be read is an error and never skipped: who is revoked must
 * not come back with a damaged file.
 *
 * Owned by the caller; one thread.
 */
#ifndef SLUICE_APP_PKI_INDEX_H
#define SLUICE_APP_PKI_INDEX_H

#include "app/pki.h"

#include <stdint.h>

enum { PKI_SERIAL_BYTES = 20 }; /* RFC 5280's bound */

enum pki_kind {
    PKI_CA,
    PKI_CRL, /* its serial is the CRL number */
    PKI_SERVER,
    PKI_DEVICE,
};

struct pki_entry {
    uint8_t serial[PKI_SERIAL_BYTES]; /* as DER has it */
    size_t serial_len;
    char name[PKI_NAME_BYTES];
    enum pki_kind kind;
    int64_t from_s, until_s; /* Unix time */
    int64_t revoked_s;       /* 0: it is not */
    enum pki_reason reason;
};

struct pki_index {
    struct pki_entry *entries;
    size_t count;
};

void pki_index_fini(struct pki_index *index);
/* Adds a copy of the entry at the end. */
void pki_index_add(struct pki_index *index, const struct pki_entry *entry);
/* The entry of the serial, or NULL. */
struct pki_entry *pki_index_find(const struct pki_index *index, const uint8_t *serial, size_t serial_len);
/* The first of that kind, or NULL. */
struct pki_entry *pki_index_find_kind(const struct pki_index *index, enum pki_kind kind);

/* SLUICE_NOT_FOUND: there is no such file; SLUICE_INVALID: a line is damaged; SLUICE_IO. All but the first
 * with a sentence in ret_text, PKI_TEXT_BYTES long. */
enum sluice_error pki_index_read(const char *path, struct pki_index *ret_index, char *ret_text);
enum sluice_error pki_index_write(const char *path, const struct pki_index *index, char *ret_text);

const char *pki_kind_text(enum pki_kind kind);
/* Hexadecimal, 2 * PKI_SERIAL_BYTES + 1 bytes. */
void pki_serial_text(const struct pki_entry *entry, char *ret_text);

#endif

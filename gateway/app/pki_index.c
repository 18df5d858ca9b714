#include "app/pki_index.h"

#include "app/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    INDEX_BYTES_MAX = 64 * 1024 * 1024,
    TIME_BYTES = sizeof "YYYY-MM-DDThh:mm:ssZ",
    SERIAL_TEXT_BYTES = 2 * PKI_SERIAL_BYTES + 1,
    FIELDS_COUNT = 7,
};

static const char header[] = "serial\tname\tkind\tfrom\tuntil\trevoked\treason\n";
static const char *const kinds[] = {"ca", "crl", "server", "device"};

const char *pki_kind_text(enum pki_kind kind)
{
    return kinds[kind];
}

void pki_serial_text(const struct pki_entry *entry, char *ret_text)
{
    ret_text[0] = '\0';
    for (size_t i = 0; i < entry->serial_len; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", entry->serial[i]);
}

/* ---- The table ---- */

void pki_index_fini(struct pki_index *index)
{
    memory_free(index->entries);
    *index = (struct pki_index){0};
}

void pki_index_add(struct pki_index *index, const struct pki_entry *entry)
{
    if ((index->count & (index->count - 1)) == 0)
        index->entries =
            memory_resize(index->entries, (index->count ? 2 * index->count : 1) * sizeof *index->entries);
    index->entries[index->count++] = *entry;
}

struct pki_entry *pki_index_find(const struct pki_index *index, const uint8_t *serial, size_t serial_len)
{
    for (size_t i = 0; i < index->count; i++) {
        struct pki_entry *entry = &index->entries[i];
        if (entry->kind != PKI_CRL &&
            span_equal(span_of(entry->serial, entry->serial_len), span_of(serial, serial_len)))
            return entry;
    }
    return NULL;
}

struct pki_entry *pki_index_find_kind(const struct pki_index *index, enum pki_kind kind)
{
    for (size_t i = 0; i < index->count; i++) {
        if (index->entries[i].kind == kind)
            return &index->entries[i];
    }
    return NULL;
}

/* ---- Reading ---- */

static bool read_serial(const char *text, struct pki_entry *entry)
{
    size_t len = strlen(text);
    if (len == 0 || len % 2 != 0 || len > (size_t)2 * PKI_SERIAL_BYTES ||
        strspn(text, "0123456789abcdef") != len)
        return false;
    entry->serial_len = len / 2;
    for (size_t i = 0; i < entry->serial_len; i++)
        entry->serial[i] = (uint8_t)strtoul((char[]){text[2 * i], text[2 * i + 1], '\0'}, NULL, 16);
    return true;
}

static bool read_name(const char *text, struct pki_entry *entry)
{
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof entry->name)
        return false;
    memcpy(entry->name, text, len + 1);
    return true;
}

static bool read_word(const char *text, const char *const *words, size_t count, unsigned *ret_index)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool read_time(const char *text, int64_t *ret_s)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (!end || *end)
        return false;
    *ret_s = timegm(&parts);
    return true;
}

static bool read_revocation(const char *time, const char *reason, struct pki_entry *entry)
{
    unsigned index = 0;
    if (strcmp(time, "-") == 0)
        return strcmp(reason, "-") == 0;
    bool good =
        read_time(time, &entry->revoked_s) && read_word(reason, pki_reasons, PKI_REASON_COUNT, &index);
    entry->reason = index;
    return good && entry->revoked_s > 0;
}

static bool read_line(char *line, struct pki_entry *ret_entry)
{
    char *fields[FIELDS_COUNT];
    size_t count = 0;
    for (char *field; (field = strsep(&line, "\t"));) {
        if (count == FIELDS_COUNT)
            return false;
        fields[count++] = field;
    }
    unsigned kind = 0;
    bool good = count == FIELDS_COUNT && read_serial(fields[0], ret_entry) &&
                read_name(fields[1], ret_entry) &&
                read_word(fields[2], kinds, sizeof kinds / sizeof *kinds, &kind) &&
                read_time(fields[3], &ret_entry->from_s) && read_time(fields[4], &ret_entry->until_s) &&
                read_revocation(fields[5], fields[6], ret_entry);
    ret_entry->kind = kind;
    return good;
}

/* The text ends with a NUL. An unfinished last line is a damaged one. */
static enum sluice_error read_lines(const char *path, char *text, struct pki_index *index, char *ret_text)
{
    if (strncmp(text, header, strlen(header)) != 0) {
        snprintf(ret_text, PKI_TEXT_BYTES, "%s is not an index of certificates", path);
        return SLUICE_INVALID;
    }
    char *line = text + strlen(header);
    for (unsigned number = 2; *line; number++) {
        struct pki_entry entry = {0};
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (!end || !read_line(line, &entry)) {
            snprintf(ret_text, PKI_TEXT_BYTES, "%s:%u: this line is damaged; put back a copy of the file",
                     path, number);
            return SLUICE_INVALID;
        }
        pki_index_add(index, &entry);
        line = end + 1;
    }
    return SLUICE_OK;
}

enum sluice_error pki_index_read(const char *path, struct pki_index *ret_index, char *ret_text)
{
    struct buffer text = {0};
    enum sluice_error error = file_read(path, INDEX_BYTES_MAX, &text);
    if (error == SLUICE_NOT_FOUND)
        return error;
    if (error) {
        snprintf(ret_text, PKI_TEXT_BYTES, "%.380s cannot be read: %.100s", path,
                 error == SLUICE_IO ? strerror(errno) : "it is too large");
        return SLUICE_IO;
    }
    buffer_append(&text, span_of("", 1));
    struct pki_index index = {0};
    error = read_lines(path, (char *)text.data, &index, ret_text);
    buffer_fini(&text);
    if (error)
        pki_index_fini(&index);
    else
        *ret_index = index;
    return error;
}

/* ---- Writing ---- */

static const char *time_text(int64_t seconds, char *text)
{
    struct tm parts;
    time_t time = seconds;
    strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &parts));
    return text;
}

static void write_line(const struct pki_entry *entry, FILE *out)
{
    char serial[SERIAL_TEXT_BYTES], from[TIME_BYTES], until[TIME_BYTES], revoked[TIME_BYTES];
    pki_serial_text(entry, serial);
    fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", serial, entry->name, kinds[entry->kind],
            time_text(entry->from_s, from), time_text(entry->until_s, until),
            entry->revoked_s ? time_text(entry->revoked_s, revoked) : "-",
            entry->revoked_s ? pki_reasons[entry->reason] : "-");
}

enum sluice_error pki_index_write(const char *path, const struct pki_index *index, char *ret_text)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out)
        fputs(header, out);
    for (size_t i = 0; out && i < index->count; i++)
        write_line(&index->entries[i], out);
    bool written = out && fclose(out) == 0;
    enum sluice_error error = written ? file_replace(path, 0644, span_of(text, len)) : SLUICE_IO;
    if (error)
        snprintf(ret_text, PKI_TEXT_BYTES, "%.380s cannot be written: %.100s", path, strerror(errno));
    free(text);
    return error;
}

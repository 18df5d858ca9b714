#include "net/tls_session_file.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    HEAD_BYTES = 2 + NONCE_BYTES + TAG_BYTES, /* length of the text, nonce, tag; then the text */
    TEXT_BYTES = TLS_SESSION_ID_BYTES + 8 + TLS_SESSION_SAVED_BYTES,
    LARGEST_FILE_BYTES = 64 * 1024 * 1024,
};

struct tls_session_file {
    char *path, *new_path;
    uint8_t key[TLS_SESSION_KEY_BYTES];
    mbedtls_gcm_context gcm;
    int fd; /* -1: nothing is written */
    size_t records_count;
};

struct tls_session_file *tls_session_file_new(const char *path, const uint8_t *key)
{
    struct tls_session_file *file = memory_new(sizeof *file);
    size_t new_path_bytes = strlen(path) + sizeof ".new";
    file->path = memory_string(span_from_string(path));
    file->new_path = memory_new(new_path_bytes);
    snprintf(file->new_path, new_path_bytes, "%s.new", path);
    file->fd = -1;
    mbedtls_gcm_init(&file->gcm);
    tls_session_file_set_key(file, key);
    return file;
}

static void stop_writing(struct tls_session_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void tls_session_file_free(struct tls_session_file *file)
{
    if (!file)
        return;
    stop_writing(file);
    mbedtls_gcm_free(&file->gcm);
    mbedtls_platform_zeroize(file->key, sizeof file->key);
    memory_free(file->path);
    memory_free(file->new_path);
    memory_free(file);
}

bool tls_session_file_has_key(const struct tls_session_file *file, const uint8_t *key)
{
    return memcmp(file->key, key, sizeof file->key) == 0;
}

void tls_session_file_set_key(struct tls_session_file *file, const uint8_t *key)
{
    memcpy(file->key, key, sizeof file->key);
    if (mbedtls_gcm_setkey(&file->gcm, MBEDTLS_CIPHER_ID_AES, key, TLS_SESSION_KEY_BYTES * 8))
        log_fatal("out of memory"); /* there is no other reason */
}

/* ---- Reading ---- */

static bool open_record(struct tls_session_file *file, struct reader *reader, uint8_t *text,
                        struct tls_session *ret_session)
{
    size_t len = read_u16(reader);
    struct span nonce = read_bytes(reader, NONCE_BYTES), tag = read_bytes(reader, TAG_BYTES);
    struct span sealed = read_bytes(reader, len);
    if (reader->failed || len < TLS_SESSION_ID_BYTES + 8 || len > TEXT_BYTES ||
        mbedtls_gcm_auth_decrypt(&file->gcm, len, nonce.data, nonce.len, NULL, 0, tag.data, tag.len,
                                 sealed.data, text))
        return false;
    struct reader plain = reader_of(span_of(text, len));
    memcpy(ret_session->id, read_bytes(&plain, TLS_SESSION_ID_BYTES).data, TLS_SESSION_ID_BYTES);
    ret_session->saved_ms = read_u64(&plain);
    ret_session->saved_bytes = reader_left(&plain);
    ret_session->saved = text + (len - ret_session->saved_bytes);
    return true;
}

/* All of the file, or an empty span. */
static struct span read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return SPAN_EMPTY;
    size_t len = fstat(fd, &status) == 0 && status.st_size <= LARGEST_FILE_BYTES ? (size_t)status.st_size : 0;
    uint8_t *bytes = memory_new(len);
    size_t got = 0;
    for (ssize_t step; got < len && (step = read(fd, bytes + got, len - got)) > 0;)
        got += (size_t)step;
    close(fd);
    return span_of(bytes, got);
}

void tls_session_file_read(struct tls_session_file *file,
                           void (*on_session)(void *ctx, const struct tls_session *session), void *ctx)
{
    struct span bytes = read_file(file->path);
    struct reader reader = reader_of(bytes);
    struct tls_session session = {0};
    uint8_t text[TEXT_BYTES];
    while (reader_left(&reader) > 0 && open_record(file, &reader, text, &session))
        on_session(ctx, &session);
    mbedtls_platform_zeroize(text, sizeof text);
    memory_free((uint8_t *)bytes.data);
}

/* ---- Writing ---- */

static void fail(struct tls_session_file *file, const char *path)
{
    log_warning("%s cannot be written: %s; after a restart clients handshake in full", path, strerror(errno));
    stop_writing(file);
}

void tls_session_file_begin(struct tls_session_file *file)
{
    stop_writing(file);
    file->records_count = 0;
    unlink(file->new_path); /* so that its mode is ours */
    file->fd = open(file->new_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file->fd < 0)
        fail(file, file->new_path);
}

void tls_session_file_append(struct tls_session_file *file, const struct tls_session *session)
{
    uint8_t text[TEXT_BYTES], nonce[NONCE_BYTES], tag[TAG_BYTES], record[HEAD_BYTES + TEXT_BYTES];
    struct writer plain = writer_of(text, sizeof text), out = writer_of(record, sizeof record);
    if (file->fd < 0)
        return;
    write_bytes(&plain, span_of(session->id, sizeof session->id));
    write_u64(&plain, session->saved_ms);
    write_bytes(&plain, span_of(session->saved, session->saved_bytes));
    size_t len = writer_len(&plain);
    if (plain.failed || uv_random(NULL, NULL, nonce, sizeof nonce, 0, NULL) ||
        mbedtls_gcm_crypt_and_tag(&file->gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, sizeof nonce, NULL, 0, text,
                                  record + HEAD_BYTES, sizeof tag, tag))
        return;
    write_u16(&out, (uint16_t)len);
    write_bytes(&out, span_of(nonce, sizeof nonce));
    write_bytes(&out, span_of(tag, sizeof tag));
    mbedtls_platform_zeroize(text, sizeof text);
    /* A part of a record would hide those behind it. */
    if (write(file->fd, record, HEAD_BYTES + len) != (ssize_t)(HEAD_BYTES + len))
        fail(file, file->path);
    file->records_count++;
}

void tls_session_file_end(struct tls_session_file *file)
{
    if (file->fd >= 0 && rename(file->new_path, file->path))
        fail(file, file->path);
}

size_t tls_session_file_count(const struct tls_session_file *file)
{
    return file->records_count;
}

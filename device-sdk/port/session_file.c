/*
 * The TLS session in a file: magic, Unix time of the verification, digest, and the
 * session as mbedTLS writes it. The digest also covers what the session holds for:
 * host, port, CA and this device's certificates; so a file of another gateway or
 * from before a new CA is recognised just like a damaged one, and costs a full
 * handshake. That is why nothing is synced: a file that a power cut tore is
 * recognised as well.
 *
 * The digest is against accidents, and has no secret: who could write the file could
 * make us take a session of his own, which asks for no certificate. So only a file
 * of this user, with no right for anybody else, is used.
 */
#include "port/posix_internal.h"
#include "port/sentence.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/sha256.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 8,
    TIME_BYTES = 8,
    DIGEST_BYTES = 32,
    HEADER_BYTES = MAGIC_BYTES + TIME_BYTES + DIGEST_BYTES,
    FILE_MAX_BYTES = 512,
    PATH_MAX_BYTES = 512,
    ID_MAX_BYTES = 32,
};

static const char magic[MAGIC_BYTES + 1] = "SluiceT1";

__attribute__((format(printf, 2, 3))) static void notice(const struct session *session, const char *format,
                                                         ...)
{
    char sentence[SLUICE_POSIX_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    sentence_write_arguments(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (session->on_notice)
        session->on_notice(session->notice_context, sentence);
}

/* Of a whole file in memory. */
static void digest_of(const struct session *session, const unsigned char *memory, size_t len,
                      unsigned char ret_digest[DIGEST_BYTES])
{
    unsigned char tcp_port[2] = {(unsigned char)(session->tcp_port >> 8), (unsigned char)session->tcp_port};
    mbedtls_sha256_context sha256;
    mbedtls_sha256_init(&sha256);
    mbedtls_sha256_starts(&sha256, 0);
    mbedtls_sha256_update(&sha256, session->identity, sizeof session->identity);
    mbedtls_sha256_update(&sha256, (const unsigned char *)session->host, strlen(session->host) + 1);
    mbedtls_sha256_update(&sha256, tcp_port, sizeof tcp_port);
    mbedtls_sha256_update(&sha256, memory, MAGIC_BYTES + TIME_BYTES);
    mbedtls_sha256_update(&sha256, memory + HEADER_BYTES, len - HEADER_BYTES);
    mbedtls_sha256_finish(&sha256, ret_digest);
    mbedtls_sha256_free(&sha256);
}

/* ---- reading ---- */

static bool is_ours_alone(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* False: there is none, or none to trust; what is wrong is said. */
static bool read_file(const struct session *session, unsigned char memory[FILE_MAX_BYTES], size_t *ret_len)
{
    int descriptor = open(session->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_ours = descriptor >= 0 && is_ours_alone(descriptor);
    ssize_t len = is_ours ? read(descriptor, memory, FILE_MAX_BYTES) : -1;
    int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (descriptor >= 0 && !is_ours)
        notice(session, "the TLS session in %s is not used: it must be a file of this user, with mode 0600",
               session->file);
    else if (len < 0 && error != ENOENT)
        notice(session, "cannot read the TLS session in %s: %s", session->file, strerror(error));
    if (len < 0)
        return false;
    *ret_len = (size_t)len;
    return true;
}

static bool is_whole(const struct session *session, const unsigned char *memory, size_t len)
{
    unsigned char digest[DIGEST_BYTES];
    if (len <= HEADER_BYTES || memcmp(memory, magic, MAGIC_BYTES) != 0)
        return false;
    digest_of(session, memory, len, digest);
    return memcmp(digest, memory + MAGIC_BYTES + TIME_BYTES, sizeof digest) == 0;
}

static uint64_t read_time_ms(const unsigned char *at)
{
    uint64_t time_ms = 0;
    for (int i = 0; i < TIME_BYTES; i++)
        time_ms = time_ms << 8 | at[i];
    return time_ms;
}

static void use(struct session *session, const unsigned char *memory, size_t len, uint64_t age_ms)
{
    if (mbedtls_ssl_session_load(&session->tls, memory + HEADER_BYTES, len - HEADER_BYTES) ||
        mbedtls_ssl_session_get_id_len(&session->tls) > ID_MAX_BYTES)
        return;
    session->is_known = true;
    /* May be before the clock began; its differences are right all the same. */
    session->since_ms = sluice_posix_now_ms() - age_ms;
}

/* False: the file is of the future. The clock may not be set yet, and the handshake fail of that. */
static bool restore(struct session *session)
{
    unsigned char memory[FILE_MAX_BYTES];
    size_t len;
    if (!read_file(session, memory, &len))
        return true;
    if (!is_whole(session, memory, len)) {
        notice(session,
               "%s holds no TLS session for this host, CA and certificate, or is damaged: it is not used",
               session->file);
        return true;
    }
    uint64_t then_ms = read_time_ms(memory + MAGIC_BYTES), time_ms = sluice_posix_time_ms();
    if (then_ms > time_ms)
        return false;
    if (time_ms - then_ms <= SESSION_MAX_MS)
        use(session, memory, len, time_ms - then_ms);
    return true;
}

/* ---- writing ---- */

static bool write_file(const char *file, const unsigned char *memory, size_t len)
{
    char next[PATH_MAX_BYTES];
    if (sentence_write(next, sizeof next, "%s.new", file) >= sizeof next) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(next); /* of a process that ended half-way */
    int descriptor = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0)
        return false;
    errno = ENOSPC; /* of a short write */
    bool written = write(descriptor, memory, len) == (ssize_t)len;
    int error = errno;
    close(descriptor);
    if (written && rename(next, file) == 0)
        return true;
    error = written ? errno : error;
    unlink(next);
    errno = error;
    return false;
}

static void changed(struct session *session)
{
    if (!session->is_known) {
        unlink(session->file);
        return;
    }
    unsigned char memory[FILE_MAX_BYTES];
    size_t len;
    memcpy(memory, magic, MAGIC_BYTES);
    uint64_t time_ms = sluice_posix_time_ms();
    for (int i = 0; i < TIME_BYTES; i++)
        memory[MAGIC_BYTES + i] = (unsigned char)(time_ms >> 8 * (TIME_BYTES - 1 - i));
    if (mbedtls_ssl_session_save(&session->tls, memory + HEADER_BYTES, sizeof memory - HEADER_BYTES, &len))
        return;
    len += HEADER_BYTES;
    digest_of(session, memory, len, memory + MAGIC_BYTES + TIME_BYTES);
    if (!write_file(session->file, memory, len))
        notice(session, "cannot keep the TLS session in %s: %s", session->file, strerror(errno));
}

/* ---- the caller's side of it ---- */

static void add_chain(mbedtls_sha256_context *sha256, const mbedtls_x509_crt *chain)
{
    for (; chain; chain = chain->next)
        mbedtls_sha256_update(sha256, chain->raw.p, chain->raw.len);
}

void sluice_posix_keep_session(struct sluice_port *port, const char *file,
                               void (*on_notice)(void *context, const char *sentence), void *context)
{
    struct posix *posix = posix_of(port);
    struct session *session = &posix->session;
    session->restore = restore;
    session->changed = changed;
    session->file = file;
    session->on_notice = on_notice;
    session->notice_context = context;
    mbedtls_sha256_context sha256;
    mbedtls_sha256_init(&sha256);
    mbedtls_sha256_starts(&sha256, 0);
    add_chain(&sha256, &posix->ca);
    add_chain(&sha256, &posix->certificate);
    mbedtls_sha256_finish(&sha256, session->identity);
    mbedtls_sha256_free(&sha256);
}

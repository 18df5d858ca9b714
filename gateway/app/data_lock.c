#include "app/data_lock.h"

#include "app/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WORD_BYTES_MAX = 1024 * 1024, HEAD_BYTES = 64 };

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static void path_of(const char *data, char path[static PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/lock", data);
}

enum sluice_error data_lock_take(const char *data, int *ret_lock)
{
    char path[PATH_MAX];
    path_of(data, path);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) {
        log_error("the data folder %s cannot be written: %s", data, strerror(errno));
        return SLUICE_IO;
    }
    struct flock whole = whole_file();
    if (fcntl(lock, F_SETLK, &whole) != 0) {
        close(lock);
        log_error("the data folder %s is in use by another gateway", data);
        return SLUICE_EXISTS;
    }
    if (ftruncate(lock, 0) != 0) /* a word of an earlier gateway could pass for this one's after a reboot */
        log_warning("the data folder %s: its lock cannot be written: %s", data, strerror(errno));
    *ret_lock = lock;
    return SLUICE_OK;
}

/* The head has the length, so that a reader knows whether it has all of it. */
void data_lock_leave_word(int lock, const struct data_lock_word *word)
{
    char head[HEAD_BYTES];
    int len = snprintf(head, sizeof head, "%" PRIu64 " %d %zu\n", word->began_ns, word->done, word->text.len);
    struct iovec parts[] = {{head, (size_t)len}, {(void *)word->text.data, word->text.len}};
    ssize_t all = len + (ssize_t)word->text.len;
    if (ftruncate(lock, 0) != 0 || pwritev(lock, parts, 2, 0) != all)
        log_warning("the outcome of the reload cannot be written to the data folder: %s", strerror(errno));
}

enum sluice_error data_lock_owner(const char *data, pid_t *ret_pid)
{
    char path[PATH_MAX];
    path_of(data, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? SLUICE_NOT_FOUND : SLUICE_IO;
    struct flock whole = whole_file();
    bool asked = fcntl(fd, F_GETLK, &whole) == 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!asked)
        return SLUICE_IO;
    if (whole.l_type == F_UNLCK)
        return SLUICE_NOT_FOUND;
    *ret_pid = whole.l_pid;
    return SLUICE_OK;
}

enum sluice_error data_lock_read_word(const char *data, struct buffer *ret_bytes,
                                      struct data_lock_word *ret_word)
{
    char path[PATH_MAX];
    path_of(data, path);
    struct buffer bytes = {0};
    enum sluice_error error = file_read(path, WORD_BYTES_MAX, &bytes);
    buffer_append(&bytes, span_of("", 1));
    const char *text = (const char *)bytes.data + bytes.start;
    size_t len = buffer_len(&bytes) - 1, text_len = 0;
    struct data_lock_word word = {0};
    int done = 0, head_len = 0;
    sscanf(text, "%" SCNu64 " %d %zu%n", &word.began_ns, &done, &text_len, &head_len);
    if (error || head_len == 0 || len < (size_t)head_len + 1 || text_len != len - (size_t)head_len - 1) {
        buffer_fini(&bytes);
        return SLUICE_NOT_FOUND;
    }
    word.done = done;
    word.text = span_of(text + head_len + 1, text_len);
    buffer_fini(ret_bytes);
    *ret_bytes = bytes;
    *ret_word = word;
    return SLUICE_OK;
}

#include "app/log_reader.h"

#include "app/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, LINE_BYTES_MAX = 1024 * 1024 };

void log_reader_init(struct log_reader *reader, const char *path)
{
    *reader = (struct log_reader){.path = path, .fd = -1};
}

void log_reader_fini(struct log_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    buffer_fini(&reader->lines);
}

/* ---- Which file comes next ---- */

static bool is_open_one(const struct log_reader *reader, unsigned number)
{
    char path[PATH_MAX];
    struct stat open_one, named;
    return reader->fd >= 0 && log_file_path(reader->path, number, path) && stat(path, &named) == 0 &&
           fstat(reader->fd, &open_one) == 0 && named.st_ino == open_one.st_ino &&
           named.st_dev == open_one.st_dev;
}

/* Which number the open file has by now. False: it has none any more. */
static bool find_open_one(const struct log_reader *reader, unsigned *ret_number)
{
    for (unsigned number = 0; number <= LOG_FILE_COUNT_MAX; number++) {
        if (is_open_one(reader, number)) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

static bool is_older(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* It is there, and was not done with before the open one: that would have been read already. */
static bool is_to_be_read(const struct log_reader *reader, unsigned number)
{
    char path[PATH_MAX];
    struct stat open_one, named;
    return log_file_path(reader->path, number, path) && stat(path, &named) == 0 &&
           (reader->fd < 0 || fstat(reader->fd, &open_one) != 0 ||
            !is_older(named.st_mtim, open_one.st_mtim));
}

static unsigned oldest(const struct log_reader *reader)
{
    unsigned number = LOG_FILE_COUNT_MAX;
    while (number > 0 && !is_to_be_read(reader, number))
        number--;
    return number;
}

static int open_number(const struct log_reader *reader, unsigned number)
{
    char path[PATH_MAX];
    return log_file_path(reader->path, number, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* True: the next file is open. What was open has been read to its end, which it had already if it is not the
 * one that is written to. */
static bool open_next(struct log_reader *reader)
{
    unsigned number;
    int next;
    if (!find_open_one(reader, &number)) {
        next = open_number(reader, oldest(reader));
    } else if (number == 0) {
        return false;
    } else {
        next = open_number(reader, number - 1);
        if (next >= 0 && !is_open_one(reader, number)) { /* all have taken another number meanwhile */
            close(next);
            return open_next(reader);
        }
    }
    if (next < 0)
        return false;
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = next;
    return true;
}

/* ---- Lines ---- */

/* A file that has become shorter: its writer has taken a record back that the disk took a part of, or
 * somebody has emptied it. */
static void follow_cut(struct log_reader *reader)
{
    struct stat status;
    off_t at = reader->fd >= 0 ? lseek(reader->fd, 0, SEEK_CUR) : -1;
    if (at < 0 || fstat(reader->fd, &status) != 0 || status.st_size >= at)
        return;
    off_t whole = at - (off_t)buffer_len(&reader->lines);
    buffer_consume(&reader->lines, buffer_len(&reader->lines));
    lseek(reader->fd, status.st_size < whole ? 0 : whole, SEEK_SET);
}

static bool read_more(struct log_reader *reader)
{
    follow_cut(reader);
    ssize_t got =
        reader->fd >= 0 ? read(reader->fd, buffer_reserve(&reader->lines, READ_BYTES), READ_BYTES) : 0;
    buffer_grown(&reader->lines, got > 0 ? (size_t)got : 0);
    return got > 0;
}

/* At the end of a file that has got another number meanwhile: what came before that is still to be read. */
static bool advance(struct log_reader *reader)
{
    if (read_more(reader))
        return true;
    if (reader->fd >= 0 && is_open_one(reader, 0))
        return false;
    if (read_more(reader))
        return true;
    return open_next(reader);
}

bool log_reader_next(struct log_reader *reader, struct span *ret_line)
{
    for (;;) {
        struct span lines = buffer_span(&reader->lines);
        const uint8_t *end = lines.data ? memchr(lines.data, '\n', lines.len) : NULL;
        if (end) {
            *ret_line = span_of(lines.data, (size_t)(end - lines.data));
            buffer_consume(&reader->lines, ret_line->len + 1);
            return true;
        }
        if (lines.len > LINE_BYTES_MAX) /* it is no log that we have written */
            buffer_consume(&reader->lines, lines.len);
        if (!advance(reader))
            return false;
    }
}

#include "lambda/credentials.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <mbedtls/platform_util.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1024 * 1024 };

static void free_secret(char *secret)
{
    if (secret)
        mbedtls_platform_zeroize(secret, strlen(secret));
    memory_free(secret);
}

void credentials_fini(struct credentials *credentials)
{
    free_secret(credentials->access_key_id);
    free_secret(credentials->secret_access_key);
    free_secret(credentials->session_token);
    *credentials = (struct credentials){0};
}

/* ---- The shared file ---- */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span text)
{
    while (text.len > 0 && is_space(text.data[0]))
        text = span_skip(text, 1);
    while (text.len > 0 && is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

static struct span next_line(struct span *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    struct span line = end ? span_of(rest->data, (size_t)(end - rest->data)) : *rest;
    *rest = span_skip(*rest, line.len + (end ? 1 : 0));
    return trim(line);
}

static bool is_section(struct span line, struct span *ret_name)
{
    if (line.len < 2 || line.data[0] != '[' || line.data[line.len - 1] != ']')
        return false;
    *ret_name = trim(span_of(line.data + 1, line.len - 2));
    return true;
}

static void take_setting(struct credentials *credentials, struct span line)
{
    const struct {
        struct span name;
        char **value;
    } settings[] = {
        {SPAN_LITERAL("aws_access_key_id"), &credentials->access_key_id},
        {SPAN_LITERAL("aws_secret_access_key"), &credentials->secret_access_key},
        {SPAN_LITERAL("aws_session_token"), &credentials->session_token},
    };
    const uint8_t *equals = line.len ? memchr(line.data, '=', line.len) : NULL;
    if (!equals)
        return;
    struct span name = trim(span_of(line.data, (size_t)(equals - line.data)));
    struct span value = trim(span_skip(line, (size_t)(equals - line.data) + 1));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (value.len > 0 && span_equal(name, settings[i].name)) {
            free_secret(*settings[i].value);
            *settings[i].value = memory_string(value);
        }
    }
}

enum sluice_error credentials_parse(struct span text, const char *profile,
                                    struct credentials *ret_credentials)
{
    struct credentials found = {0};
    bool wanted = false;
    while (text.data && text.len > 0) {
        struct span section, line = next_line(&text);
        if (is_section(line, &section))
            wanted = span_equal(section, span_from_string(profile));
        else if (wanted && line.len > 0 && line.data[0] != '#' && line.data[0] != ';')
            take_setting(&found, line);
    }
    if (!found.access_key_id || !found.secret_access_key) {
        credentials_fini(&found);
        return SLUICE_NOT_FOUND;
    }
    *ret_credentials = found;
    return SLUICE_OK;
}

/* ---- Where they come from ---- */

/* A variable's value; NULL also where it is empty, which is how scripts unset one. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static char *copy(const char *string)
{
    return string ? memory_string(span_from_string(string)) : NULL;
}

static char *default_path(void)
{
    const char *home = variable("HOME");
    const struct passwd *user = home ? NULL : getpwuid(getuid());
    struct buffer path = {0};
    buffer_append(&path, span_from_string(user ? user->pw_dir : home));
    buffer_append(&path, SPAN_LITERAL("/.aws/credentials"));
    char *string = memory_string(buffer_span(&path));
    buffer_fini(&path);
    return string;
}

void credentials_open(struct credentials_source *source)
{
    *source = (struct credentials_source){0};
    if (variable("AWS_ACCESS_KEY_ID") && variable("AWS_SECRET_ACCESS_KEY")) {
        source->current.access_key_id = copy(variable("AWS_ACCESS_KEY_ID"));
        source->current.secret_access_key = copy(variable("AWS_SECRET_ACCESS_KEY"));
        source->current.session_token = copy(variable("AWS_SESSION_TOKEN"));
        return;
    }
    const char *path = variable("AWS_SHARED_CREDENTIALS_FILE"), *profile = variable("AWS_PROFILE");
    source->path = path ? copy(path) : default_path();
    source->profile = copy(profile ? profile : "default");
}

void credentials_close(struct credentials_source *source)
{
    credentials_fini(&source->current);
    memory_free(source->path);
    memory_free(source->profile);
    *source = (struct credentials_source){0};
}

static bool is_as_it_was(const struct credentials_source *source, const struct stat *now)
{
    return source->changed.tv_sec == now->st_mtim.tv_sec && source->changed.tv_nsec == now->st_mtim.tv_nsec &&
           source->bytes == now->st_size && source->inode == now->st_ino;
}

/* errno says why where it fails. */
static enum sluice_error read_file(const char *path, struct stat *ret_stat, struct buffer *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return SLUICE_IO;
    errno = EFBIG;
    bool read = fstat(fileno(file), ret_stat) == 0 && ret_stat->st_size <= FILE_BYTES_MAX;
    if (read) {
        size_t got = fread(buffer_reserve(out, FILE_BYTES_MAX), 1, FILE_BYTES_MAX, file);
        buffer_grown(out, got);
        read = !ferror(file);
    }
    fclose(file);
    return read ? SLUICE_OK : SLUICE_IO;
}

enum sluice_error credentials_refresh(struct credentials_source *source, char *error, size_t error_bytes)
{
    struct stat now;
    if (!source->path || (stat(source->path, &now) == 0 && is_as_it_was(source, &now)))
        return SLUICE_OK;
    struct buffer text = {0};
    struct credentials found = {0};
    enum sluice_error failed = read_file(source->path, &now, &text);
    if (failed) {
        snprintf(error, error_bytes, "%s cannot be read: %s", source->path, strerror(errno));
    } else {
        source->changed = now.st_mtim;
        source->bytes = now.st_size;
        source->inode = now.st_ino;
        failed = credentials_parse(buffer_span(&text), source->profile, &found);
        if (failed)
            snprintf(error, error_bytes, "%s has no keys for the profile '%s'", source->path,
                     source->profile);
    }
    if (!failed) {
        credentials_fini(&source->current);
        source->current = found;
    }
    if (text.data)
        mbedtls_platform_zeroize(text.data, text.capacity);
    buffer_fini(&text);
    return failed;
}

#include "app/credentials.h"

#include "app/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct credentials {
    size_t refs;
    struct passwords *passwords;
    struct token_issuer **issuers;
    size_t issuer_count;
    struct access_keys *keys;
    uint64_t skew_s;
};

static void warn_if_open(const char *file, const char *what)
{
    struct stat status;
    if (stat(file, &status) == 0 && status.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH))
        log_warning("%s %s that other users may read or write; chmod 600 it", file, what);
}

static enum sluice_error load_passwords(struct credentials *credentials, const char *file, char *ret_text)
{
    struct buffer text = {0};
    enum sluice_error error = file_read(file, PASSWORDS_FILE_BYTES, &text);
    if (error)
        snprintf(ret_text, CREDENTIALS_TEXT_BYTES, "%s cannot be read: %s", file,
                 error == SLUICE_TOO_LARGE ? "it is larger than a password file may be" : strerror(errno));
    else
        error = passwords_parse(buffer_span(&text), file, &credentials->passwords, ret_text);
    buffer_fini(&text);
    if (!error)
        warn_if_open(file, "has passwords");
    return error;
}

static enum sluice_error load_issuers(struct credentials *credentials, const struct config *config,
                                      char *ret_text)
{
    credentials->issuers = memory_new_array(config->token_count + 1, sizeof *credentials->issuers);
    for (size_t i = 0; i < config->token_count; i++) {
        enum sluice_error error = token_issuer_new(&config->tokens[i], &credentials->issuers[i], ret_text);
        if (error)
            return error;
        credentials->issuer_count++;
        if (config->tokens[i].algorithm == CONFIG_TOKEN_HS256)
            warn_if_open(config->tokens[i].key, "is a secret");
    }
    return SLUICE_OK;
}

static enum sluice_error load_keys(struct credentials *credentials, const struct config *config,
                                   char *ret_text)
{
    for (size_t i = 0; i < config->key_count; i++)
        warn_if_open(config->keys[i].secret, "is a secret");
    return access_keys_new(config, &credentials->keys, ret_text);
}

enum sluice_error credentials_new(const struct config *config, struct credentials **ret_credentials,
                                  char *ret_text)
{
    struct credentials *credentials = memory_new(sizeof *credentials);
    credentials->refs = 1;
    credentials->skew_s = config->limits.token_clock_skew_ms / 1000;
    enum sluice_error error = SLUICE_OK;
    if (config->passwords)
        error = load_passwords(credentials, config->passwords, ret_text);
    if (!error)
        error = load_issuers(credentials, config, ret_text);
    if (!error)
        error = load_keys(credentials, config, ret_text);
    if (error)
        credentials_unref(credentials);
    else
        *ret_credentials = credentials;
    return error;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    credentials->refs++;
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (!credentials || --credentials->refs > 0)
        return;
    passwords_free(credentials->passwords);
    for (size_t i = 0; i < credentials->issuer_count; i++)
        token_issuer_free(credentials->issuers[i]);
    memory_free(credentials->issuers);
    access_keys_free(credentials->keys);
    memory_free(credentials);
}

bool credentials_any(const struct credentials *credentials)
{
    return credentials->passwords || credentials->issuer_count > 0;
}

const struct passwords *credentials_passwords(const struct credentials *credentials)
{
    return credentials->passwords;
}

const struct access_keys *credentials_keys(const struct credentials *credentials)
{
    return credentials->keys;
}

bool credentials_has_tokens(const struct credentials *credentials)
{
    return credentials->issuer_count > 0;
}

const char *credentials_verify_token(const struct credentials *credentials, struct span token, uint64_t now_s,
                                     struct identity *ret_identity, uint64_t *ret_expires_s)
{
    const char *wrong = "there is no issuer of tokens";
    for (size_t i = 0; i < credentials->issuer_count && wrong; i++)
        wrong = token_verify(credentials->issuers[i], token, now_s, credentials->skew_s, ret_identity,
                             ret_expires_s);
    return wrong;
}

static bool issuer_still_valid(const struct credentials *credentials, const char *fingerprint)
{
    for (size_t i = 0; i < credentials->issuer_count; i++) {
        if (strcmp(token_issuer_fingerprint(credentials->issuers[i]), fingerprint) == 0)
            return true;
    }
    return false;
}

bool credentials_still_valid(const struct credentials *credentials, const struct identity *identity)
{
    if (identity->kind == IDENTITY_TOKEN)
        return issuer_still_valid(credentials, identity->fingerprint);
    if (identity->kind != IDENTITY_USER)
        return true;
    const struct password *password =
        credentials->passwords ? passwords_find(credentials->passwords, span_from_string(identity->name))
                               : NULL;
    return password && strcmp(password->fingerprint, identity->fingerprint) == 0;
}

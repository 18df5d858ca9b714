#include "app/pki.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mbedtls/asn1.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CA_DAYS = 7300,
    SERVER_DAYS = 825, /* what the strictest clients accept */
    DEVICE_DAYS = 3650,
    DAY_SECONDS = 86400,
    PEM_BYTES = 8192,
    SERIAL_BYTES = 16,
    TIME_BYTES = sizeof "YYYYMMDDhhmmss",
    SUBJECT_BYTES = sizeof "CN=" + PKI_NAME_BYTES,
};

/* Everything that making one certificate needs. */
struct maker {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key;    /* of the new certificate */
    mbedtls_pk_context ca_key; /* unused for the CA's own */
    mbedtls_x509_crt ca;
    mbedtls_x509write_cert writer;
};

static int maker_init(struct maker *maker)
{
    mbedtls_entropy_init(&maker->entropy);
    mbedtls_ctr_drbg_init(&maker->random);
    mbedtls_pk_init(&maker->key);
    mbedtls_pk_init(&maker->ca_key);
    mbedtls_x509_crt_init(&maker->ca);
    mbedtls_x509write_crt_init(&maker->writer);
    return mbedtls_ctr_drbg_seed(&maker->random, mbedtls_entropy_func, &maker->entropy, NULL, 0);
}

static void maker_fini(struct maker *maker)
{
    mbedtls_x509write_crt_free(&maker->writer);
    mbedtls_x509_crt_free(&maker->ca);
    mbedtls_pk_free(&maker->ca_key);
    mbedtls_pk_free(&maker->key);
    mbedtls_ctr_drbg_free(&maker->random);
    mbedtls_entropy_free(&maker->entropy);
}

static enum sluice_error fail(enum sluice_error error, char *ret_text, const char *subject, const char *what)
{
    snprintf(ret_text, PKI_TEXT_BYTES, "%.380s %.120s", subject, what);
    return error;
}

/* ---- Files ---- */

static enum sluice_error path_of(const char *directory, const char *name, const char *suffix, char *ret_path,
                                 char *ret_text)
{
    if (snprintf(ret_path, PATH_MAX, "%s/%s%s", directory, name, suffix) >= PATH_MAX)
        return fail(SLUICE_INVALID, ret_text, "the directory's name", "is too long");
    return SLUICE_OK;
}

/* On disk when it returns; a file that could not be written whole is removed. */
static enum sluice_error write_new(const char *path, mode_t mode, const char *text, char *ret_text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return fail(SLUICE_EXISTS, ret_text, path, "exists already and is not overwritten");
    if (fd < 0)
        return fail(SLUICE_IO, ret_text, path, strerror(errno));
    size_t len = strlen(text);
    bool written = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (written)
        return SLUICE_OK;
    unlink(path);
    return fail(SLUICE_IO, ret_text, path, strerror(error));
}

/* The key first: a certificate without its key would be of no use, and the key is what must never be
 * overwritten. */
static enum sluice_error write_pair(struct maker *maker, const char *directory, const char *name,
                                    char *ret_text)
{
    char key_path[PATH_MAX], certificate_path[PATH_MAX];
    unsigned char key[PEM_BYTES], certificate[PEM_BYTES];
    enum sluice_error error = path_of(directory, name, ".key", key_path, ret_text);
    if (!error)
        error = path_of(directory, name, ".crt", certificate_path, ret_text);
    if (error)
        return error;
    if (mbedtls_pk_write_key_pem(&maker->key, key, sizeof key) ||
        mbedtls_x509write_crt_pem(&maker->writer, certificate, sizeof certificate, mbedtls_ctr_drbg_random,
                                  &maker->random))
        error = fail(SLUICE_IO, ret_text, name, "cannot be certified: mbedTLS could not write it");
    if (!error)
        error = write_new(key_path, 0600, (const char *)key, ret_text);
    mbedtls_platform_zeroize(key, sizeof key);
    if (error)
        return error;
    error = write_new(certificate_path, 0644, (const char *)certificate, ret_text);
    if (error)
        unlink(key_path);
    return error;
}

/* ---- Certificates ---- */

static bool is_name(const char *name, const char *others)
{
    size_t len = strlen(name);
    if (len == 0 || len >= PKI_NAME_BYTES || !isalnum((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isascii((unsigned char)name[i]) ||
            (!isalnum((unsigned char)name[i]) && !strchr(others, name[i])))
            return false;
    }
    return true;
}

static int set_validity(struct maker *maker, unsigned days)
{
    char from[TIME_BYTES], to[TIME_BYTES];
    time_t now = time(NULL);
    struct tm parts;
    time_t from_time = now - DAY_SECONDS, to_time = now + (time_t)days * DAY_SECONDS;
    strftime(from, sizeof from, "%Y%m%d%H%M%S", gmtime_r(&from_time, &parts));
    strftime(to, sizeof to, "%Y%m%d%H%M%S", gmtime_r(&to_time, &parts));
    return mbedtls_x509write_crt_set_validity(&maker->writer, from, to);
}

static int set_serial(struct maker *maker)
{
    unsigned char serial[SERIAL_BYTES];
    int failed = mbedtls_ctr_drbg_random(&maker->random, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always as long */
    return failed ? failed : mbedtls_x509write_crt_set_serial_raw(&maker->writer, serial, sizeof serial);
}

/* What the CA's certificate and the others have in common. */
static int set_common(struct maker *maker, const char *name, mbedtls_pk_context *issuer_key, unsigned days)
{
    char subject[SUBJECT_BYTES];
    snprintf(subject, sizeof subject, "CN=%s", name);
    mbedtls_x509write_crt_set_version(&maker->writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&maker->writer, MBEDTLS_MD_SHA256);
    int failed = mbedtls_pk_setup(&maker->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (!failed)
        failed = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(maker->key),
                                     mbedtls_ctr_drbg_random, &maker->random);
    if (failed)
        return failed;
    mbedtls_x509write_crt_set_subject_key(&maker->writer, &maker->key);
    mbedtls_x509write_crt_set_issuer_key(&maker->writer, issuer_key);
    failed = mbedtls_x509write_crt_set_subject_name(&maker->writer, subject);
    if (!failed)
        failed = set_serial(maker);
    if (!failed)
        failed = set_validity(maker, days);
    if (!failed)
        failed = mbedtls_x509write_crt_set_subject_key_identifier(&maker->writer);
    return failed ? failed : mbedtls_x509write_crt_set_authority_key_identifier(&maker->writer);
}

static int set_usage(struct maker *maker, bool server)
{
    mbedtls_asn1_sequence usage = {.buf.tag = MBEDTLS_ASN1_OID};
    usage.buf.p = (unsigned char *)(server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH);
    usage.buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH); /* both are as long */
    int failed = mbedtls_x509write_crt_set_basic_constraints(&maker->writer, 0, -1);
    if (!failed)
        failed = mbedtls_x509write_crt_set_key_usage(&maker->writer, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return failed ? failed : mbedtls_x509write_crt_set_ext_key_usage(&maker->writer, &usage);
}

/* A DNS name, wildcards included, or an address. */
static bool is_host(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len < 254 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:*_") == len;
}

struct host_name {
    mbedtls_x509_san_list entry;
    unsigned char address[sizeof(struct in6_addr)];
};

static void name_host(const char *host, struct host_name *ret_name)
{
    mbedtls_x509_subject_alternative_name *node = &ret_name->entry.node;
    mbedtls_x509_buf *value = &node->san.unstructured_name;
    node->type = MBEDTLS_X509_SAN_IP_ADDRESS;
    value->p = ret_name->address;
    if (inet_pton(AF_INET, host, ret_name->address) == 1) {
        value->len = sizeof(struct in_addr);
    } else if (inet_pton(AF_INET6, host, ret_name->address) == 1) {
        value->len = sizeof(struct in6_addr);
    } else {
        node->type = MBEDTLS_X509_SAN_DNS_NAME;
        value->p = (unsigned char *)host;
        value->len = strlen(host);
    }
    value->tag = node->type;
}

static int set_hosts(struct maker *maker, const struct pki_request *request)
{
    struct host_name names[PKI_HOSTS_COUNT] = {0};
    size_t count = request->hosts_count ? request->hosts_count : 1;
    for (size_t i = 0; i < count; i++) {
        name_host(request->hosts_count ? request->hosts[i] : request->name, &names[i]);
        names[i].entry.next = i + 1 < count ? &names[i + 1].entry : NULL;
    }
    return mbedtls_x509write_crt_set_subject_alternative_name(&maker->writer, &names[0].entry);
}

/* ---- The two tasks ---- */

static enum sluice_error init_with(struct maker *maker, const char *directory, const char *name,
                                   char *ret_text)
{
    char issuer[SUBJECT_BYTES];
    snprintf(issuer, sizeof issuer, "CN=%s", name);
    if (set_common(maker, name, &maker->key, CA_DAYS) ||
        mbedtls_x509write_crt_set_issuer_name(&maker->writer, issuer) ||
        mbedtls_x509write_crt_set_basic_constraints(&maker->writer, 1, 0) ||
        mbedtls_x509write_crt_set_key_usage(&maker->writer,
                                            MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN))
        return fail(SLUICE_IO, ret_text, name, "cannot be made: mbedTLS has no randomness or no memory");
    if (mkdir(directory, 0755) && errno != EEXIST)
        return fail(SLUICE_IO, ret_text, directory, strerror(errno));
    return write_pair(maker, directory, "ca", ret_text);
}

enum sluice_error pki_init(const char *directory, const char *name, char *ret_text)
{
    if (!is_name(name, " ._-"))
        return fail(SLUICE_INVALID, ret_text, name,
                    "is no name for a CA: 1 to 64 letters, digits, spaces, `.`, `_` and `-`");
    struct maker maker;
    enum sluice_error error = maker_init(&maker) ? fail(SLUICE_IO, ret_text, "mbedTLS", "has no randomness")
                                                 : init_with(&maker, directory, name, ret_text);
    maker_fini(&maker);
    return error;
}

static enum sluice_error load_ca(struct maker *maker, const char *directory, char *ret_text)
{
    char certificate_path[PATH_MAX], key_path[PATH_MAX];
    enum sluice_error error = path_of(directory, "ca", ".crt", certificate_path, ret_text);
    if (!error)
        error = path_of(directory, "ca", ".key", key_path, ret_text);
    if (error)
        return error;
    if (access(certificate_path, F_OK) || access(key_path, F_OK))
        return fail(SLUICE_NOT_FOUND, ret_text, directory,
                    "holds no certificate authority; make one with `sluice pki init`");
    if (mbedtls_x509_crt_parse_file(&maker->ca, certificate_path))
        return fail(SLUICE_IO, ret_text, certificate_path, "cannot be read as a certificate");
    if (mbedtls_pk_parse_keyfile(&maker->ca_key, key_path, NULL, mbedtls_ctr_drbg_random, &maker->random))
        return fail(SLUICE_IO, ret_text, key_path, "cannot be read as a private key");
    if (mbedtls_pk_check_pair(&maker->ca.pk, &maker->ca_key, mbedtls_ctr_drbg_random, &maker->random))
        return fail(SLUICE_IO, ret_text, key_path, "is not the key of the certificate beside it");
    return SLUICE_OK;
}

static enum sluice_error issue_with(struct maker *maker, const struct pki_request *request, char *ret_text)
{
    char issuer[256];
    unsigned days = request->days ? request->days : request->server ? SERVER_DAYS : DEVICE_DAYS;
    enum sluice_error error = load_ca(maker, request->directory, ret_text);
    if (error)
        return error;
    if (mbedtls_x509_dn_gets(issuer, sizeof issuer, &maker->ca.subject) < 0 ||
        mbedtls_x509write_crt_set_issuer_name(&maker->writer, issuer) ||
        set_common(maker, request->name, &maker->ca_key, days) || set_usage(maker, request->server) ||
        (request->server && set_hosts(maker, request)))
        return fail(SLUICE_IO, ret_text, request->name,
                    "cannot be certified: mbedTLS refused what it should hold");
    return write_pair(maker, request->directory, request->name, ret_text);
}

enum sluice_error pki_issue(const struct pki_request *request, char *ret_text)
{
    if (!is_name(request->name, "._-") || strcmp(request->name, "ca") == 0)
        return fail(
            SLUICE_INVALID, ret_text, request->name,
            "is no name for a certificate: 1 to 64 letters, digits, `.`, `_` and `-`, and not \"ca\"");
    for (size_t i = 0; i < request->hosts_count; i++) {
        if (!is_host(request->hosts[i]))
            return fail(SLUICE_INVALID, ret_text, request->hosts[i],
                        "is neither a host's name nor an IP address");
    }
    struct maker maker;
    enum sluice_error error = maker_init(&maker) ? fail(SLUICE_IO, ret_text, "mbedTLS", "has no randomness")
                                                 : issue_with(&maker, request, ret_text);
    maker_fini(&maker);
    return error;
}

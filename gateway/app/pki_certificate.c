#include "app/pki_certificate.h"

#include <arpa/inet.h>
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <string.h>
#include <time.h>

enum {
    CA_DAYS = 7300,
    SERVER_DAYS = 825, /* what the strictest clients accept */
    DEVICE_DAYS = 3650,
    NEW_SERIAL_BYTES = 16,
    SUBJECT_BYTES = 256, /* of an issuer that was not made here, too */
    TIME_BYTES = sizeof "YYYYMMDDhhmmss",
    SAN_TAG_MASK = 0x1f, /* a name's tag without its class is its type */
};

enum sluice_error pki_maker_init(struct pki_maker *maker, char *ret_text)
{
    mbedtls_entropy_init(&maker->entropy);
    mbedtls_ctr_drbg_init(&maker->random);
    mbedtls_pk_init(&maker->key);
    mbedtls_pk_init(&maker->ca_key);
    mbedtls_x509_crt_init(&maker->ca);
    mbedtls_x509write_crt_init(&maker->writer);
    if (mbedtls_ctr_drbg_seed(&maker->random, mbedtls_entropy_func, &maker->entropy, NULL, 0) == 0)
        return SLUICE_OK;
    snprintf(ret_text, PKI_TEXT_BYTES, "mbedTLS has no randomness");
    return SLUICE_IO;
}

void pki_maker_fini(struct pki_maker *maker)
{
    mbedtls_x509write_crt_free(&maker->writer);
    mbedtls_x509_crt_free(&maker->ca);
    mbedtls_pk_free(&maker->ca_key);
    mbedtls_pk_free(&maker->key);
    mbedtls_ctr_drbg_free(&maker->random);
    mbedtls_entropy_free(&maker->entropy);
}

enum sluice_error pki_maker_load_ca(struct pki_maker *maker, const char *certificate_path,
                                    const char *key_path, char *ret_text)
{
    const char *wrong = NULL, *path = key_path;
    if (mbedtls_x509_crt_parse_file(&maker->ca, certificate_path)) {
        path = certificate_path;
        wrong = "cannot be read as a certificate";
    } else if (mbedtls_pk_parse_keyfile(&maker->ca_key, key_path, NULL, mbedtls_ctr_drbg_random,
                                        &maker->random)) {
        wrong = "cannot be read as a private key";
    } else if (mbedtls_pk_check_pair(&maker->ca.pk, &maker->ca_key, mbedtls_ctr_drbg_random,
                                     &maker->random)) {
        wrong = "is not the key of the certificate beside it";
    }
    if (!wrong)
        return SLUICE_OK;
    snprintf(ret_text, PKI_TEXT_BYTES, "%s %s", path, wrong);
    return SLUICE_IO;
}

/* ---- What stands in a certificate ---- */

static int set_validity(struct pki_maker *maker, const struct pki_wish *wish, struct pki_entry *entry)
{
    static const unsigned defaults[] = {
        [PKI_CA] = CA_DAYS, [PKI_SERVER] = SERVER_DAYS, [PKI_DEVICE] = DEVICE_DAYS};
    char from[TIME_BYTES], until[TIME_BYTES];
    struct tm parts;
    time_t now = time(NULL), days = wish->days ? wish->days : defaults[wish->kind];
    entry->from_s = now - PKI_DAY_SECONDS;
    entry->until_s = now + days * PKI_DAY_SECONDS;
    strftime(from, sizeof from, "%Y%m%d%H%M%S", gmtime_r(&(time_t){entry->from_s}, &parts));
    strftime(until, sizeof until, "%Y%m%d%H%M%S", gmtime_r(&(time_t){entry->until_s}, &parts));
    return mbedtls_x509write_crt_set_validity(&maker->writer, from, until);
}

static int set_serial(struct pki_maker *maker, struct pki_entry *entry)
{
    entry->serial_len = NEW_SERIAL_BYTES;
    int failed = mbedtls_ctr_drbg_random(&maker->random, entry->serial, entry->serial_len);
    entry->serial[0] = (entry->serial[0] & 0x7f) | 0x40; /* positive, and always as long */
    return failed ? failed
                  : mbedtls_x509write_crt_set_serial_raw(&maker->writer, entry->serial, entry->serial_len);
}

static int set_keys(struct pki_maker *maker, const struct pki_wish *wish)
{
    mbedtls_pk_context *subject = wish->renewed ? &wish->renewed->pk : &maker->key;
    if (!wish->renewed) {
        int failed = mbedtls_pk_setup(&maker->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
        if (!failed)
            failed = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(maker->key),
                                         mbedtls_ctr_drbg_random, &maker->random);
        if (failed)
            return failed;
    }
    mbedtls_x509write_crt_set_subject_key(&maker->writer, subject);
    mbedtls_x509write_crt_set_issuer_key(&maker->writer, wish->kind == PKI_CA ? &maker->key : &maker->ca_key);
    int failed = mbedtls_x509write_crt_set_subject_key_identifier(&maker->writer);
    return failed ? failed : mbedtls_x509write_crt_set_authority_key_identifier(&maker->writer);
}

static int set_names(struct pki_maker *maker, const struct pki_wish *wish)
{
    char subject[SUBJECT_BYTES], issuer[SUBJECT_BYTES];
    snprintf(subject, sizeof subject, "CN=%s", wish->name);
    int failed = mbedtls_x509write_crt_set_subject_name(&maker->writer, subject);
    if (!failed && wish->kind == PKI_CA)
        failed = mbedtls_x509write_crt_set_issuer_name(&maker->writer, subject);
    else if (!failed && mbedtls_x509_dn_gets(issuer, sizeof issuer, &maker->ca.subject) < 0)
        failed = -1;
    else if (!failed)
        failed = mbedtls_x509write_crt_set_issuer_name(&maker->writer, issuer);
    return failed;
}

static int set_ca_usage(struct pki_maker *maker)
{
    int failed = mbedtls_x509write_crt_set_basic_constraints(&maker->writer, 1, 0);
    return failed ? failed
                  : mbedtls_x509write_crt_set_key_usage(&maker->writer, MBEDTLS_X509_KU_KEY_CERT_SIGN |
                                                                            MBEDTLS_X509_KU_CRL_SIGN);
}

static int set_end_usage(struct pki_maker *maker, bool server)
{
    mbedtls_asn1_sequence usage = {.buf.tag = MBEDTLS_ASN1_OID};
    usage.buf.p = (unsigned char *)(server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH);
    usage.buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH); /* both are as long */
    int failed = mbedtls_x509write_crt_set_basic_constraints(&maker->writer, 0, -1);
    if (!failed)
        failed = mbedtls_x509write_crt_set_key_usage(&maker->writer, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    return failed ? failed : mbedtls_x509write_crt_set_ext_key_usage(&maker->writer, &usage);
}

/* ---- Subject Alternative Names ---- */

bool pki_host_valid(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len < 254 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:*_") == len;
}

struct host_names {
    mbedtls_x509_san_list entries[PKI_HOSTS_COUNT];
    unsigned char addresses[PKI_HOSTS_COUNT][sizeof(struct in6_addr)];
    size_t count;
};

static void add_name(struct host_names *names, int type, const unsigned char *bytes, size_t len)
{
    mbedtls_x509_san_list *entry = &names->entries[names->count++];
    entry->node.type = type;
    entry->node.san.unstructured_name =
        (mbedtls_x509_buf){.tag = type, .len = len, .p = (unsigned char *)bytes};
    if (names->count > 1)
        names->entries[names->count - 2].next = entry;
}

static void add_host(struct host_names *names, const char *host)
{
    unsigned char *address = names->addresses[names->count];
    if (inet_pton(AF_INET, host, address) == 1)
        add_name(names, MBEDTLS_X509_SAN_IP_ADDRESS, address, sizeof(struct in_addr));
    else if (inet_pton(AF_INET6, host, address) == 1)
        add_name(names, MBEDTLS_X509_SAN_IP_ADDRESS, address, sizeof(struct in6_addr));
    else
        add_name(names, MBEDTLS_X509_SAN_DNS_NAME, (const unsigned char *)host, strlen(host));
}

/* Those of the renewed certificate, or the hosts, or the name itself. */
static int set_hosts(struct pki_maker *maker, const struct pki_wish *wish)
{
    struct host_names names = {0};
    const mbedtls_x509_sequence *old = wish->renewed ? &wish->renewed->subject_alt_names : NULL;
    for (; old && old->buf.p && names.count < PKI_HOSTS_COUNT; old = old->next)
        add_name(&names, old->buf.tag & SAN_TAG_MASK, old->buf.p, old->buf.len);
    for (size_t i = 0; i < wish->hosts_count; i++)
        add_host(&names, wish->hosts[i]);
    if (names.count == 0)
        add_host(&names, wish->name);
    return mbedtls_x509write_crt_set_subject_alternative_name(&maker->writer, &names.entries[0]);
}

/* ---- The whole ---- */

static int fill_in(struct pki_maker *maker, const struct pki_wish *wish, struct pki_entry *entry)
{
    mbedtls_x509write_crt_set_version(&maker->writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&maker->writer, MBEDTLS_MD_SHA256);
    int failed = set_keys(maker, wish);
    if (!failed)
        failed = set_names(maker, wish);
    if (!failed)
        failed = set_serial(maker, entry);
    if (!failed)
        failed = set_validity(maker, wish, entry);
    if (!failed)
        failed = wish->kind == PKI_CA ? set_ca_usage(maker) : set_end_usage(maker, wish->kind == PKI_SERVER);
    if (!failed && wish->kind != PKI_CA)
        failed = set_hosts(maker, wish);
    return failed;
}

enum sluice_error pki_make(struct pki_maker *maker, const struct pki_wish *wish, char *ret_pem,
                           struct pki_entry *ret_entry, char *ret_text)
{
    struct pki_entry entry = {.kind = wish->kind};
    snprintf(entry.name, sizeof entry.name, "%s", wish->name);
    if (fill_in(maker, wish, &entry) ||
        mbedtls_x509write_crt_pem(&maker->writer, (unsigned char *)ret_pem, PKI_PEM_BYTES,
                                  mbedtls_ctr_drbg_random, &maker->random)) {
        snprintf(ret_text, PKI_TEXT_BYTES, "%s cannot be certified: mbedTLS refused what it should hold",
                 wish->name);
        return SLUICE_IO;
    }
    *ret_entry = entry;
    return SLUICE_OK;
}

static int64_t seconds_of(const mbedtls_x509_time *time)
{
    struct tm parts = {.tm_year = time->year - 1900,
                       .tm_mon = time->mon - 1,
                       .tm_mday = time->day,
                       .tm_hour = time->hour,
                       .tm_min = time->min,
                       .tm_sec = time->sec};
    return timegm(&parts);
}

enum sluice_error pki_entry_of(const mbedtls_x509_crt *certificate, struct pki_entry *ret_entry)
{
    const mbedtls_x509_name *name = &certificate->subject;
    while (name && (name->oid.len != MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN) ||
                    memcmp(name->oid.p, MBEDTLS_OID_AT_CN, name->oid.len) != 0))
        name = name->next;
    if (!name || name->val.len >= PKI_NAME_BYTES || certificate->serial.len > PKI_SERIAL_BYTES)
        return SLUICE_INVALID;
    bool is_server =
        mbedtls_x509_crt_check_extended_key_usage(certificate, MBEDTLS_OID_SERVER_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0;
    struct pki_entry entry = {.kind = is_server ? PKI_SERVER : PKI_DEVICE,
                              .serial_len = certificate->serial.len,
                              .from_s = seconds_of(&certificate->valid_from),
                              .until_s = seconds_of(&certificate->valid_to)};
    memcpy(entry.name, name->val.p, name->val.len);
    memcpy(entry.serial, certificate->serial.p, entry.serial_len);
    *ret_entry = entry;
    return SLUICE_OK;
}

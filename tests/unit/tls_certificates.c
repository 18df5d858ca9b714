#include "tls_certificates.h"

#include "app/pki.h"

#include <mbedtls/asn1.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char certificates_directory[] = "/tmp/tls_test.XXXXXX";

const char *certificates_path(const char *name, char buffer[CERTIFICATES_PATH_BYTES])
{
    snprintf(buffer, CERTIFICATES_PATH_BYTES, "%s/%.200s", certificates_directory, name);
    return buffer;
}

struct tools {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_pk_context key; /* of the certificate that is being made */
};

struct odd_certificate {
    const char *name;    /* of the files */
    const char *subject; /* for mbedtls_x509write_crt_set_subject_name */
    const char *from, *to;
    const char *dns, *uri; /* subjectAltName */
    unsigned usage;        /* 0: any */
};

#define VALID "20200101000000", "20900101000000"

static const struct odd_certificate odd_certificates[] = {
    {"expired", "CN=expired", "20200101000000", "20210101000000", NULL, NULL, 0},
    {"not-yet", "CN=not-yet", "20900101000000", "20910101000000", NULL, NULL, 0},
    {"two-names", "CN=sensor-1,SN=sensor-2", VALID, NULL, NULL, 0},
    {"no-name", "O=sensor-1", VALID, NULL, NULL, 0},
    {"nul", "CN=sensor~11", VALID, NULL, NULL, 0},
    {"newline", "CN=#0c0973656e736f720a3131", VALID, NULL, NULL, 0},
    {"bmp", "CN=#1e0461626364", VALID, NULL, NULL, 0},
    {"wildcard", "CN=*", VALID, NULL, NULL, 0},
    {"other-attributes", "O=Greenhouse,CN=sensor-3,OU=North", VALID, NULL, NULL, 0},
    {"alternative", "CN=sensor-4", VALID, "sensor-5.local", NULL, 0},
    {"address", "CN=sensor-4", VALID, NULL, "urn:sensor:6", 0},
    {"two-alternatives", "CN=sensor-4", VALID, "sensor-5.local", "urn:sensor:6", 0},
    {"wildcard-alternative", "CN=sensor-4", VALID, "*.local", NULL, 0},
    {"nul-alternative", "CN=sensor-4", VALID, "sensor-5~.local", NULL, 0},
    {"wrong-usage", "CN=sensor-4", VALID, NULL, NULL, MBEDTLS_X509_KU_KEY_CERT_SIGN},
};

void certificates_write(const char *name, const char *suffix, const unsigned char *text)
{
    char file[CERTIFICATES_PATH_BYTES], full[CERTIFICATES_PATH_BYTES];
    snprintf(file, sizeof file, "%s%s", name, suffix);
    FILE *out = fopen(certificates_path(file, full), "we");
    fputs((const char *)text, out);
    fclose(out);
    chmod(full, 0600);
}

/* What mbedTLS's writer does not let through: a surname becomes a second Common Name, `~` becomes NUL. */
static int twist(mbedtls_x509write_cert *writer)
{
    for (mbedtls_asn1_named_data *name = writer->MBEDTLS_PRIVATE(subject); name; name = name->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_SUR_NAME, &name->oid) == 0)
            memcpy(name->oid.p, MBEDTLS_OID_AT_CN, name->oid.len);
        unsigned char *tilde = memchr(name->val.p, '~', name->val.len);
        if (tilde)
            *tilde = '\0';
    }
    return 0;
}

/* The same with names of subjectAltName. */
static mbedtls_x509_san_list alternative(int type, const char *text, unsigned char *memory,
                                         mbedtls_x509_san_list *next)
{
    size_t len = strlen(text);
    mbedtls_x509_san_list list = {.node.type = type, .next = next};
    memcpy(memory, text, len);
    unsigned char *tilde = memchr(memory, '~', len);
    if (tilde)
        *tilde = '\0';
    list.node.san.unstructured_name.p = memory;
    list.node.san.unstructured_name.len = len;
    return list;
}

static int add_alternatives(mbedtls_x509write_cert *writer, const struct odd_certificate *odd)
{
    unsigned char dns_text[64], uri_text[64];
    mbedtls_x509_san_list dns, uri, *list = NULL;
    if (odd->uri) {
        uri = alternative(MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER, odd->uri, uri_text, list);
        list = &uri;
    }
    if (odd->dns) {
        dns = alternative(MBEDTLS_X509_SAN_DNS_NAME, odd->dns, dns_text, list);
        list = &dns;
    }
    return list ? mbedtls_x509write_crt_set_subject_alternative_name(writer, list) : 0;
}

static int make_odd(const struct odd_certificate *odd, struct tools *tools)
{
    char ca_key_path[CERTIFICATES_PATH_BYTES];
    unsigned char pem[4096];
    mbedtls_pk_context ca_key;
    mbedtls_x509write_cert writer;
    mbedtls_pk_init(&ca_key);
    mbedtls_pk_init(&tools->key);
    mbedtls_x509write_crt_init(&writer);
    mbedtls_x509write_crt_set_version(&writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&writer, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&writer, &tools->key);
    mbedtls_x509write_crt_set_issuer_key(&writer, &ca_key);
    int failed = mbedtls_pk_parse_keyfile(&ca_key, certificates_path("ca.key", ca_key_path), NULL,
                                          mbedtls_ctr_drbg_random, &tools->random) ||
                 mbedtls_pk_setup(&tools->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) ||
                 mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(tools->key),
                                     mbedtls_ctr_drbg_random, &tools->random) ||
                 mbedtls_x509write_crt_set_issuer_name(&writer, "CN=Greenhouse") ||
                 mbedtls_x509write_crt_set_subject_name(&writer, odd->subject) || twist(&writer) ||
                 add_alternatives(&writer, odd) ||
                 (odd->usage && mbedtls_x509write_crt_set_key_usage(&writer, odd->usage)) ||
                 mbedtls_x509write_crt_set_serial_raw(&writer, (unsigned char *)"\x42", 1) ||
                 mbedtls_x509write_crt_set_validity(&writer, odd->from, odd->to) ||
                 mbedtls_x509write_crt_pem(&writer, pem, sizeof pem, mbedtls_ctr_drbg_random, &tools->random);
    if (!failed) {
        certificates_write(odd->name, ".crt", pem);
        failed = mbedtls_pk_write_key_pem(&tools->key, pem, sizeof pem);
        certificates_write(odd->name, ".key", pem);
    }
    mbedtls_x509write_crt_free(&writer);
    mbedtls_pk_free(&tools->key);
    mbedtls_pk_free(&ca_key);
    return failed;
}

int certificates_make(void **state)
{
    char text[PKI_TEXT_BYTES], stranger[CERTIFICATES_PATH_BYTES];
    struct tools tools = {0};
    int failed = 0;
    (void)state;
    if (!mkdtemp(certificates_directory))
        return -1;
    certificates_path("stranger", stranger);
    failed |=
        pki_init(certificates_directory, "Greenhouse", text) || pki_init(stranger, "Greenhouse", text) ||
        pki_issue(&(struct pki_request){certificates_directory, "gateway", .server = true,
                                        .hosts = {"gw.local"}, .hosts_count = 1},
                  text) ||
        pki_issue(&(struct pki_request){.directory = certificates_directory, .name = "sensor-1"}, text) ||
        pki_issue(&(struct pki_request){.directory = stranger, .name = "sensor-1"}, text);
    mbedtls_entropy_init(&tools.entropy);
    mbedtls_ctr_drbg_init(&tools.random);
    failed |= mbedtls_ctr_drbg_seed(&tools.random, mbedtls_entropy_func, &tools.entropy, NULL, 0);
    for (size_t i = 0; i < sizeof odd_certificates / sizeof *odd_certificates && !failed; i++)
        failed = make_odd(&odd_certificates[i], &tools);
    mbedtls_ctr_drbg_free(&tools.random);
    mbedtls_entropy_free(&tools.entropy);
    return failed;
}

int certificates_remove(void **state)
{
    char command[CERTIFICATES_PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", certificates_directory);
    return system(command);
}

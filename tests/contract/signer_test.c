/* sluice_posix_sign_with: the private key is in another process, which is asked for each signature. */
#include "port_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct holder {
    const char *key;
    unsigned asked_count;
    bool is_gone;
};

static bool read_file(const char *file, unsigned char *bytes, size_t capacity, size_t *ret_len)
{
    FILE *stream = fopen(file, "re");
    *ret_len = stream ? fread(bytes, 1, capacity, stream) : 0;
    if (stream)
        fclose(stream);
    return *ret_len > 0;
}

static bool ask_holder(void *context, const unsigned char hash[SLUICE_HASH_BYTES],
                       unsigned char ret_signature[SLUICE_SIGNATURE_BYTES], size_t *ret_len)
{
    struct holder *holder = context;
    char command[1024];
    const char *signature_file = path_of("signature", ".der");
    snprintf(command, sizeof command, "openssl pkeyutl -sign -inkey %s -out %s", path_of(holder->key, ".key"),
             signature_file);
    holder->asked_count++;
    FILE *input = holder->is_gone ? NULL : popen(command, "we");
    if (!input)
        return false;
    fwrite(hash, 1, SLUICE_HASH_BYTES, input);
    return pclose(input) == 0 && read_file(signature_file, ret_signature, SLUICE_SIGNATURE_BYTES, ret_len);
}

static struct sluice_port *open_without_key(const char *certificate)
{
    char why[SLUICE_POSIX_ERROR_BYTES] = "";
    struct sluice_port *port = NULL;
    const struct sluice_posix_config config = {path_of("ca", ".crt"), path_of(certificate, ".crt"), NULL};
    if (sluice_posix_new(&config, why, &port))
        fail_msg("%s", why);
    return port;
}

static void the_private_key_may_be_elsewhere(void **state)
{
    (void)state;
    struct holder holder = {.key = "device"};
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_without_key("device");
    assert_int_equal(sluice_posix_sign_with(port, ask_holder, &holder), SLUICE_OK);
    for (int i = 0; i < 2; i++) { /* the second is resumed */
        assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
        port->close(port);
    }
    assert_int_equal(holder.asked_count, 2);
    assert_int_equal(port->resumed_count, 1);
    server_stop(&server);
    sluice_posix_free(port);
}

static void a_signer_that_cannot_is_named(void **state)
{
    (void)state;
    struct holder holder = {.key = "device"}, another = {.key = "gateway"}, gone = {.is_gone = true};
    struct server server = server_start("gateway", 0);
    struct sluice_port *port = open_without_key("device");
    assert_int_equal(sluice_posix_sign_with(port, ask_holder, &gone), SLUICE_IO);
    assert_string_equal(port->error, "the signer gave no signature");
    assert_int_equal(sluice_posix_sign_with(port, ask_holder, &another), SLUICE_INVALID);
    assert_string_equal(port->error, "the signer's key does not belong to the certificate");
    assert_int_equal(sluice_posix_sign_with(port, ask_holder, &holder), SLUICE_OK);
    holder.is_gone = true;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_IO);
    assert_string_equal(port->error, "the signer gave no signature for the TLS handshake");
    port->close(port);
    holder.is_gone = false;
    assert_int_equal(connect_to(port, "localhost", server.tcp_port), SLUICE_OK);
    server_stop(&server);
    sluice_posix_free(port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_private_key_may_be_elsewhere),
        cmocka_unit_test(a_signer_that_cannot_is_named),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}

/*
 * The certificates of tls_test.c, in a directory of their own: those that `sluice
 * pki` makes (gateway, sensor-1, and stranger/sensor-1 of another CA), and those
 * that it does not make (see the table in tls_certificates.c).
 */
#ifndef SLUICE_TESTS_TLS_CERTIFICATES_H
#define SLUICE_TESTS_TLS_CERTIFICATES_H

enum { CERTIFICATES_PATH_BYTES = 256 };

extern char certificates_directory[];

/* For cmocka_run_group_tests. */
int certificates_make(void **state);
int certificates_remove(void **state);

/* The path of a file in the directory, written to `buffer`. */
const char *certificates_path(const char *name, char buffer[CERTIFICATES_PATH_BYTES]);
/* A file with mode 600. */
void certificates_write(const char *name, const char *suffix, const unsigned char *text);

#endif

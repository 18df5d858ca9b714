sluice_test(addresses_test SOURCES unit/addresses_test.c LIBS sluice_net)
sluice_test(net_test SOURCES unit/net_test.c LIBS sluice_net)
sluice_test(pki_test SOURCES unit/pki_test.c LIBS sluice_pki)
sluice_test(tls_test SOURCES unit/tls_test.c unit/tls_certificates.c unit/tls_client.c
  LIBS sluice_pki sluice_net)

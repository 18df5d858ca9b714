sluice_test(addresses_test SOURCES unit/addresses_test.c LIBS sluice_net)
sluice_test(http_test SOURCES unit/http_test.c LIBS sluice_net)
sluice_test(websocket_test SOURCES unit/websocket_test.c LIBS sluice_net)
sluice_test(net_test SOURCES unit/net_test.c LIBS sluice_net)
sluice_test(pki_test SOURCES unit/pki_test.c LIBS sluice_pki)
foreach(test tls_test tls_trust_test)
  sluice_test(${test} SOURCES unit/${test}.c unit/tls_certificates.c unit/tls_client.c unit/tls_fixture.c
    LIBS sluice_pki sluice_net)
endforeach()

sluice_test(port_test SOURCES contract/port_test.c unit/fake_port.c LIBS sluice_client sluice_port)
target_compile_definitions(port_test PRIVATE
  PORT_CERTIFICATES="${PROJECT_SOURCE_DIR}/tests/contract/port_certificates.sh")

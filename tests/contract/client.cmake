# The posix port on a machine whose clock and name service the test sets.
function(sluice_port_test name)
  sluice_test(${name} ${ARGN})
  target_sources(${name} PRIVATE contract/port_fixture.c)
  target_link_libraries(${name} PRIVATE sluice_client sluice_port)
  target_link_options(${name} PRIVATE LINKER:--wrap=time,--wrap=clock_gettime,--wrap=getaddrinfo)
  target_compile_definitions(${name} PRIVATE
    PORT_CERTIFICATES="${PROJECT_SOURCE_DIR}/tests/contract/port_certificates.sh")
endfunction()

sluice_port_test(port_contract_test SOURCES contract/port_contract_test.c unit/fake_port.c)
sluice_port_test(port_test SOURCES contract/port_test.c)
sluice_port_test(silence_test SOURCES contract/silence_test.c)
sluice_test(store_test SOURCES contract/store_test.c fault/sim_medium.c fault/sim_disk.c
  LIBS sluice_client sluice_port sluice_deliver)
sluice_port_test(signer_test SOURCES contract/signer_test.c)

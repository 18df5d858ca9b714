# One program a part of the standard, over the broker's engine without a network.
foreach(part alias connect session publish delivery subscribe packet_size shared versions)
  sluice_test(${part}_conformance
    SOURCES conformance/${part}_conformance.c conformance/exchange.c unit/broker_host.c unit/broker_client.c
    LIBS sluice_broker sluice_base)
endforeach()
sluice_test(client_conformance
  SOURCES conformance/client_conformance.c unit/device_fixture.c unit/fake_port.c LIBS sluice_client)
sluice_test(pair_conformance
  SOURCES conformance/pair_conformance.c unit/broker_host.c unit/broker_client.c unit/device_fixture.c unit/fake_port.c
  LIBS sluice_broker sluice_base sluice_client)
add_test(NAME conformance_table_test
  COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/conformance/table_test.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})

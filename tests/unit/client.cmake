sluice_test(backoff_test SOURCES unit/backoff_test.c LIBS sluice_client)
sluice_test(outbox_test SOURCES unit/outbox_test.c LIBS sluice_client)
sluice_test(device_test SOURCES unit/device_test.c unit/fake_port.c LIBS sluice_client m)

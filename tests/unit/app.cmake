sluice_test(sys_test SOURCES unit/sys_test.c LIBS sluice_app)
sluice_test(storage_test SOURCES unit/storage_test.c LIBS sluice_app)
sluice_test(http_event_test SOURCES unit/http_event_test.c LIBS sluice_app)
sluice_test(invoke_api_test SOURCES unit/invoke_api_test.c LIBS sluice_app)

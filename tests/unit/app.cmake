sluice_test(storage_test SOURCES unit/storage_test.c LIBS sluice_app)

sluice_test(base_test SOURCES unit/base_test.c LIBS sluice_base)
sluice_test(log_test SOURCES unit/log_test.c LIBS sluice_base)
sluice_test(crc32c_test SOURCES unit/crc32c_test.c LIBS sluice_base)

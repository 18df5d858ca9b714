sluice_test(base_test SOURCES unit/base_test.c LIBS sluice_base)

sluice_test(config_test SOURCES unit/config_test.c LIBS sluice_config)

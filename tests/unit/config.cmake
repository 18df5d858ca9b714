sluice_test(config_test SOURCES unit/config_test.c LIBS sluice_config)
sluice_test(package_test SOURCES unit/package_test.c LIBS sluice_config)
sluice_test(config_variables_test SOURCES unit/config_variables_test.c LIBS sluice_config)
sluice_test(config_sam_test SOURCES unit/config_sam_test.c LIBS sluice_config)

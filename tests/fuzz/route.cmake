# What people write: rules and the configuration.
sluice_fuzz(sql SOURCES fuzz/sql_fuzz.c LIBS sluice_route)
sluice_fuzz(config SOURCES fuzz/config_fuzz.c LIBS sluice_config)

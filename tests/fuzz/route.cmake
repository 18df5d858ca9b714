# What people write: rules and the configuration.
sluice_fuzz(sql RUNS 200000 SOURCES fuzz/sql_fuzz.c LIBS sluice_route)
sluice_fuzz(config RUNS 10000 SOURCES fuzz/config_fuzz.c LIBS sluice_config)

sluice_test(json_test SOURCES unit/json_test.c LIBS sluice_route)
sluice_test(sql_test SOURCES unit/sql_test.c LIBS sluice_route)
sluice_test(rule_test SOURCES unit/rule_test.c LIBS sluice_route)

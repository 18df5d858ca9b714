sluice_test(json_test SOURCES unit/json_test.c LIBS sluice_route)
sluice_test(sql_test SOURCES unit/sql_test.c LIBS sluice_route)
sluice_test(rule_test SOURCES unit/rule_test.c LIBS sluice_route)
sluice_test(sql_cases_test SOURCES unit/sql_cases_test.c LIBS sluice_route)
target_compile_definitions(sql_cases_test PRIVATE SQL_CASES="${CMAKE_CURRENT_SOURCE_DIR}/unit/sql_cases.tsv")
sluice_test(parse_once_test SOURCES unit/parse_once_test.c LIBS sluice_route)
target_link_options(parse_once_test PRIVATE LINKER:--wrap=json_check)
sluice_test(transform_test SOURCES unit/transform_test.c LIBS sluice_route)
sluice_test(schedule_test SOURCES unit/schedule_test.c LIBS sluice_route)
target_compile_definitions(schedule_test PRIVATE
  SCHEDULE_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors/schedule/cron.txt"
  SCHEDULE_ZONE_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors/schedule/zones.txt")
add_test(NAME schedule_model_test COMMAND sh -c
  "command -v python3 > /dev/null || exit 77; python3 vectors/schedule/model.py | diff -u vectors/schedule/cron.txt -"
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
add_test(NAME schedule_zones_model_test COMMAND sh -c
  "[ -e /usr/share/zoneinfo/Europe/Berlin ] && command -v python3 > /dev/null || exit 77
   PYTHONDONTWRITEBYTECODE=1 python3 vectors/schedule/zones.py | diff -u vectors/schedule/zones.txt -"
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(schedule_model_test schedule_zones_model_test PROPERTIES SKIP_RETURN_CODE 77)

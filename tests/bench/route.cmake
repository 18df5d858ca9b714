add_executable(sql_bench bench/sql_bench.c)
target_link_libraries(sql_bench PRIVATE sluice_options sluice_route)
set_target_properties(sql_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

add_executable(rule_bench bench/rule_bench.c)
target_link_libraries(rule_bench PRIVATE sluice_options sluice_route)
set_target_properties(rule_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

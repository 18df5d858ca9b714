add_executable(journal_bench bench/journal_bench.c)
target_link_libraries(journal_bench PRIVATE sluice_options sluice_deliver)
set_target_properties(journal_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

add_executable(restart_bench bench/restart_bench.c fault/gateway_process.c fault/sizes.c)
target_include_directories(restart_bench PRIVATE fault)
target_link_libraries(restart_bench PRIVATE sluice_options sluice_deliver)
set_target_properties(restart_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_dependencies(restart_bench sluice native)

add_executable(ring_bench bench/ring_bench.c)
target_link_libraries(ring_bench PRIVATE sluice_options sluice_client)
set_target_properties(ring_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

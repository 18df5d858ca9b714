add_executable(invoke_bench bench/invoke_bench.c)
target_link_libraries(invoke_bench PRIVATE sluice_options sluice_invoke)
target_compile_definitions(invoke_bench PRIVATE
  NATIVE_WORKER="$<TARGET_FILE:native>" THRESHOLD="$<TARGET_FILE:threshold>" SUMMARY="$<TARGET_FILE:summary>")
add_dependencies(invoke_bench native threshold summary)
set_target_properties(invoke_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

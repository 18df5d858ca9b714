add_library(pass_function MODULE bench/pass_function.c)
target_link_libraries(pass_function PRIVATE sluice_options handlers_includes)
add_executable(invoke_bench bench/invoke_bench.c)
target_link_libraries(invoke_bench PRIVATE sluice_options sluice_invoke)
target_compile_definitions(invoke_bench PRIVATE
  LAUNCH="$<TARGET_FILE:launch>"
  NATIVE_WORKER="$<TARGET_FILE:native>"
  PASS="$<TARGET_FILE:pass_function>"
  THRESHOLD="$<TARGET_FILE:threshold>"
  SUMMARY="$<TARGET_FILE:summary>")
add_dependencies(invoke_bench launch native pass_function threshold summary)
set_target_properties(invoke_bench pass_function PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests
  PREFIX "")

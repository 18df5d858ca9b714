# A worker that misbehaves when told to, for the tests of the supervisor.
add_executable(faulty_worker unit/faulty_worker.c)
target_link_libraries(faulty_worker PRIVATE sluice_options sluice_worker)
set_target_properties(faulty_worker PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

sluice_test(supervisor_test SOURCES unit/supervisor_test.c LIBS sluice_invoke)
target_compile_definitions(supervisor_test PRIVATE FAULTY_WORKER="$<TARGET_FILE:faulty_worker>")
add_dependencies(supervisor_test faulty_worker)
sluice_test(worker_protocol_test SOURCES unit/worker_protocol_test.c LIBS sluice_worker_protocol)
sluice_test(records_test SOURCES unit/records_test.c LIBS sluice_invoke)
sluice_test(output_lines_test SOURCES unit/output_lines_test.c LIBS sluice_invoke)

# Functions load into the test itself, and call back into it.
foreach(name threshold summary)
  string(TOUPPER ${name} NAME)
  sluice_test(${name}_test SOURCES unit/${name}_test.c LIBS sluice_invoke sluice_native_host)
  set_target_properties(${name}_test PROPERTIES ENABLE_EXPORTS ON)
  target_compile_definitions(${name}_test PRIVATE ${NAME}="$<TARGET_FILE:${name}>")
  add_dependencies(${name}_test ${name})
endforeach()

foreach(name test_function outdated_function no_function)
  add_library(${name} MODULE unit/${name}.c)
  target_link_libraries(${name} PRIVATE sluice_options handlers_includes)
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endforeach()
sluice_test(native_test SOURCES unit/native_test.c LIBS sluice_invoke)
add_dependencies(native_test native test_function outdated_function no_function)
target_compile_definitions(native_test PRIVATE
  NATIVE_WORKER="$<TARGET_FILE:native>"
  TEST_FUNCTION="$<TARGET_FILE:test_function>"
  OUTDATED_FUNCTION="$<TARGET_FILE:outdated_function>"
  NO_FUNCTION="$<TARGET_FILE:no_function>")

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

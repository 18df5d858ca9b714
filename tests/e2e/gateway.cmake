# The gateway as its users meet it: the programs as they are built, from outside.
add_library(faulty MODULE e2e/functions/faulty.c)
target_link_libraries(faulty PRIVATE sluice_options handlers_includes)
set_target_properties(faulty PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
add_library(isolated MODULE e2e/functions/isolated.c contract/launch_acts.c)
target_include_directories(isolated PRIVATE contract)
target_link_libraries(isolated PRIVATE sluice_options handlers_includes PkgConfig::CJSON)
set_target_properties(isolated PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

sluice_e2e(clients sessions tls_sessions agent_session agent_gpio agent_buffer agent_outbox passwords sys limits dead_letter_bound dead_letters access functions failing_functions isolation contained without_root crashes clean_stop reload paho paho_python malformed sql_command bad_configuration
           bad_start full_disk unstored_letter small_journal lost_state quickstart)

sluice_e2e(agent_commands agent_bad_input agent_signer destinations request_response loops results_reserve)
sluice_e2e(schedules enrichment stage init)
sluice_e2e(function_logs cgroups)

add_executable(malformed_test e2e/malformed_test.c)
target_link_libraries(malformed_test PRIVATE sluice_options PkgConfig::CMOCKA)
set_target_properties(malformed_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

find_library(PAHO paho-mqtt3cs)
if(PAHO)
  add_executable(paho_test e2e/paho_test.c)
  target_link_libraries(paho_test PRIVATE sluice_options ${PAHO} PkgConfig::CMOCKA)
  set_target_properties(paho_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endif()

add_library(summing MODULE e2e/functions/summing.c)
target_link_libraries(summing PRIVATE sluice_options handlers_includes)
set_target_properties(summing PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

# Acknowledgements and what is held back.
sluice_e2e(acknowledge backpressure batch_bytes tumbling window_end)

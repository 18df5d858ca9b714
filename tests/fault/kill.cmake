# The real gateway, killed under load; not by cmocka, because its outcome is one story and one line of counts.
add_library(echo_function MODULE fault/functions/echo.c)
target_link_libraries(echo_function PRIVATE sluice_options handlers_includes)
set_target_properties(echo_function PROPERTIES
  PREFIX "" OUTPUT_NAME echo LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

add_executable(kill_test fault/kill_test.c fault/durable_client.c fault/gateway_process.c
  fault/kept_check.c fault/retained_probe.c)
target_link_libraries(kill_test PRIVATE sluice_options sluice_base)
set_target_properties(kill_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_dependencies(kill_test sluice native echo_function)
add_test(NAME kill_test COMMAND kill_test $<TARGET_FILE:sluice> $<TARGET_FILE:echo_function>)
set_tests_properties(kill_test PROPERTIES TIMEOUT 600)

# Under load with functions that fail; the hour of tests/bench/README.md is the same program.
add_library(soak_function MODULE fault/functions/soak.c)
target_link_libraries(soak_function PRIVATE sluice_options handlers_includes)
set_target_properties(soak_function PROPERTIES
  PREFIX "" OUTPUT_NAME soak LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

add_executable(soak_test fault/soak_test.c fault/durable_client.c fault/gateway_process.c fault/sizes.c)
target_link_libraries(soak_test PRIVATE sluice_options sluice_base sluice_deliver)
set_target_properties(soak_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_dependencies(soak_test sluice native soak_function)
add_test(NAME soak_test COMMAND soak_test $<TARGET_FILE:sluice> $<TARGET_FILE:soak_function>)
set_tests_properties(soak_test PROPERTIES TIMEOUT 600)

find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME share_test COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_LIST_DIR}/share_test.py --build ${PROJECT_BINARY_DIR})
  set_tests_properties(share_test PROPERTIES TIMEOUT 600)
endif()

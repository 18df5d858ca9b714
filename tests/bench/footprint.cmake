add_executable(stack_depth bench/stack_depth.c unit/device_fixture.c unit/fake_port.c)
target_link_libraries(stack_depth PRIVATE sluice_options sluice_client PkgConfig::CMOCKA)
target_link_options(stack_depth PRIVATE -Wl,-z,now) # the linker's own work at a first call is not the SDK's
set_target_properties(stack_depth PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

if(sanitize)
  return() # sanitizers make frames of the stack several times as large
endif()
add_test(NAME e2e_footprint COMMAND sh ${PROJECT_SOURCE_DIR}/tests/bench/footprint.sh)
set_tests_properties(e2e_footprint PROPERTIES LABELS boards SKIP_RETURN_CODE 77
  FIXTURES_REQUIRED "boards_build_raspberrypi-arm64;boards_build_raspberrypi-armhf"
  ENVIRONMENT "ROOT=${PROJECT_SOURCE_DIR};BUILD=${PROJECT_BINARY_DIR}")

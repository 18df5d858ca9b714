# As tests/fuzz/wire.cmake, for the telemetry frame.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  add_executable(frame_fuzz fuzz/frame_fuzz.c)
  target_link_libraries(frame_fuzz PRIVATE sluice_options sluice_wire)
  target_compile_options(frame_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(frame_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  set_target_properties(frame_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  set(found ${PROJECT_BINARY_DIR}/tests/corpus/frame)
  file(MAKE_DIRECTORY ${found})
  add_test(NAME frame_fuzz COMMAND frame_fuzz -runs=200000 -seed=1 ${found}
                                   ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/frame)
endif()

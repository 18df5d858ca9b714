# As tests/fuzz/wire.cmake, for what a worker may write to the gateway.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # Compiled anew, so that the fuzzer sees which branches of the codec a run takes.
  add_executable(worker_frame_fuzz fuzz/worker_frame_fuzz.c ${PROJECT_SOURCE_DIR}/gateway/invoke/worker_protocol.c)
  target_link_libraries(worker_frame_fuzz PRIVATE sluice_options gateway_includes sluice_wire)
  target_compile_options(worker_frame_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(worker_frame_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  set_target_properties(worker_frame_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  set(found ${PROJECT_BINARY_DIR}/tests/corpus/worker_frame)
  file(MAKE_DIRECTORY ${found})
  add_test(NAME worker_frame_fuzz COMMAND worker_frame_fuzz -runs=200000 -seed=1 ${found}
                                          ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/worker_frame)
endif()

# As tests/fuzz/wire.cmake, for what may lie on the disk when the gateway starts.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # Compiled anew, so that the fuzzer sees which branches of the journal a run takes.
  set(journal_sources commit compact journal live load record replay segment)
  list(TRANSFORM journal_sources REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/gateway/deliver/\\1.c")
  add_executable(journal_fuzz fuzz/journal_fuzz.c fault/sim_disk.c ${journal_sources})
  target_link_libraries(journal_fuzz PRIVATE sluice_options gateway_includes sluice_base sluice_wire)
  target_compile_options(journal_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(journal_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  set_target_properties(journal_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  set(found ${PROJECT_BINARY_DIR}/tests/corpus/journal)
  file(MAKE_DIRECTORY ${found})
  add_test(NAME journal_fuzz COMMAND journal_fuzz -runs=20000 -seed=1 ${found}
                                     ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/journal)
endif()

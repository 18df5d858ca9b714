# A hostile client against the broker; as a test it makes a bounded number of runs from the corpus.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  add_executable(broker_fuzz fuzz/broker_fuzz.c)
  target_link_libraries(broker_fuzz PRIVATE sluice_options sluice_broker sluice_base)
  target_compile_options(broker_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(broker_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
  set_target_properties(broker_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  # The folder in the build tree comes first: libFuzzer writes what it finds there.
  set(found ${PROJECT_BINARY_DIR}/tests/corpus/broker)
  file(MAKE_DIRECTORY ${found})
  add_test(NAME broker_fuzz COMMAND broker_fuzz -runs=100000 -seed=1 ${found}
                                    ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/broker)
endif()

# libFuzzer programs over what a hostile peer controls in device-sdk/wire. As tests they make a bounded number of
# runs from the corpus; run one by hand without -runs to look for more.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # Compiled anew, so that the fuzzer sees which branches of the module a run takes.
  get_target_property(wire_sources sluice_wire SOURCES)
  list(TRANSFORM wire_sources PREPEND ${PROJECT_SOURCE_DIR}/device-sdk/wire/)
  foreach(name mqtt topic)
    add_executable(${name}_fuzz fuzz/${name}_fuzz.c ${wire_sources})
    target_link_libraries(${name}_fuzz PRIVATE sluice_options sdk_includes)
    target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
    set_target_properties(${name}_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    # The folder in the build tree comes first: libFuzzer writes what it finds there.
    set(found ${PROJECT_BINARY_DIR}/tests/corpus/${name})
    file(MAKE_DIRECTORY ${found})
    add_test(NAME ${name}_fuzz COMMAND ${name}_fuzz -runs=200000 -seed=1 ${found}
                                       ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
  endforeach()
endif()

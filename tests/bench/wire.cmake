add_executable(codec_bench bench/codec_bench.c)
target_link_libraries(codec_bench PRIVATE sluice_options sluice_wire)
set_target_properties(codec_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

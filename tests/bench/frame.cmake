add_executable(frame_bench bench/frame_bench.c bench/frame_floor.c bench/room.c)
target_link_libraries(frame_bench PRIVATE sluice_options sluice_wire m)
set_target_properties(frame_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

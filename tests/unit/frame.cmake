pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
sluice_test(frame_test SOURCES unit/frame_test.c unit/frame_series.c LIBS sluice_wire)
sluice_test(frame_figures_test SOURCES unit/frame_figures_test.c unit/frame_series.c bench/frame_floor.c bench/room.c LIBS sluice_wire m)
target_include_directories(frame_figures_test PRIVATE bench)
sluice_test(frame_vectors_test SOURCES unit/frame_vectors_test.c LIBS sluice_wire PkgConfig::CJSON)
target_compile_definitions(frame_vectors_test PRIVATE
  FRAME_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors/frame/vectors.json")
add_executable(frame_lines unit/frame_lines.c)
target_link_libraries(frame_lines PRIVATE sluice_options sluice_wire)
set_target_properties(frame_lines PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
add_test(NAME frame_js_test COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/unit/frame_js_test.sh
  ${CMAKE_CURRENT_SOURCE_DIR}/vectors/frame/vectors.json $<TARGET_FILE:frame_lines>)
set_tests_properties(frame_js_test PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)

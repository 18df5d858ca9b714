pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
sluice_test(frame_test SOURCES unit/frame_test.c unit/frame_series.c LIBS sluice_wire)
sluice_test(frame_vectors_test SOURCES unit/frame_vectors_test.c LIBS sluice_wire PkgConfig::CJSON)
target_compile_definitions(frame_vectors_test PRIVATE
  FRAME_VECTORS="${CMAKE_CURRENT_SOURCE_DIR}/vectors/frame/vectors.json")

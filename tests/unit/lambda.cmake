pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
sluice_test(sigv4_test SOURCES unit/sigv4_test.c LIBS sluice_sigv4 PkgConfig::CJSON)
target_compile_definitions(sigv4_test PRIVATE SIGV4_VECTORS="${PROJECT_SOURCE_DIR}/../shared/vectors/sigv4")

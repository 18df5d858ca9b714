# Clients of OpenSSL, because mbedTLS's would take more of the machine than the gateway that is measured.
pkg_check_modules(LIBSSL IMPORTED_TARGET libssl)
if(LIBSSL_FOUND)
  add_executable(storm_bench bench/storm_bench.c)
  target_link_libraries(storm_bench PRIVATE sluice_options sluice_base PkgConfig::LIBSSL)
  set_target_properties(storm_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endif()

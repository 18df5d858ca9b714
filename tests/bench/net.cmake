add_executable(net_bench bench/net_bench.c unit/tls_client.c)
target_link_libraries(net_bench PRIVATE sluice_options sluice_pki sluice_net)
set_target_properties(net_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

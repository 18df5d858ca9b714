# AWS Lambda as the tests need it.
add_executable(mock_lambda e2e/mock_lambda.c)
target_link_libraries(mock_lambda PRIVATE sluice_options sluice_sigv4)
set_target_properties(mock_lambda PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)

sluice_test(lambda_worker_test SOURCES e2e/lambda_worker_test.c e2e/lambda_session.c
  LIBS sluice_worker_protocol sluice_base)
add_dependencies(lambda_worker_test lambda mock_lambda)
target_compile_definitions(lambda_worker_test PRIVATE
  LAMBDA_WORKER="$<TARGET_FILE:lambda>" MOCK_LAMBDA="$<TARGET_FILE:mock_lambda>")
sluice_e2e(serverless_offline serverless_package lambda_tls lambda_credentials)

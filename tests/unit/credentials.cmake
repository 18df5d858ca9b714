foreach(name passwords token authenticator)
  sluice_test(${name}_test SOURCES unit/${name}_test.c LIBS sluice_credentials sluice_mbedtls_gateway)
endforeach()

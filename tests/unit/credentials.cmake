foreach(name passwords token authenticator access_keys)
  sluice_test(${name}_test SOURCES unit/${name}_test.c LIBS sluice_credentials sluice_sigv4 sluice_mbedtls_gateway)
endforeach()

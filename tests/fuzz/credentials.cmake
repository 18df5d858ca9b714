# What a Client says who it is by.
sluice_fuzz(credentials SOURCES fuzz/credentials_fuzz.c LIBS sluice_credentials sluice_mbedtls_gateway)

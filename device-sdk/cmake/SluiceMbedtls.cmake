# mbedTLS 3.6, as the targets sluice_mbedtls_gateway and sluice_mbedtls_device.
#
# Both are built from one source tree, each with a configuration of ours, because
# Debian's own build keeps 37 KB a connection and has what we never use.
#   default                        the Debian source package, fetched once into .cache/
#   -DSLUICE_MBEDTLS_SOURCE=DIR    an unpacked tree (Yocto, Buildroot, OpenWrt)
#   -DSLUICE_MBEDTLS=system        the system's mbedTLS, 3.6 or later, for both
#   -DSLUICE_LIBCRYPTO=OFF         the gateway's public-key work by mbedTLS itself and not by OpenSSL's
#                                  libcrypto (a mutual handshake takes 4.3 ms and not 0.32; 1.4 MB
#                                  less resident memory)

set(SLUICE_MBEDTLS "bundled" CACHE STRING "bundled: built from source; system: the installed library")
set(SLUICE_MBEDTLS_SOURCE "" CACHE PATH "An unpacked mbedTLS 3.6 source tree, instead of fetching one")

function(sluice_mbedtls_system)
  find_path(MBEDTLS_INCLUDE mbedtls/build_info.h)
  if(MBEDTLS_INCLUDE)
    file(STRINGS ${MBEDTLS_INCLUDE}/mbedtls/build_info.h number REGEX "define MBEDTLS_VERSION_NUMBER ")
    string(REGEX MATCH "0x[0-9A-Fa-f]+" number "${number}")
  endif()
  if(NOT number OR number LESS 0x03060000 OR NOT number LESS 0x04000000)
    message(FATAL_ERROR "SLUICE_MBEDTLS=system needs mbedTLS 3.6 with its headers; "
      "leave the option out to build it from source")
  endif()
  foreach(part mbedtls mbedx509 mbedcrypto)
    find_library(LIBRARY_${part} ${part} REQUIRED)
    list(APPEND libraries ${LIBRARY_${part}})
  endforeach()
  foreach(name gateway device)
    add_library(sluice_mbedtls_${name} INTERFACE)
    target_include_directories(sluice_mbedtls_${name} INTERFACE ${MBEDTLS_INCLUDE})
    target_link_libraries(sluice_mbedtls_${name} INTERFACE ${libraries})
  endforeach()
endfunction()

# sluice_mbedtls_build(NAME CONFIG): the whole library as one archive, with CONFIG in the place of
# mbedtls_config.h; what a program does not reach, the linker leaves out.
function(sluice_mbedtls_build name config)
  file(GLOB sources ${source_dir}/library/*.c)
  set(target sluice_mbedtls_${name})
  add_library(${target} STATIC EXCLUDE_FROM_ALL ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${source_dir}/include PRIVATE ${source_dir}/library)
  target_compile_definitions(${target} PUBLIC MBEDTLS_CONFIG_FILE="${config}")
  # Its P-256 at -O0 makes a handshake take a second; its warnings and its UBSan findings are upstream's.
  target_compile_options(${target} PRIVATE $<IF:$<CONFIG:MinSizeRel>,-Os,-O2> -w -ffunction-sections -fdata-sections -fno-sanitize=undefined)
  set_target_properties(${target} PROPERTIES C_CLANG_TIDY "" EXPORT_COMPILE_COMMANDS OFF)
  if(CMAKE_BUILD_TYPE STREQUAL "MinSizeRel")
    # But for AES by its instructions, arm_neon.h is there for a faster XOR alone, and to read it is most of what it
    # takes to compile the library for 64-bit ARM.
    list(FILTER sources EXCLUDE REGEX "/(aes|aesce|gcm)\\.c$")
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -U__ARM_NEON)
  endif()
endfunction()

option(SLUICE_LIBCRYPTO "Let OpenSSL's libcrypto do the public-key work of the gateway's TLS" ON)

# Adds gateway/net/mbedtls_libcrypto.c to the gateway's mbedTLS.
function(sluice_mbedtls_libcrypto)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(LIBCRYPTO REQUIRED IMPORTED_TARGET libcrypto)
  target_sources(sluice_mbedtls_gateway PRIVATE ${PROJECT_SOURCE_DIR}/gateway/net/mbedtls_libcrypto.c)
  target_include_directories(sluice_mbedtls_gateway PRIVATE ${PROJECT_SOURCE_DIR}/gateway)
  target_compile_definitions(sluice_mbedtls_gateway PUBLIC SLUICE_LIBCRYPTO)
  target_link_libraries(sluice_mbedtls_gateway PUBLIC PkgConfig::LIBCRYPTO) # app/passwords.c calls it too
  # The one place where mbedTLS has no name for a function that is elsewhere.
  set_source_files_properties(${source_dir}/library/psa_crypto_ecp.c
    PROPERTIES COMPILE_DEFINITIONS mbedtls_ecp_mul=sluice_ecp_mul)
endfunction()

if(SLUICE_MBEDTLS STREQUAL "system")
  sluice_mbedtls_system()
else()
  set(source_dir ${SLUICE_MBEDTLS_SOURCE})
  if(NOT source_dir)
    execute_process(
      COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/fetch-mbedtls.sh ${PROJECT_SOURCE_DIR}/.cache
      RESULT_VARIABLE failed)
    if(failed)
      message(FATAL_ERROR "mbedTLS could not be fetched")
    endif()
    file(GLOB source_dir ${PROJECT_SOURCE_DIR}/.cache/mbedtls-3.6*)
  endif()
  if(NOT EXISTS ${source_dir}/include/mbedtls/build_info.h)
    message(FATAL_ERROR "SLUICE_MBEDTLS_SOURCE=${source_dir} is no mbedTLS source tree")
  endif()
  find_package(Threads REQUIRED)
  sluice_mbedtls_build(gateway ${PROJECT_SOURCE_DIR}/gateway/net/mbedtls_config.h)
  target_link_libraries(sluice_mbedtls_gateway PUBLIC Threads::Threads)
  if(SLUICE_LIBCRYPTO AND SLUICE_GATEWAY)
    sluice_mbedtls_libcrypto()
  endif()
  sluice_mbedtls_build(device ${PROJECT_SOURCE_DIR}/device-sdk/port/mbedtls_config.h)
  set(SLUICE_MBEDTLS_TREE ${source_dir})
endif()

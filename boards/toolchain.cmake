# What the toolchain files of all boards share: Debian's cross compiler, and for a static executable either musl,
# fetched once into .cache/ from Debian's package for the board's architecture, or the glibc that comes with the
# compiler. A board's file says before it includes this one:
#   board_architecture   Debian's name for it: arm64, armhf, mipsel, riscv64
#   board_triplet        the cross compiler's: aarch64-linux-gnu
#   board_processor      CMAKE_SYSTEM_PROCESSOR, as `uname -m` has it on the board
#   board_libc           musl; musl-soft, without floating-point instructions; or glibc
#   board_flags          which processor to compile for

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${board_processor})
set(CMAKE_C_COMPILER ${board_triplet}-gcc)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY NEVER) # nothing of the machine that builds is for the board
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE NEVER)

if(board_libc MATCHES "^musl")
  get_filename_component(cache ${CMAKE_CURRENT_LIST_DIR}/../.cache ABSOLUTE)
  set(musl ${cache}/debian-${board_architecture}-${board_libc})
  if(board_libc STREQUAL "musl")
    set(make_musl ${CMAKE_CURRENT_LIST_DIR}/../device-sdk/cmake/fetch-debian.sh ${board_architecture} ${musl}
      musl-dev linux-libc-dev)
  else()
    set(make_musl ${CMAKE_CURRENT_LIST_DIR}/openwrt/soft-float.sh ${musl})
  endif()
  execute_process(COMMAND sh ${make_musl} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "there is no musl for ${board_architecture}")
  endif()
  # Debian's specs are for files that are installed; the compiler is to find them where they lie. CMake reads this
  # file anew for each of its checks, in a folder of its own, with the flags of the first time.
  string(REPLACE "-gnu" "-musl" musl_triplet ${board_triplet})
  file(READ ${musl}/usr/lib/${musl_triplet}/musl-gcc.specs specs)
  string(REPLACE "/usr/" "${musl}/usr/" specs "${specs}")
  string(REPLACE "-isystem include%s"
    "-isystem include%s -isystem ${musl}/usr/include -isystem ${musl}/usr/include/${board_triplet}" specs "${specs}")
  if(board_libc STREQUAL "musl-soft")
    string(REPLACE "libgcc.a%s" "${musl}/usr/lib/${musl_triplet}/libsoftfp.a libgcc.a%s" specs "${specs}")
  endif()
  file(WRITE ${CMAKE_BINARY_DIR}/musl-gcc.specs "${specs}")
  string(PREPEND board_flags "-specs=${CMAKE_BINARY_DIR}/musl-gcc.specs ")
endif()

# Text that is not position-independent is a tenth smaller; CMAKE_POSITION_INDEPENDENT_CODE stays off (SluiceCompile).
set(CMAKE_C_FLAGS_INIT "${board_flags} -fno-pie")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -no-pie")
# A static file has nothing to relocate (norelro), and needs no room up to the next page between its parts.
add_link_options(-Wl,-z,noseparate-code,-z,norelro,--build-id=none)

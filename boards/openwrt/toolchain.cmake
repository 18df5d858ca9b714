# Routers with a little-endian 32-bit MIPS, as OpenWrt's ramips (MT7620, MT7621, MT76x8).
set(board_architecture mipsel)
set(board_triplet mipsel-linux-gnu)
set(board_processor mipsel)
set(board_libc musl-soft)
set(board_flags "-march=mips32r2 -msoft-float")
include(${CMAKE_CURRENT_LIST_DIR}/../toolchain.cmake)
# What is linked of libgcc has no floating-point instructions, but is marked as if it had.
string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,--no-warn-mismatch")

# VisionFive 1 and 2, and other boards with 64-bit RISC-V: Debian 12 has no musl for them.
set(board_architecture riscv64)
set(board_triplet riscv64-linux-gnu)
set(board_processor riscv64)
set(board_libc glibc)
set(board_flags "-march=rv64gc")
include(${CMAKE_CURRENT_LIST_DIR}/../toolchain.cmake)

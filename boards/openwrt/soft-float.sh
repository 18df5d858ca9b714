#!/bin/sh
# Makes a C library for MIPS that computes without floating-point instructions, which the processors of routers have
# not, and Debian's libraries for MIPS are full of.
#
#   soft-float.sh FOLDER    does nothing if FOLDER is there
#
# FOLDER becomes what fetch-debian.sh leaves of musl-dev, with musl compiled anew from Debian's source, and beside it
# libsoftfp.a: the arithmetic that the compiler calls for, from soft-fp, which glibc keeps apart from the rest. It has
# to be linked before libgcc, whose functions of the same names are those instructions.
set -eu

compiler=mipsel-linux-gnu-gcc
flags="-march=mips32r2 -msoft-float -fno-pie -ffunction-sections -fdata-sections"
arithmetic="adddf3 addsf3 divdf3 divsf3 eqdf2 eqsf2 extendsfdf2 fixdfdi fixdfsi fixsfdi fixsfsi fixunsdfdi fixunsdfsi
    fixunssfdi fixunssfsi floatdidf floatdisf floatsidf floatsisf floatundidf floatundisf floatunsidf floatunsisf gedf2
    gesf2 ledf2 lesf2 muldf3 mulsf3 negdf2 negsf2 subdf3 subsf3 truncdfsf2 unorddf2 unordsf2"

folder=$1
[ -d "$folder" ] && exit 0
fetch=$(cd "$(dirname "$0")/../.." && pwd)/device-sdk/cmake/fetch-debian.sh
mkdir -p "$(dirname "$folder")"
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder")
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
sh "$fetch" mipsel "$work/tree" musl-dev linux-libc-dev
sh "$fetch" source "$work/source" musl glibc
libraries=$work/tree/usr/lib/mipsel-linux-musl

cd "$work/source"
tar -xf musl_*.orig.tar.gz
tar -xf glibc_*.orig.tar.xz --wildcards '*/soft-fp' '*/stdlib/longlong.h' '*/sysdeps/mips/mips32/sfp-machine.h'

cd "$work"/source/musl-*
./configure --target=mipsel-linux-gnu CC=$compiler CFLAGS="$flags" --disable-shared --enable-optimize=size > "$work/log"
make -j"$(nproc)" >> "$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
cp lib/*.a lib/*.o "$libraries"

cd "$work"/source/glibc-*
for function in $arithmetic; do
    # shellcheck disable=SC2086 # a list of words
    $compiler $flags -Os -w -c -o "$work/$function.o" -Isoft-fp -Isysdeps/mips/mips32 -Istdlib \
        -D__LITTLE_ENDIAN=1234 -D__BIG_ENDIAN=4321 -D__BYTE_ORDER=__LITTLE_ENDIAN \
        "-Dstrong_alias(name, other)=extern __typeof(name) other __attribute__((alias(#name)))" "soft-fp/$function.c"
done
mipsel-linux-gnu-ar rcs "$libraries/libsoftfp.a" "$work"/*.o
mv -T "$work/tree" "$folder" 2> /dev/null || [ -d "$folder" ] # another one was faster

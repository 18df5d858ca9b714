#!/bin/sh
# Each public header of the SDK can be included alone and twice, by strict C11 and by C++.
#   headers_test.sh ROOT
set -eu
cd "$1/device-sdk/include"
for header in sluice/*.h; do
    for language in "c -std=c11" "c++ -std=c++17"; do
        printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
            ${CC:-cc} -fsyntax-only -x $language -pedantic-errors -Wall -Wextra -Werror -I. - ||
            { echo "$header, as $language"; exit 1; }
    done
done

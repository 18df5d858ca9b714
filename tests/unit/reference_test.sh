#!/bin/sh
# Fails when the README's configuration reference is not what the program prints.
#   reference_test.sh ROOT BUILD            --write puts the printed one into the README
set -eu
readme=$1/README.md
begin='<!-- reference: printed by `sluice reference` -->'
end='<!-- end of reference -->'
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
{
    sed "/^$begin\$/q" "$readme"
    "$2/bin/sluice" reference
    sed -n "/^$end\$/,\$p" "$readme"
} > "$wanted"
if [ "${3:-}" = --write ]; then
    cat "$wanted" > "$readme"
    exit 0
fi
diff "$readme" "$wanted" && exit 0
echo "the reference in README.md is old: sh tests/unit/reference_test.sh . build --write"
exit 1

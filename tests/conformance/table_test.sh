#!/bin/sh
# Holds the tables of normative statements to the sections they declare and to the tests there are. It fails on an
# id that is missing, twice or in no section, on an empty cell, and on a test that no source has or ctest does
# not know.
#   table_test.sh ROOT BUILD
set -eu
root=$1
known=$(mktemp)
trap 'rm -f "$known"' EXIT
result=0
{
    # Every test that ctest runs in this build: `NAME`, and `NAME: FUNCTION` for each function of a cmocka program.
    ctest --test-dir "$2" -N | sed -n 's/^ *Test *#[0-9]*: //p' | while read -r name; do
        echo "$name"
        source=$(find "$root/tests" -name "$name.c")
        [ -z "$source" ] || sed -nE "s/^ *[a-zA-Z_]+\(([a-z0-9_]+)(, *[a-z_]+)*\),\$/$name: \1/p" "$source"
    done
} > "$known"
for table in "$root"/tests/conformance/mqtt-*.md; do
    awk -F ' *[|] *' -v table="${table##*/}" '
        function wrong(text) { print table ":" FNR ": " text; bad = 1 }
        FILENAME != ARGV[2] { known[$0] = 1; next }
        $2 ~ /^[0-9.]+$/ { # a section that the table says it has
            split($3, ends, " to ")
            for (i = ends[1]; i <= ends[2]; i++) expected["MQTT-" $2 "-" i] = 1
            if ($4 != ends[2] - ends[1] + 1) wrong($2 " has not " $4 " statements")
        }
        /^[|] MQTT-/ {
            if (NF != 6 || $3 == "" || $4 !~ /^(Server|Client|both)$/ || $5 == "") wrong($2 ": an empty or odd cell")
            if (!($2 in expected)) wrong($2 " is of no section above")
            if ($2 in seen) wrong($2 " is here twice")
            seen[$2] = 1
            count = split($5, tests, "; ")
            for (i = 1; i <= count; i++) if (!(tests[i] in known)) wrong($2 ": there is no test \"" tests[i] "\"")
        }
        END {
            for (id in expected) { total++; if (!(id in seen)) wrong(id " is missing") }
            if (total == 0) wrong("no statements")
            exit bad
        }' "$known" "$table" || result=1
done
exit $result

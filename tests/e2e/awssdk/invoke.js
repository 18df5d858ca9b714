// Functions as AWS's own JavaScript client invokes them: over https with a key of the configuration, and over the
// loopback http without one.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const lambda = require('@aws-sdk/client-lambda');

const credentials = { accessKeyId: process.env.KEY_ID, secretAccessKey: process.env.KEY_SECRET };
const client = (options) => new lambda.LambdaClient({ region: 'eu-west-1', maxAttempts: 1, credentials, ...options });
const https = client({ endpoint: `https://localhost:${process.env.HTTPS}` });
const http = client({ endpoint: `http://127.0.0.1:${process.env.HTTP}`,
                      credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });

const text = (answer) => Buffer.from(answer.Payload).toString();
const invoke = (via, FunctionName, event, more) =>
  via.send(new lambda.InvokeCommand({ FunctionName, Payload: event && JSON.stringify(event), ...more }));
const fails = async (promise, name, status) => {
  const error = await promise.then(() => assert.fail(`${name} was expected`), (reason) => reason);
  assert.strictEqual(error.name, name, error.message);
  assert.strictEqual(error.$metadata.httpStatusCode, status);
  return error;
};

const tests = {
  async 'the result comes back'() {
    for (const via of [https, http]) {
      const answer = await invoke(via, 'echo', { hello: 'grüße', n: 1 });
      assert.deepStrictEqual([answer.StatusCode, text(answer), answer.FunctionError, answer.ExecutedVersion],
                             [200, '{"hello":"grüße","n":1}', undefined, '$LATEST']);
      assert.match(answer.$metadata.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  },
  async 'a function is found by each of its names'() {
    for (const name of ['echo', 'echo:$LATEST', 'arn:aws:lambda:eu-west-1:123456789012:function:echo',
                        '123456789012:function:echo:$LATEST'])
      assert.strictEqual(text(await invoke(https, name, [name])), JSON.stringify([name]));
    assert.strictEqual((await invoke(https, 'echo', 1, { Qualifier: '$LATEST' })).StatusCode, 200);
  },
  async 'without an event it is an empty one'() {
    assert.strictEqual(text(await invoke(https, 'echo')), '{}');
  },
  async 'the function fails'() {
    const answer = await invoke(https, 'echo', { do: 'fail' });
    assert.deepStrictEqual([answer.StatusCode, answer.FunctionError], [200, 'Unhandled']);
    assert.deepStrictEqual(JSON.parse(text(answer)), { errorType: 'Refused', errorMessage: 'this event is never good' });
  },
  async 'it crashes, and lives again'() {
    const answer = await invoke(https, 'echo', { do: 'crash' });
    assert.strictEqual(answer.FunctionError, 'Unhandled');
    assert.strictEqual(JSON.parse(text(answer)).errorType, 'Runtime.ExitError');
    assert.strictEqual(text(await invoke(https, 'echo', 2)), '2');
  },
  async 'it takes too long'() {
    const answer = await invoke(https, 'short', { do: 'hang' });
    assert.deepStrictEqual([answer.StatusCode, answer.FunctionError], [200, 'Unhandled']);
    assert.match(JSON.parse(text(answer)).errorMessage, /^RequestId: [0-9a-f-]{36} Error: Task timed out after 0\.50 seconds$/);
  },
  async 'its log comes too'() {
    const answer = await invoke(https, 'echo', { do: 'print' }, { LogType: 'Tail' });
    const log = Buffer.from(answer.LogResult, 'base64').toString(), id = answer.$metadata.requestId;
    assert.match(log, new RegExp(`^START RequestId: ${id} Version: \\$LATEST\n`));
    assert.match(log, /\nprinted in between\n/);
    assert.match(log, new RegExp(`\nEND RequestId: ${id}\nREPORT RequestId: ${id}\tDuration: [0-9.]+ ms\tBilled Duration: \\d+ ms\tMemory Size: 1024 MB`));
    assert.strictEqual((await invoke(https, 'echo', 1)).LogResult, undefined);
  },
  async 'a dry run runs nothing'() {
    assert.strictEqual((await invoke(https, 'echo', { do: 'crash' }, { InvocationType: 'DryRun' })).StatusCode, 204);
    await fails(invoke(https, 'nothing', 1, { InvocationType: 'DryRun' }), 'ResourceNotFoundException', 404);
  },
  async 'an event is taken, and its result published'() {
    const answer = await invoke(https, 'echo', { asynchronous: 1 }, { InvocationType: 'Event' });
    assert.strictEqual(answer.StatusCode, 202);
    assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
  },
  async 'what does not exist'() {
    const error = await fails(invoke(https, 'nothing', 1), 'ResourceNotFoundException', 404);
    assert.match(error.message, /^Function not found: arn:aws:lambda:us-east-1:000000000000:function:nothing$/);
    await fails(invoke(https, 'echo:old', 1), 'ResourceNotFoundException', 404);
    await fails(invoke(https, 'echo', 1, { Qualifier: 'old' }), 'ResourceNotFoundException', 404);
  },
  async 'who may not'() {
    await fails(invoke(https, 'private', 1), 'AccessDeniedException', 403);
    await fails(invoke(http, 'private', 1), 'AccessDeniedException', 403);
    const wrong = client({ endpoint: `https://localhost:${process.env.HTTPS}`,
                           credentials: { ...credentials, secretAccessKey: 'x'.repeat(40) } });
    await fails(invoke(wrong, 'echo', 1), 'InvalidSignatureException', 403);
    const unknown = client({ endpoint: `https://localhost:${process.env.HTTPS}`,
                             credentials: { ...credentials, accessKeyId: 'AKIDNOBODY' } });
    await fails(invoke(unknown, 'echo', 1), 'UnrecognizedClientException', 403);
    // The client learns from Date that its clock is off, and would correct it.
    const late = client({ endpoint: `https://localhost:${process.env.HTTPS}`, systemClockOffset: -20 * 60 * 1000 });
    await fails(invoke(late, 'echo', 1), 'InvalidSignatureException', 403);
  },
  async 'what is no JSON'() {
    const command = new lambda.InvokeCommand({ FunctionName: 'echo', Payload: '{"a":' });
    await fails(https.send(command), 'InvalidRequestContentException', 400);
  },
  async 'a large event, and one that is too large'() {
    const most = 6 * 1024 * 1024, event = 'x'.repeat(most - 2);
    assert.strictEqual(text(await invoke(https, 'echo', event)).length, most);
    await fails(invoke(https, 'echo', `${event}x`), 'RequestTooLargeException', 413);
    await fails(invoke(https, 'echo', event.slice(0, 1024 * 1024), { InvocationType: 'Event' }),
                'RequestTooLargeException', 413);
  },
  async 'as many as may run do'() {
    const first = invoke(https, 'gate', { do: 'wait' });
    // Until it runs, the other one may be the one that is let in; but then only one of them is.
    const second = invoke(https, 'gate', { do: 'wait' });
    const refused = await Promise.race([first, second]).then(() => assert.fail('both ran'), (error) => error);
    assert.deepStrictEqual([refused.name, refused.Reason, refused.$metadata.httpStatusCode],
                           ['TooManyRequestsException', 'ReservedFunctionConcurrentInvocationLimitExceeded', 429]);
    fs.writeFileSync(process.env.GATE, '');
    const done = await Promise.any([first, second]);
    assert.strictEqual(text(done), '{"waited":true}');
  },
  async 'a client context arrives'() {
    const ClientContext = Buffer.from('{"custom":{"a":"b"}}').toString('base64');
    assert.strictEqual((await invoke(https, 'echo', 1, { ClientContext })).StatusCode, 200);
    await fails(invoke(https, 'echo', 1, { ClientContext: 'bm9uZQ==' }), 'InvalidRequestContentException', 400);
  },
  async 'functions are listed, each to who may invoke it'() {
    const names = async (via) => (await via.send(new lambda.ListFunctionsCommand({}))).Functions.map((f) => f.FunctionName);
    assert.deepStrictEqual(await names(https), ['echo', 'short', 'gate']);
    assert.deepStrictEqual(await names(http), ['echo']);
  },
  async 'a function is described'() {
    const found = await https.send(new lambda.GetFunctionCommand({ FunctionName: 'short' }));
    const { FunctionName, Runtime, Timeout, MemorySize, Version, State } = found.Configuration;
    assert.deepStrictEqual({ FunctionName, Runtime, Timeout, MemorySize, Version, State },
                           { FunctionName: 'short', Runtime: 'native', Timeout: 1, MemorySize: 1024, Version: '$LATEST', State: 'Active' });
    assert.strictEqual(found.Concurrency.ReservedConcurrentExecutions, 2);
    const same = await https.send(new lambda.GetFunctionConfigurationCommand({ FunctionName: 'short' }));
    assert.strictEqual(same.FunctionArn, 'arn:aws:lambda:us-east-1:000000000000:function:short');
    await fails(https.send(new lambda.GetFunctionCommand({ FunctionName: 'nothing' })), 'ResourceNotFoundException', 404);
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
      process.exitCode = 1;
    }
  }
})();

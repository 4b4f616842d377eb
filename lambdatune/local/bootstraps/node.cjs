"use strict";
/* The Node.js runtime client: runs beside the function's code and speaks the Lambda Runtime API over one socket.

Behaviour, sentences and log lines are those of AWS's own client (aws-lambda-nodejs-runtime-interface-client).
CommonJS, because an ES module starts later; raw sockets, because the http module does too. Node.js 18 and later. */

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const util = require("node:util");

const NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const IS_JSON = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
/* Node.js 24 and later have no callbacks, and take what a handler returns, promise or not. */
const HAS_CALLBACKS = !/nodejs(2[4-9]|[3-9]\d)\.x$/.test(process.env.AWS_EXECUTION_ENV ?? "");

/* Errors that AWS's runtime names itself. */
function fault(kind, message, members = {}) {
  const error = Object.assign(new Error(message), members);
  Object.defineProperty(error, "name", { value: `Runtime.${kind}`, configurable: true });
  error.stack = `${error.name}: ${message}${error.stack.slice(error.stack.indexOf("\n"))}`;
  return error;
}

/* Return the error document of the Runtime API. */
function described(error) {
  try {
    const isError = util.types.isNativeError(error) || (error?.name && error?.message && error?.stack);
    if (isError) return { errorType: error.name, errorMessage: error.message, trace: error.stack.split("\n") };
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    const message =
      "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack";
    return { errorType: "handled", errorMessage: message, trace: [] };
  }
}

/* Logging: console methods become lines of the function's log. */

function write(text) {
  let bytes = Buffer.from(text);
  while (bytes.length) {
    try {
      bytes = bytes.subarray(fs.writeSync(1, bytes));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // a handler's process.stdout made it so
    }
  }
}

const errorMembers = (error) => ({
  errorType: error.constructor?.name ?? "UnknownError",
  errorMessage: error.message,
  stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
});

function jsonLine(level, values) {
  const line = { timestamp: new Date().toISOString(), level, requestId: globalThis[REQUEST_ID] };
  if (values.length !== 1) {
    line.message = util.format(...values);
    const error = values.find((value) => value instanceof Error);
    return JSON.stringify(error ? Object.assign(line, errorMembers(error)) : line);
  }
  line.message = values[0];
  try {
    return JSON.stringify(line, (_, value) =>
      value instanceof Error ? Object.assign(errorMembers(value), value) : value,
    );
  } catch {
    line.message = util.format(values[0]);
    return JSON.stringify(line);
  }
}

const textLine = (level, values) =>
  `${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(...values)}`;

function patchConsole() {
  const lineOf = IS_JSON ? jsonLine : textLine;
  const lowest = IS_JSON ? Math.max(LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL), 0) : 0;
  LEVELS.forEach((level, rank) => {
    const log = (...values) => write(`${lineOf(level, values).replace(/\n/g, "\r")}\n`);
    console[level.toLowerCase()] = rank >= lowest ? log : () => {};
  });
  console.log = console.info;
}

function logError(what, reason) {
  const error = reason instanceof Error ? reason : new Error(reason);
  if (IS_JSON) return console.error(error);
  const withHidden = (_, value) =>
    value instanceof Error
      ? {
          errorType: value.name,
          errorMessage: value.message,
          code: value.code,
          ...value,
          stack: String(value.stack).split("\n"),
        }
      : value;
  let text;
  try {
    text = JSON.stringify(error, withHidden);
  } catch {
    text = JSON.stringify(described(error));
  }
  return console.error(what, `\t${text}`);
}

/* The Runtime API: one keep-alive connection, whose end is the end of this process. */

class RuntimeApi {
  open(address, onEvent) {
    const [host, port] = address.split(":");
    this.onEvent = onEvent;
    this.buffer = null;
    this.exitCode = null;
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.socket.on("data", (data) => this.read(data));
    this.socket.on("error", () => {});
    this.socket.on("close", () => process.exit(1));
  }

  read(data) {
    this.buffer = this.buffer ? Buffer.concat([this.buffer, data]) : data;
    while (this.buffer) {
      const end = this.buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = this.buffer.latin1Slice(0, end);
      const size = end + 4 + Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (this.buffer.length < size) return this.expect(size);
      const body = this.buffer.utf8Slice(end + 4, size);
      this.buffer = this.buffer.length > size ? this.buffer.subarray(size) : null;
      this.answered(head, body);
    }
  }

  /* Collect a large event in one buffer, where joining two at each packet would cost more than the call. */
  expect(size) {
    const whole = Buffer.allocUnsafe(size);
    let have = this.buffer.copy(whole);
    this.buffer = null;
    this.read = (data) => {
      const taken = data.copy(whole, have);
      have += taken;
      if (have < size) return;
      delete this.read;
      this.read(taken < data.length ? Buffer.concat([whole, data.subarray(taken)]) : whole);
    };
  }

  answered(head, body) {
    if (this.exitCode !== null) process.exit(this.exitCode);
    const headers = {};
    for (const line of head.split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    // Anything else is the receipt of our last answer.
    if ("lambda-runtime-aws-request-id" in headers) this.onEvent(headers, body);
  }

  post(route, text, errorType, then = NEXT) {
    const type = String(errorType ?? "").replace(/[^\x20-\x7e]/g, "?");
    const error = type ? `Lambda-Runtime-Function-Error-Type: ${type}\r\n` : "";
    const head = `POST /2018-06-01/runtime/${route} HTTP/1.1\r\nHost: lambda\r\n${error}`;
    this.socket.write(`${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}${then}`);
  }

  /* Post an error; the process ends when the receipt is there. */
  postLast(route, error, errorType, code) {
    if (this.exitCode !== null) return;
    this.exitCode = code;
    this.socket.ref();
    this.post(route, JSON.stringify(described(error)), errorType, "");
  }

  /* End a streamed response with an error, and the process with the receipt. */
  failLast(stream, error, code) {
    if (this.exitCode !== null) return;
    this.exitCode = code;
    this.socket.ref();
    stream.fail(described(error));
  }
}

const api = new RuntimeApi();

/* The function. */

const streamified = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = "response";
    if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
    return handler;
  },
  HttpResponseStream: class HttpResponseStream {
    static from(stream, prelude) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream._onBeforeFirstWrite = (send) => {
        send(JSON.stringify(prelude));
        send(new Uint8Array(8));
      };
      return stream;
    }
  },
};

function isModulePackage(directory) {
  for (let folder = directory; ; folder = path.dirname(folder)) {
    if (folder.endsWith("/node_modules")) return false;
    const file = path.join(folder, "package.json");
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file)).type === "module";
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
}

/* Return the module's exports: an extensionless file, .js by the type of its package, .mjs, .cjs; else as require does. */
async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  const required = (extension) => (fs.existsSync(base + extension) ? require(base + extension) : undefined);
  const imported = (extension) =>
    fs.existsSync(base + extension) ? import(require("node:url").pathToFileURL(base + extension)) : undefined;
  if (fs.existsSync(base)) return require(base);
  const isModule = isModulePackage(path.dirname(base));
  const found =
    (isModule ? await imported(".js") : required(".js")) ?? (await imported(".mjs")) ?? required(".cjs");
  return found ?? require(require.resolve(name, { paths: [root, path.resolve(root, folder)] }));
}

async function loadHandler(name) {
  if (name.includes("..")) {
    const hint = "Use absolute paths when specifying root directories in handler names.";
    throw fault("MalformedHandlerName", `'${name}' is not a valid handler name. ${hint}`);
  }
  const last = path.basename(name);
  const dot = last.indexOf(".");
  if (dot < 0) throw fault("MalformedHandlerName", "Bad handler");
  globalThis.awslambda = streamified;
  let found;
  try {
    found = await loadModule(process.env.LAMBDA_TASK_ROOT, name.slice(0, name.indexOf(last)), last.slice(0, dot));
  } catch (error) {
    if (error instanceof SyntaxError) throw fault("UserCodeSyntaxError", String(error), { stack: error.stack });
    if (error?.code === "MODULE_NOT_FOUND") throw fault("ImportModuleError", String(error));
    throw error;
  }
  for (const key of last.slice(dot + 1).split(".")) found = found?.[key];
  if (!found) throw fault("HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof found !== "function") throw fault("HandlerNotFound", `${name} is not a function`);
  if (!HAS_CALLBACKS && found.length >= 3 && !found[STREAMING]) {
    const hint =
      "You need to modify this function to use a supported handler signature to use Node.js 24 or later. " +
      "For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";
    const text = "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24.";
    throw fault("CallbackHandlerDeprecated", `${text} ${hint}`);
  }
  return found;
}

function contextOf(headers, members) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return Object.assign(members, {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed("lambda-runtime-client-context"),
    identity: parsed("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  });
}

/* What is done when nothing is left to run and the call is not answered; null between calls. */
let onIdle = null;
let isInitialised = false;
/* The request id of the call, and its response stream if it has one. */
let current = null;
let stream = null;

/* End the call: from now on the connection keeps the process alive. */
function finish() {
  onIdle = null;
  current = null;
  stream = null;
  globalThis[REQUEST_ID] = undefined;
  api.socket.ref();
}

function succeed(id, result) {
  if (current !== id) return;
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result) ?? "null";
  } catch {
    return fail(id, new Error("Unable to stringify response body"));
  }
  finish();
  api.post(`invocation/${id}/response`, text);
}

function fail(id, error) {
  if (current !== id) return;
  logError("Invoke Error", error);
  finish();
  api.post(`invocation/${id}/error`, JSON.stringify(described(error)), "Unhandled");
}

const neverSettled = () =>
  fault(
    "NodeJsExit",
    "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise " +
      "that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes",
  );

/* Return the members of the context, and the callback, that answer the call; the first one counts. */
function answering(id) {
  let waits = true;
  let isAnswered = false;
  const once = (answer) => (...values) => {
    if (isAnswered || current !== id) return;
    isAnswered = true;
    answer(...values);
  };
  const isGiven = (error) => error !== undefined && error !== null;
  const members = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
    succeed: once((result) => succeed(id, result)),
    fail: once((error) => fail(id, isGiven(error) ? error : "handled")),
    done: once((error, result) => (isGiven(error) ? fail(id, error) : succeed(id, result))),
  };
  const callback = once((error, result) => {
    if (isGiven(error)) fail(id, error);
    else if (waits) onIdle = () => succeed(id, result);
    else succeed(id, result);
  });
  return { members, callback };
}

function invoke(handler, id, headers, body) {
  const isAsync = !HAS_CALLBACKS || handler.constructor?.name === "AsyncFunction";
  onIdle = () => (isAsync ? fail(id, neverSettled()) : succeed(id, null));
  const { members, callback } = HAS_CALLBACKS ? answering(id) : { members: {}, callback: undefined };
  try {
    const result = handler(JSON.parse(body), contextOf(headers, members), callback);
    if (typeof result?.then === "function") {
      result.then(
        (value) => succeed(id, value),
        (error) => fail(id, error ?? "handled"),
      );
    } else if (!HAS_CALLBACKS) {
      succeed(id, result);
    }
  } catch (error) {
    fail(id, error);
  }
}

async function invokeStreaming(handler, id, headers, body) {
  const own = require("./node_stream.cjs").open(api.socket, id, handler[HIGH_WATER_MARK]);
  stream = own;
  const giveUp = (error) => {
    if (current !== id) return;
    logError("Invoke Error", error);
    finish();
    own.fail(described(error));
    api.socket.write(NEXT);
  };
  onIdle = () => giveUp(new Error("Response stream is not finished."));
  try {
    const result = handler(JSON.parse(body), own, contextOf(headers, { callbackWaitsForEmptyEventLoop: true }));
    if (typeof result?.then !== "function") throw new Error("Streaming does not support non-async handlers.");
    if ((await result) !== undefined) console.warn("Streaming handlers ignore return values.");
    await own.whenClosed;
    if (!own.writableFinished) throw new Error("Response stream is not finished.");
  } catch (error) {
    return giveUp(error);
  }
  if (current === id) {
    finish();
    api.socket.write(NEXT);
  }
}

function catchWhatNobodyCatches() {
  const end = (what, error, code) => {
    logError(what, error);
    if (stream) api.failLast(stream, error, code);
    else if (current) api.postLast(`invocation/${current}/error`, error, "Unhandled", code);
    else if (isInitialised) process.exit(code);
    else api.postLast("init/error", error, error?.name, code);
  };
  process.on("uncaughtException", (error) => end("Uncaught Exception", error, 129));
  process.on("unhandledRejection", (reason, promise) => {
    const error = fault("UnhandledPromiseRejection", String(reason), { reason, promise });
    end("Unhandled Promise Rejection", error, 128);
  });
  process.on("beforeExit", () => {
    const answer = onIdle;
    onIdle = null;
    answer?.();
  });
}

async function main() {
  patchConsole();
  catchWhatNobodyCatches();
  let handler;
  api.open(process.env.AWS_LAMBDA_RUNTIME_API, (headers, body) => {
    current = globalThis[REQUEST_ID] = headers["lambda-runtime-aws-request-id"];
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    api.socket.unref();
    (handler[STREAMING] ? invokeStreaming : invoke)(handler, current, headers, body);
  });
  api.socket.unref();
  onIdle = () => process.exit(13); // as Node.js does for a top-level await that never settles
  try {
    handler = await loadHandler(process.env._HANDLER);
  } catch (error) {
    logError("Uncaught Exception", error);
    return api.postLast("init/error", error, error?.name, 1);
  }
  onIdle = null;
  isInitialised = true;
  api.socket.ref();
  api.socket.write(NEXT);
}

main();

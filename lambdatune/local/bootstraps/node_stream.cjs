"use strict";
/* Response streaming in the Node.js runtime client; loaded only for handlers that stream. */

const { Writable } = require("node:stream");

const TYPE = "Lambda-Runtime-Function-Error-Type";
const BODY = "Lambda-Runtime-Function-Error-Body";

/* A response whose chunks go to the Runtime API as they are written; its head goes with the first of them. */
class ResponseStream extends Writable {
  #socket;
  #id;
  #contentType = "application/octet-stream";
  #hasHead = false;
  #hasEnd = false;

  constructor(socket, id, highWaterMark) {
    super({ highWaterMark });
    this.#socket = socket;
    this.#id = id;
    /* Settles when the stream has ended, well or not. */
    this.whenClosed = new Promise((resolve) => this.once("close", resolve));
    this.on("error", () => {}); // what a pipeline destroys it with comes by the handler's own promise
  }

  setContentType(contentType) {
    if (this.#hasHead) throw new Error("Cannot set content-type, too late.");
    this.#contentType = contentType;
  }

  write(chunk, encoding, callback) {
    const before = this._onBeforeFirstWrite;
    if (typeof before === "function") {
      this._onBeforeFirstWrite = undefined;
      before((data) => super.write(data));
    }
    const isRaw = typeof chunk === "string" || chunk instanceof Uint8Array;
    return super.write(isRaw ? chunk : JSON.stringify(chunk), encoding, callback);
  }

  end(chunk, encoding, callback) {
    if (typeof chunk === "function") return super.end(chunk);
    if (chunk !== undefined && chunk !== null) this.write(chunk, typeof encoding === "string" ? encoding : undefined);
    return super.end(typeof encoding === "function" ? encoding : callback);
  }

  _write(chunk, _encoding, callback) {
    if (!chunk.length) return callback(); // a chunk of no bytes would be the last one
    this.#socket.cork();
    this.#socket.write(`${this.#head()}${chunk.length.toString(16)}\r\n`, "latin1");
    this.#socket.write(chunk);
    this.#socket.write("\r\n", "latin1", callback);
    process.nextTick(() => this.#socket.uncork());
  }

  _final(callback) {
    this.#finish("", callback);
  }

  /* End the response with an error in its trailers. */
  fail(error) {
    const body = Buffer.from(JSON.stringify(error)).toString("base64");
    const type = String(error.errorType).replace(/[^\x20-\x7e]/g, "?");
    this.#finish(`${TYPE}: ${type}\r\n${BODY}: ${body}\r\n`);
    this.destroy();
  }

  #finish(trailers, callback) {
    if (this.#hasEnd) return callback?.();
    this.#hasEnd = true;
    this.#socket.write(`${this.#head()}0\r\n${trailers}\r\n`, "latin1", callback);
  }

  #head() {
    if (this.#hasHead) return "";
    this.#hasHead = true;
    return (
      `POST /2018-06-01/runtime/invocation/${this.#id}/response HTTP/1.1\r\nHost: lambda\r\n` +
      `Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: ${this.#contentType}\r\n` +
      `Transfer-Encoding: chunked\r\nTrailer: ${TYPE}, ${BODY}\r\n\r\n`
    );
  }
}

module.exports.open = (socket, id, highWaterMark) => new ResponseStream(socket, id, highWaterMark);

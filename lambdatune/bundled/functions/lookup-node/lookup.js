"use strict";
/* Looks things up elsewhere, in Node.js: I/O-bound. It waits as for a database, and computes next to nothing. */

const { setTimeout: wait } = require("node:timers/promises");

exports.handler = async (event) => {
  const found = [];
  for (let number = 0; number < (event.lookups ?? 2); number++) {
    await wait(event.wait_ms ?? 20);
    found.push({ key: number, value: number * number });
  }
  return { found };
};

"use strict";
/* The price of a basket, in Node.js: the same job as the other `basket` samples. */

const TAX_PERCENT = [7, 7, 19];
const KINDS = ["books", "food", "toys"];
const CENTS = Array.from({ length: 4000 }, (_, number) => 100 + ((number * 7919) % 9973));

exports.handler = async (event) => {
  const items = event.items ?? 50000;
  let total = 0;
  let checksum = 0;
  const byKind = [0, 0, 0];
  for (let line = 0; line < items; line++) {
    const number = (line * 613) % 4000;
    const kind = number % 3;
    const gross = Math.floor((CENTS[number] * (1 + (line % 3)) * (100 + TAX_PERCENT[kind])) / 100);
    total += gross;
    byKind[kind] += gross;
    checksum = (checksum * 31 + gross) % 1000003;
  }
  const kinds = Object.fromEntries(KINDS.map((kind, index) => [kind, byKind[index]]));
  return { items, total_cents: total, by_kind: kinds, checksum };
};

// What the page holds: words, values, and arrays that are unpacked once.
"use strict";

const words = JSON.parse(document.getElementById("words").textContent);
const lesson = JSON.parse(document.getElementById("lesson").textContent);
const PLANES = ["axial", "coronal", "sagittal"];
const MEAN = 3, FINAL = 4; // bits of a way's masks; those of the axes are 0 to 2, in the order of PLANES
const PROMPT = 0, OLDEST = -1; // ages that are no numbers of slices

/** A sentence with its values. */
function say(key, values = {}) {
  if (!(key in words)) throw new Error(`no words for ${key}`);
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A number for people; null is none. */
function figure(value, digits = 3) {
  return value === null || value === undefined ? say("number.none") : value.toFixed(digits).replace("-", "\u2212");
}

function percent(share) {
  return share === null || share === undefined ? say("number.none") : `${(100 * share).toFixed(1)} %`;
}

/** The bytes of a packed array: base64 of zlib. */
async function inflate(packed) {
  const raw = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  packed.bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  delete packed.data;
}

function loadImage(sheet) {
  return new Promise((resolve, reject) => {
    sheet.image = new Image();
    sheet.image.onload = resolve;
    sheet.image.onerror = reject;
    sheet.image.src = sheet.source;
  });
}

/** Unpack everything that is packed, wherever it is. */
async function unpackAll() {
  const waiting = [];
  const visit = (value) => {
    if (value === null || typeof value !== "object") return;
    if (typeof value.data === "string" && value.shape) waiting.push(inflate(value));
    else if (typeof value.source === "string" && value.columns) waiting.push(loadImage(value));
    else Object.values(value).forEach(visit);
  };
  visit(lesson);
  await Promise.all(waiting);
}

/** The n-th mask of a packed stack of bits [N, rows, columns], a byte for each pixel. */
function maskOf(packed, n) {
  const [, rows, columns] = packed.shape;
  const mask = new Uint8Array(rows * columns);
  for (let pixel = 0, bit = n * mask.length; pixel < mask.length; pixel++, bit++) {
    mask[pixel] = (packed.bytes[bit >> 3] >> (7 - (bit & 7))) & 1;
  }
  return mask;
}

/** The logit that a byte stands for; NaN where there is no vote. */
function logitOf(byte) {
  return byte === 0 ? NaN : ((byte - 1) / 254) * 2 * lesson.limit - lesson.limit;
}

/** What a setting is called. */
function nameOf(way) {
  return `way.${way.name}` in words ? say(`way.${way.name}`) : way.name;
}

/** The walk of a way along a plane in a direction, or the other one where it did not go so. */
function walkOf(way, plane, step) {
  const walks = lesson.ways[way].planes[plane]?.walks ?? [];
  return walks.find((walk) => walk.step === step) ?? walks[0] ?? null;
}

/** The pictures that the model saw under a setting along a plane. */
function lookOf(way, plane) {
  return lesson.looks[lesson.ways[way].planes[plane].look];
}

/** What a walk saw of a slice: its number in the walk, and what was noted. */
function seenOf(walk, index) {
  const number = walk.seen.findIndex((one) => one.index === index);
  return number < 0 ? null : { number, mask: maskOf(walk.masks, number), ...walk.seen[number] };
}

/** Where a slice is among all of its plane, going forward. */
function positionOf(plane, index) {
  return lesson.planes[plane].indices.indexOf(index);
}

function sliceText(plane, index) {
  const place = lesson.planes[plane].places[positionOf(plane, index)];
  return say("slice.of", { plane: say(`plane.${plane}`), index, place });
}

/** Dice of two masks; null where both are empty. */
function diceOf(one, other) {
  let both = 0, total = 0;
  for (let n = 0; n < one.length; n++) {
    both += one[n] & other[n];
    total += one[n] + other[n];
  }
  return total ? (2 * both) / total : null;
}

/** A bit of a volume of bits packed without gaps, as the reference is. */
function bitAt(packed, n) {
  return (packed.bytes[n >> 3] >> (7 - (n & 7))) & 1;
}

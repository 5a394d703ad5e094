// Parts 1 and 2: a slice, its memory bank, and what it attended to.
"use strict";

/** Of what was seen of a slice: painted slices let in and kept out, recent slices, pointers. */
function bankOf(walk, seen) {
  const pictures = seen.pictures.map(([index, age, share], n) => ({ index, age, share, n }));
  const near = pictures.filter((one) => one.age === PROMPT), recent = pictures.filter((one) => one.age !== PROMPT);
  const known = near.map((one) => one.index);
  const out = seen.confidence === null ? [] : walk.given.filter((index) => !known.includes(index));
  return { near, recent, out, pointers: seen.pointers.map(([index, ago, share]) => ({ index, ago, share })) };
}

/** The row of the table of temporal embeddings for an age: the last is for painted slices. */
function rowOf(age) {
  return age === PROMPT ? lesson.ages + 1 : age === OLDEST ? lesson.ages : age;
}

/** Number in a walk's maps of attention of the first picture of a slice. */
function firstMap(walk, number) {
  return walk.seen.slice(0, number).reduce((total, one) => total + one.pictures.length, 0);
}

/** Draw what the model saw of a slice with its answer, and the reference where there is one. */
function drawAnswer(canvas, state, seen) {
  const look = lookOf(state.way, state.plane), side = look.pictures.size;
  drawSeen(canvas, look, seen.index);
  let reference = null;
  if (look.reference) {
    reference = maskOf(look.reference, look.visited.indexOf(seen.index));
    if (state.truth) outline(canvas, reference, side, side, COLOURS.reference, { dash: DASHES.reference });
  }
  outline(canvas, seen.mask, side, side, seen.confidence === null ? COLOURS.given : COLOURS.answer, { width: 5 });
  return reference && seen.confidence !== null ? diceOf(seen.mask, reference) : null;
}

function sentenceOf(state, walk, seen) {
  if (walk === null || seen === null) return say("slices.none");
  if (seen.confidence === null) return say("slices.given");
  const bank = bankOf(walk, seen);
  return say("slices.predicted", {
    number: seen.number + 1, count: walk.seen.length, confidence: figure(seen.confidence, 2), painted: bank.near.length,
    recent: bank.recent.length, pointers: bank.pointers.length, out: bank.out.length,
  });
}

function answerLegend(seen) {
  const kind = seen.confidence === null ? "legend.given" : "legend.answer";
  const entries = [legendEntry(say(kind), COLOURS.answer)];
  if (lesson.reference) entries.push(legendEntry(say("legend.reference"), COLOURS.reference, DASHES.reference));
  return entries;
}

/** A remembered picture that leads to its slice. */
function thumbnail(state, walk, one, lines, map = null) {
  const canvas = element("canvas", { width: 320, height: 320, "aria-hidden": "true" });
  const seen = seenOf(walk, one.index), look = lookOf(state.way, state.plane), side = look.pictures.size;
  drawSeen(canvas, look, one.index);
  if (map) overlay(canvas, map.values, map.side, map.side, COLOURS.heat);
  if (seen) outline(canvas, seen.mask, side, side, COLOURS.memory, { width: 5 });
  const go = say("bank.goto", { index: one.index });
  const button = element("button", { type: "button", title: go, "aria-label": go, onclick: () => change({ index: one.index }) }, canvas);
  return element("li", {}, button, ...lines.flatMap((line, n) => (n ? [element("br"), line] : [line])));
}

function showBank(state, walk, seen) {
  const bank = bankOf(walk, seen), rows = lesson.ages + 1, groups = [];
  const group = (kind, items) => {
    const list = items.length ? element("ul", { class: "thumbs" }, ...items) : element("p", {}, say("bank.nothing"));
    groups.push(element("div", { class: `group ${kind}` }, element("h4", {}, say(`bank.${kind}`)), list));
  };
  const slice = (one) => say("bank.slice", { index: one.index });
  const row = (one) => say(one.age === PROMPT ? "bank.row.prompt" : "bank.row", { row: rowOf(one.age), rows });
  group("near", bank.near.map((one) => thumbnail(state, walk, one, [slice(one), row(one)])));
  group("out", bank.out.map((index) => thumbnail(state, walk, { index }, [slice({ index }), say("bank.out.why")])));
  group("recent", bank.recent.map((one) => thumbnail(state, walk, one, [slice(one), row(one)])));
  const pointers = bank.pointers.map((one) => say("bank.pointer", one)).join("; ");
  groups.push(
    element("div", { class: "group" }, element("h4", {}, say("bank.pointers")), element("p", {}, pointers || say("bank.nothing")))
  );
  byId("bank").replaceChildren(...groups);
  byId("bankLegend").replaceChildren(legendEntry(say("legend.memory"), COLOURS.memory));
}

/** The stack of slices as a line, with lines from a slice to what it looked at. */
function showStack(state, walk, seen) {
  const svg = byId("stack"), bank = bankOf(walk, seen), order = lesson.planes[state.plane].visited;
  const first = positionOf(state.plane, order[0]), last = positionOf(state.plane, order.at(-1));
  const x = (index) => 40 + (920 * (positionOf(state.plane, index) - first)) / Math.max(1, last - first);
  const here = x(seen.index), base = 140;
  svg.replaceChildren(element("line", { x1: 30, x2: 970, y1: base, y2: base, stroke: "#57606a", "stroke-width": 2 }));
  for (const one of walk.seen) {
    svg.append(element("line", { x1: x(one.index), x2: x(one.index), y1: base - 4, y2: base + 4, stroke: "#57606a" }));
  }
  const arc = (one, colour, dash, height) => {
    const there = x(one.index), top = base - height * (0.35 + 0.65 * Math.min(1, Math.abs(there - here) / 460));
    const path = { d: `M${here} ${base - 12} Q${(here + there) / 2} ${2 * top - base} ${there} ${base - 12}`, fill: "none" };
    svg.append(element("path", { ...path, stroke: colour, "stroke-width": 4, ...(dash ? { "stroke-dasharray": dash } : {}) }));
  };
  bank.pointers.forEach((one) => arc(one, COLOURS.both, "2 6", 62));
  bank.near.forEach((one) => arc(one, COLOURS.given, "", 66));
  bank.recent.forEach((one) => arc(one, "#0072b2", "9 6", 40));
  for (const index of walk.given) {
    const isOut = bank.out.includes(index);
    const shape = { d: `M${x(index)} ${base - 13} l-11 22 h22 z`, fill: isOut ? "#fff" : COLOURS.given, stroke: "#1b1f24" };
    svg.append(element("path", { ...shape, "stroke-width": 2, ...(isOut ? { "stroke-dasharray": "3 3" } : {}) }));
    svg.append(element("text", { x: x(index), y: base + 36, "text-anchor": "middle" }, String(index)));
  }
  for (const one of bank.recent) {
    svg.append(element("rect", { x: x(one.index) - 7, y: base - 7, width: 14, height: 14, fill: "#0072b2" }));
  }
  svg.append(element("circle", { cx: here, cy: base, r: 10, fill: "#1b1f24", stroke: "#fff", "stroke-width": 2 }));
  const label = { x: here, y: base + 62, "text-anchor": "middle", "font-weight": 700 }; // below the others, which may be near
  svg.append(element("line", { x1: here, x2: here, y1: base + 12, y2: base + 44, stroke: "#1b1f24" }));
  svg.append(element("text", label, String(seen.index)));
  const list = (some) => some.map((one) => one.index ?? one).join(", ") || say("bank.nothing");
  svg.setAttribute("aria-label", say("stack.label", {
    index: seen.index, near: list(bank.near), out: list(bank.out), recent: list(bank.recent), pointers: list(bank.pointers),
  }));
}

function showSlices(state) {
  const walk = walkOf(state.way, state.plane, state.step), seen = walk && seenOf(walk, state.index);
  byId("slices").classList.toggle("empty", !seen);
  for (const columns of byId("slices").querySelectorAll(".columns")) columns.hidden = !seen;
  let sentence = sentenceOf(state, walk, seen);
  if (seen) {
    const canvas = byId("seen"), found = drawAnswer(canvas, state, seen);
    canvas.dataset.dice = found ?? "";
    if (found !== null) sentence += " " + say("slices.dice", { dice: figure(found) });
    canvas.setAttribute("aria-label", say("picture.label", { slice: sliceText(state.plane, state.index), sentence }));
    canvas.nextElementSibling.replaceChildren(...answerLegend(seen));
    showStack(state, walk, seen);
    showBank(state, walk, seen);
    const rows = lesson.ways[state.way].choices.map(([label, value]) =>
      element("tr", {}, element("th", { scope: "row" }, label), element("td", {}, value)));
    byId("choices").replaceChildren(...rows);
  }
  return sentence;
}

function showAttention(state) {
  const walk = walkOf(state.way, state.plane, state.step), seen = walk && seenOf(walk, state.index);
  let why = "";
  if (!seen) why = say("slices.none");
  else if (seen.confidence === null) why = say("attention.given");
  else if (!walk.heat) why = say("attention.unknown");
  byId("unattended").textContent = why;
  byId("attended").hidden = Boolean(why);
  if (why) return seen ? sentenceOf(state, walk, seen) : why;

  const canvas = byId("seen2"), sentence = sentenceOf(state, walk, seen);
  drawAnswer(canvas, state, seen);
  canvas.setAttribute("aria-label", say("picture.label", { slice: sliceText(state.plane, state.index), sentence }));
  canvas.nextElementSibling.replaceChildren(...answerLegend(seen));

  const bank = bankOf(walk, seen), all = [...bank.near, ...bank.recent];
  const pointed = bank.pointers.reduce((total, one) => total + one.share, 0);
  const kinds = all.map((one) => [one.age === PROMPT ? "near" : "recent", say(one.age === PROMPT ? "attention.near" : "attention.recent", one), one.share]);
  if (bank.pointers.length) kinds.push(["pointers", say("attention.pointers", { count: bank.pointers.length }), pointed]);
  const rows = kinds.map(([kind, text, share]) => {
    const bar = element("i", { class: kind, style: `width: ${(100 * share).toFixed(2)}%` });
    return element("tr", {}, element("th", { scope: "row" }, text), element("td", { "data-value": share }, percent(share)),
      element("td", { class: "bar", "aria-hidden": "true" }, bar));
  });
  const total = kinds.reduce((sum, [, , share]) => sum + share, 0);
  rows.push(element("tr", { class: "total" }, element("th", { scope: "row" }, say("attention.sum")),
    element("td", { "data-value": total }, percent(total)), element("td", { class: "bar" })));
  byId("shares").tBodies[0].replaceChildren(...rows);

  const start = firstMap(walk, seen.number), side = walk.heat.shape[1];
  const maps = all.map((one) => {
    const values = walk.heat.bytes.subarray((start + one.n) * side * side, (start + one.n + 1) * side * side);
    const text = say("attention.map", { share: percent(one.share), index: one.index });
    return thumbnail(state, walk, one, [text], { values, side });
  });
  byId("maps").replaceChildren(...maps);
  byId("mapsLegend").replaceChildren(legendEntry(say("legend.memory"), COLOURS.memory));
  return sentence;
}

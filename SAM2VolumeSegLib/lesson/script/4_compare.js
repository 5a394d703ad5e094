// Part 3: two settings side by side.
"use strict";

/** Where two settings part along the plane; the numbers are the same whichever comes first. */
function partingOf(state) {
  const [a, b] = [state.a, state.b].sort((one, other) => one - other);
  return a === b ? null : lesson.partings[`${a} ${b} ${state.plane}`][state.by];
}

/** The mask of a setting on a slice: its axis alone, or the final one. */
function answerOf(way, slice, state) {
  const bit = state.by === "final" ? FINAL : PLANES.indexOf(state.plane);
  return sliced(slice, (n) => (lesson.ways[way].masks.bytes[n] >> bit) & 1);
}

function saysNothing(way, state) {
  return state.by === "axis" && !lesson.ways[way].planes[state.plane];
}

function showPair(state, slice) {
  for (const [letter, way, colour] of [["A", state.a, COLOURS.answer], ["B", state.b, COLOURS.answer]]) {
    const canvas = byId(`picture${letter}`);
    drawVoxels(canvas, slice);
    if (lesson.reference && state.truth) {
      const truth = sliced(slice, (n) => bitAt(lesson.reference, n));
      outline(canvas, truth, slice.rows, slice.columns, COLOURS.reference, { dash: 2 });
    }
    const mask = answerOf(way, slice, state), name = nameOf(lesson.ways[way]);
    outline(canvas, mask, slice.rows, slice.columns, colour, { width: 5 });
    canvas.dataset.area = mask.reduce((sum, value) => sum + value, 0);
    const caption = say("compare.picture", { letter, name, slice: sliceText(state.plane, state.index) });
    canvas.setAttribute("aria-label", caption);
    const silent = saysNothing(way, state) ? ` ${say("compare.silent", { name })}` : "";
    byId(`caption${letter}`).textContent = caption + silent;
  }
}

function curvesOf(state, parting) {
  const curves = [];
  if (lesson.reference) {
    for (const [letter, way, dash] of [["a", state.a, 0], ["b", state.b, DASHES.b]]) {
      const values = lesson.ways[way].diceOfSlices[state.plane][state.by];
      curves.push({ values, colour: COLOURS[letter], dash, text: say(`compare.curve.${letter}`) });
    }
  }
  if (parting) curves.push({ values: parting.dice, colour: COLOURS.both, dash: DASHES.both, text: say("compare.curve.both") });
  return curves;
}

function showCurves(state, parting, position) {
  const curves = curvesOf(state, parting), svg = byId("curves"), plane = lesson.planes[state.plane];
  byId("curveLegend").replaceChildren(...curves.map((curve) => legendEntry(curve.text, curve.colour, curve.dash)));
  byId("curveTable").replaceChildren();
  svg.replaceChildren();
  if (!curves.length) return;
  drawCurves(svg, curves, position, plane.painted.map((index) => positionOf(state.plane, index)));
  const mean = (values) => {
    const known = values.filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  };
  svg.setAttribute("aria-label", say("compare.curves.label", {
    plane: say(`plane.${state.plane}`), first: curves.map((curve) => curve.text).join(", "),
    means: curves.map((curve) => figure(mean(curve.values))).join(", "),
  }));
  const heads = [say("slice"), ...curves.map((curve) => curve.text)].map((text) => element("th", { scope: "col" }, text));
  const rows = plane.indices.map((index, n) =>
    element("tr", {}, element("th", { scope: "row" }, String(index)),
      ...curves.map((curve) => element("td", { "data-value": curve.values[n] ?? "" }, figure(curve.values[n])))));
  byId("curveTable").append(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

function showCompare(state) {
  const position = positionOf(state.plane, state.index), parting = partingOf(state);
  const slice = cut(state.plane, position), [a, b] = [lesson.ways[state.a], lesson.ways[state.b]];
  showPair(state, slice);
  showCurves(state, parting, position);
  const legend = [legendEntry(say("legend.answer"), COLOURS.answer)];
  if (lesson.reference) legend.push(legendEntry(say("legend.reference"), COLOURS.reference, 5));
  byId("compareLegend").replaceChildren(...legend);

  const indexOf = (n) => lesson.planes[state.plane].indices[n], limit = lesson.partBelow;
  let parts = say("compare.same");
  if (parting && parting.most !== null) {
    parts = parting.first === null
      ? say("compare.never", { limit })
      : say("compare.parts", { first: indexOf(parting.first), most: indexOf(parting.most), limit });
  }
  byId("parts").textContent = parts;
  for (const name of ["first", "most"]) {
    byId(name).disabled = !parting || parting[name] === null;
    byId(name).onclick = () => change({ index: indexOf(parting[name]) });
  }
  const at = (values) => figure(values?.[position]), both = parting ? at(parting.dice) : figure(1);
  if (!lesson.reference) return say("compare.here", { index: state.index, both });
  const whole = say("compare.whole", { a: figure(a.dice), b: figure(b.dice) });
  const of = (way) => at(way.diceOfSlices[state.plane][state.by]);
  return say("compare.here.reference", { index: state.index, a: of(a), b: of(b), both }) + " " + whole;
}

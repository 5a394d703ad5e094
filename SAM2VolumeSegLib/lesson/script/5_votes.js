// Part 4: three axes become one. The point is [axial, coronal, sagittal] slice of the box, going forward.
"use strict";

function numberOf(point) {
  return (point[0] * lesson.shape[1] + point[1]) * lesson.shape[2] + point[2];
}

/** What each axis says of a place: its logit, and what that weighs. */
function votesAt(point) {
  const n = numberOf(point);
  return PLANES.filter((plane) => lesson.votes.planes[plane]).map((plane) => {
    const votes = lesson.votes.planes[plane], logit = logitOf(votes.logits.bytes[n]);
    const [here, not] = votes.weights[point[PLANES.indexOf(plane)]];
    // The byte of a logit next to 0 may be on the other side of it.
    const weight = Number.isNaN(logit) ? 0 : (logit >= 0 ? here ?? not : not ?? here);
    return { plane, logit, weight };
  });
}

function meanOf(votes) {
  const weight = votes.reduce((sum, vote) => sum + vote.weight, 0);
  return weight ? votes.reduce((sum, vote) => sum + (vote.weight ? vote.weight * vote.logit : 0), 0) / weight : NaN;
}

function finalBits(bit) {
  return (n) => (lesson.ways[0].masks.bytes[n] >> bit) & 1;
}

function chance(logit) {
  return `${(100 / (1 + Math.exp(-logit))).toFixed(0)} %`;
}

function drawThrough(state, plane) {
  const canvas = byId(plane), axis = PLANES.indexOf(plane), slice = cut(plane, state.point[axis]);
  drawVoxels(canvas, slice);
  const mean = sliced(slice, finalBits(MEAN)), final = sliced(slice, finalBits(FINAL));
  if (state.showDiffer) {
    const differ = mean.map((value, n) => (value !== final[n] ? 255 : 0));
    overlay(canvas, differ, slice.rows, slice.columns, COLOURS.differ, { most: 0.85, smooth: false });
  }
  if (lesson.reference && state.truth) {
    const truth = sliced(slice, (n) => bitAt(lesson.reference, n));
    outline(canvas, truth, slice.rows, slice.columns, COLOURS.reference, { dash: 1 });
  }
  if (state.showMean) outline(canvas, mean, slice.rows, slice.columns, COLOURS.mean, { dash: 2 });
  if (state.showFinal) outline(canvas, final, slice.rows, slice.columns, COLOURS.final);
  const [row, column] = crossOf(plane, state.point);
  const context = canvas.getContext("2d");
  const x = ((column + 0.5) * canvas.width) / slice.columns, y = ((row + 0.5) * canvas.height) / slice.rows;
  for (const [colour, width] of [["#000", 6], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { // open in the middle, where one looks
      context.moveTo(x + 14 * dx, y + 14 * dy);
      context.lineTo(x + 60 * dx, y + 60 * dy);
    }
    context.stroke();
  }
  const index = lesson.planes[plane].indices[state.point[axis]];
  const text = say("votes.picture", { plane: say(`plane.${plane}`), index });
  canvas.setAttribute("aria-label", text);
  canvas.nextElementSibling.textContent = text;
}

/** Row and column of a point in the picture of a plane, and the way back. */
function crossOf(plane, [s, a, r]) {
  const [S, A, R] = lesson.shape;
  return { axial: [A - 1 - a, R - 1 - r], coronal: [S - 1 - s, R - 1 - r], sagittal: [S - 1 - s, A - 1 - a] }[plane];
}

function pointAt(plane, row, column, [s, a, r]) {
  const [S, A, R] = lesson.shape;
  return {
    axial: [s, A - 1 - row, R - 1 - column], coronal: [S - 1 - row, a, R - 1 - column], sagittal: [S - 1 - row, A - 1 - column, r],
  }[plane];
}

function countDiffering() {
  const { bytes } = lesson.ways[0].masks;
  let differ = 0, all = 0;
  for (const byte of bytes) {
    const mean = (byte >> MEAN) & 1, final = (byte >> FINAL) & 1;
    differ += mean ^ final;
    all += final;
  }
  return { count: differ.toLocaleString(words.lang), all: all.toLocaleString(words.lang) };
}

function showVotes(state) {
  PLANES.forEach((plane) => drawThrough(state, plane));
  PLANES.forEach((plane, axis) => {
    const range = byId(`point${axis}`);
    range.max = lesson.shape[axis] - 1;
    range.value = state.point[axis];
    range.setAttribute("aria-valuetext", sliceText(plane, lesson.planes[plane].indices[state.point[axis]]));
  });
  byId("votesWay").textContent = say("votes.way", { name: nameOf(lesson.ways[0]) });

  const votes = votesAt(state.point), mean = meanOf(votes), n = numberOf(state.point);
  const total = votes.reduce((sum, vote) => sum + vote.weight, 0);
  const cell = (text, value) => element("td", value === undefined ? {} : { "data-value": value }, text);
  const rows = votes.map(({ plane, logit, weight }) => {
    const head = element("th", { scope: "row" }, say(`plane.${plane}`));
    if (!weight) return element("tr", { "data-row": plane }, head, element("td", { colspan: 4 }, say("votes.silent")));
    return element("tr", { "data-row": plane }, head, cell(figure(logit, 2), logit), cell(chance(logit)),
      cell(figure(weight), weight), cell(percent(weight / total), weight / total));
  });
  const line = (name, text, ...cells) =>
    element("tr", { class: "total", "data-row": name }, element("th", { scope: "row" }, text), ...cells);
  rows.push(line("mean", say("votes.mean"), ...(total ? [cell(figure(mean, 2), mean), cell(chance(mean))] : [element("td", { colspan: 2 }, say("number.none"))]), cell(figure(total), total), cell(total ? "100.0 %" : "")));
  const wide = () => element("td", { colspan: 3 }), rest = element("td", { colspan: 2 });
  const fused = logitOf(lesson.votes.fused.bytes[n]);
  if (lesson.ways[0].edges) rows.push(line("fused", say("votes.fused"), cell(figure(fused, 2), fused), cell(chance(fused)), rest));
  const place = (inside) => say(inside ? "votes.inside" : "votes.outside");
  const inside = finalBits(FINAL)(n);
  rows.push(line("final", say("votes.final"), cell(place(inside), inside), wide()));
  if (lesson.reference) {
    const truth = bitAt(lesson.reference, n);
    rows.push(line("reference", say("votes.reference"), cell(place(truth), truth), wide()));
  }
  byId("voteTable").tBodies[0].replaceChildren(...rows);

  const counted = votes.filter((vote) => vote.weight);
  byId("sum").textContent = counted.length
    ? say("votes.sum", {
        products: counted.map((vote) => `${figure(vote.weight)} × ${figure(vote.logit, 2)}`).join(" + "),
        weights: counted.map((vote) => figure(vote.weight)).join(" + "), mean: figure(mean, 2),
      })
    : say("votes.no.sum");
  const isPainted = PLANES.some((plane, axis) =>
    lesson.planes[plane].painted.includes(lesson.planes[plane].indices[state.point[axis]]));
  if (isPainted) byId("sum").textContent += ` ${say("votes.painted")}`;
  const nearness = counted.some((vote) => vote.weight !== 1);
  byId("weightWhy").textContent = say(nearness || !counted.length ? "votes.weight.why" : "votes.weight.plain");
  byId("edges").textContent = lesson.ways[0].edges ? say("votes.edges", countDiffering()) : say("votes.no.edges");
  return PLANES.map((plane, axis) => sliceText(plane, lesson.planes[plane].indices[state.point[axis]])).join("; ");
}

/** Let the point follow a finger or the mouse. */
function makeDraggable(plane) {
  const canvas = byId(plane);
  const follow = (event) => {
    const frame = canvas.getBoundingClientRect(), slice = cut(plane, 0);
    const place = (at, length, count) => Math.max(0, Math.min(count - 1, Math.floor((at / length) * count)));
    const row = place(event.clientY - frame.top, frame.height, slice.rows);
    const column = place(event.clientX - frame.left, frame.width, slice.columns);
    change({ point: pointAt(plane, row, column, current.point) });
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) follow(event);
  });
}

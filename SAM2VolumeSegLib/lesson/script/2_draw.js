// Drawing: pictures with outlines on canvases, lines in SVG.
"use strict";

const COLOURS = {
  answer: "#e69f00", given: "#e69f00", reference: "#56b4e9", memory: "#56b4e9", heat: [213, 94, 0],
  a: "#0072b2", b: "#d55e00", both: "#57606a", mean: "#009e73", final: "#e69f00", differ: [204, 121, 167],
};
const DASHES = { reference: 5, memory: 0, mean: 5, b: 5, both: 2 }; // pixels of the outline that are drawn, and left out

/** An element with attributes and children; text is text, whatever it holds. */
function element(name, attributes = {}, ...children) {
  const svg = ["svg", "line", "path", "circle", "rect", "text", "polyline", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

/** Draw a slice as the model saw it, over the whole canvas. */
function drawSeen(canvas, { pictures, visited }, index) {
  const n = visited.indexOf(index), { size, columns, image } = pictures;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(
    image, (n % columns) * size, Math.floor(n / columns) * size, size, size, 0, 0, canvas.width, canvas.height
  );
}

/** Draw the outline of a mask [rows, columns] over the whole canvas. */
function outline(canvas, mask, rows, columns, colour, { width = 4, dash = 0 } = {}) {
  const context = canvas.getContext("2d");
  const x = (column) => (column * canvas.width) / columns, y = (row) => (row * canvas.height) / rows;
  const at = (row, column) =>
    row >= 0 && column >= 0 && row < rows && column < columns ? mask[row * columns + column] : 0;
  const drawn = (row, column) => !dash || (row + column) % (2 * dash) < dash;
  context.beginPath();
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const here = at(row, column);
      if (here !== at(row - 1, column) && drawn(row, column)) {
        context.moveTo(x(column), y(row));
        context.lineTo(x(column + 1), y(row));
      }
      if (here !== at(row, column - 1) && drawn(row, column)) {
        context.moveTo(x(column), y(row));
        context.lineTo(x(column), y(row + 1));
      }
    }
  }
  for (const [style, more] of [["#000", 3], [colour, 0]]) { // a dark rim, for bright bone
    context.strokeStyle = style;
    context.lineWidth = width + more;
    context.globalAlpha = more ? 0.45 : 1;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Lay a colour over the canvas, as strong as values [rows, columns] in 0..255 say. */
function overlay(canvas, values, rows, columns, colour, { most = 0.8, smooth = true } = {}) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [columns, rows];
  const picture = new ImageData(columns, rows);
  for (let n = 0; n < rows * columns; n++) picture.data.set([...colour, most * values[n]], 4 * n);
  small.getContext("2d").putImageData(picture, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = smooth;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** How a slice of the box lies in its volumes: seen as radiologists do, from below, from the front, from the left. */
function cut(plane, position) {
  const [S, A, R] = lesson.shape, [sMm, aMm, rMm] = lesson.spacing;
  const at = (s, a, r) => (s * A + a) * R + r;
  return {
    axial: { rows: A, columns: R, rowMm: aMm, columnMm: rMm, at: (y, x) => at(position, A - 1 - y, R - 1 - x) },
    coronal: { rows: S, columns: R, rowMm: sMm, columnMm: rMm, at: (y, x) => at(S - 1 - y, position, R - 1 - x) },
    sagittal: { rows: S, columns: A, rowMm: sMm, columnMm: aMm, at: (y, x) => at(S - 1 - y, A - 1 - x, position) },
  }[plane];
}

/** A slice of a volume, by what it says of a voxel's number. */
function sliced(slice, value) {
  const values = new Uint8Array(slice.rows * slice.columns);
  for (let y = 0, n = 0; y < slice.rows; y++) {
    for (let x = 0; x < slice.columns; x++, n++) values[n] = value(slice.at(y, x));
  }
  return values;
}

/** Draw the voxels of a slice, as large as millimetres say; the longer side is 720 pixels. */
function drawVoxels(canvas, slice) {
  const height = slice.rows * slice.rowMm, width = slice.columns * slice.columnMm, scale = 720 / Math.max(height, width);
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  const small = document.createElement("canvas");
  [small.width, small.height] = [slice.columns, slice.rows];
  const picture = new ImageData(slice.columns, slice.rows), grey = sliced(slice, (n) => lesson.ct.bytes[n]);
  grey.forEach((value, n) => picture.data.set([value, value, value, 255], 4 * n));
  small.getContext("2d").putImageData(picture, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** A piece of outline for a legend. */
function legendEntry(text, colour, dash = 0) {
  const line = element("line", { x1: 0, x2: 30, y1: 5, y2: 5, stroke: colour, "stroke-width": 4 });
  if (dash) line.setAttribute("stroke-dasharray", dash > 3 ? "6 5" : "2 3");
  const sample = element("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" }, line);
  return element("span", {}, sample, text);
}

/** Curves of values by slice, null where there is none, with a line at a slice and ticks where somebody painted. */
function drawCurves(svg, curves, position, painted) {
  const count = Math.max(...curves.map((curve) => curve.values.length));
  const x = (n) => 80 + (900 * n) / Math.max(1, count - 1), y = (value) => 215 - 195 * value;
  svg.replaceChildren();
  for (const level of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(
      element("line", { x1: 80, x2: 980, y1: y(level), y2: y(level), stroke: "#d0d7de" }),
      element("text", { x: 70, y: y(level) + 7, "text-anchor": "end" }, String(level))
    );
  }
  for (const n of painted) {
    svg.append(element("path", { d: `M${x(n)} 222 l-7 14 h14 z`, fill: COLOURS.given, stroke: "#1b1f24" }));
  }
  svg.append(element("text", { x: 80, y: 256 }, `▲ ${say("painted.ticks")}`));
  for (const { values, colour, dash } of curves) {
    let path = "";
    values.forEach((value, n) => {
      if (value === null) return;
      const goesOn = n > 0 && values[n - 1] !== null;
      path += goesOn ? `L${x(n)} ${y(value)}` : `M${x(n) - 2} ${y(value)}h4M${x(n)} ${y(value)}`;
    });
    const style = { d: path || "M0 0", fill: "none", stroke: colour, "stroke-width": 4 };
    if (dash) style["stroke-dasharray"] = dash > 3 ? "12 8" : "3 6";
    svg.append(element("path", style));
  }
  svg.append(element("line", { x1: x(position), x2: x(position), y1: 12, y2: 222, stroke: "#1b1f24", "stroke-width": 2 }));
}

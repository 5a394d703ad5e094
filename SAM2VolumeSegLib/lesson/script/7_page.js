// What the page shows is a state, which its address holds behind the "#": so a place can be linked to.
"use strict";

const VIEWS = { slices: showSlices, attention: showAttention, compare: showCompare, votes: showVotes, questions: showQuestions };
const WALKING = ["slices", "attention"];
const MILLISECONDS = 350; // of a slice, when they are played
const NUMBERS = ["way", "a", "b", "step", "index"];
const current = {
  view: "slices", way: 0, a: 0, b: Math.min(1, lesson.ways.length - 1), plane: lesson.walked[0], step: 1, index: null,
  by: "axis", point: lesson.shape.map((count) => count >> 1), truth: true, showMean: true, showFinal: true, showDiffer: false,
};
let playing = null;

function addressOf(place) {
  return "#" + Object.entries(place).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}

/** The state that an address asks for; what it does not say stays, and what makes no sense is left out. */
function read(address) {
  const asked = {};
  for (const [name, value] of new URLSearchParams(address.slice(1))) {
    if (NUMBERS.includes(name)) asked[name] = Number(value);
    else if (name === "point") asked.point = value.split(",").map(Number);
    else if (name in current) asked[name] = value;
  }
  const isWay = (n) => n === undefined || Boolean(lesson.ways[n]);
  const makesSense = (!asked.view || asked.view in VIEWS) && [asked.way, asked.a, asked.b].every(isWay) &&
    (!asked.plane || PLANES.includes(asked.plane)) && (!asked.point || (asked.point.length === 3 && asked.point.every((n, axis) => n >= 0 && n < lesson.shape[axis])));
  return makesSense ? asked : {};
}

/** The slices that can be gone through: those of the walk, or all. */
function indicesOf(state) {
  if (!WALKING.includes(state.view)) return lesson.planes[state.plane].indices;
  const walk = walkOf(state.way, state.plane, state.step);
  const seen = new Set(walk ? walk.seen.map((one) => one.index) : []);
  return lesson.planes[state.plane].visited.filter((index) => seen.has(index));
}

/** Bring a state to where there is something to see: an axis of the setting, a direction it went, a slice it passed. */
function settle(state) {
  if (WALKING.includes(state.view)) {
    if (!lesson.ways[state.way].planes[state.plane]) state.plane = Object.keys(lesson.ways[state.way].planes)[0];
    state.step = walkOf(state.way, state.plane, state.step).step;
  }
  const indices = indicesOf(state), middle = indices[indices.length >> 1];
  const wanted = positionOf(state.plane, state.index ?? middle);
  const from = (index) => Math.abs(positionOf(state.plane, index) - (wanted < 0 ? indices.length >> 1 : wanted));
  const nearest = (some) => some.reduce((best, index) => (from(index) < from(best) ? index : best), some[0]);
  state.index = nearest(state.index === null ? answered(state, indices) : indices);
}

/** The slices on which something was predicted: the page opens on one of them, and not on the painted one in the middle. */
function answered(state, indices) {
  const walk = WALKING.includes(state.view) ? walkOf(state.way, state.plane, state.step) : null;
  const found = walk ? walk.seen.filter((one) => one.confidence !== null).map((one) => one.index) : [];
  return found.length ? found : indices;
}

function change(asked) {
  Object.assign(current, asked);
  settle(current);
  const { view, way, a, b, plane, step, index, by, point } = current;
  const parts = { slices: { way, plane, step, index }, attention: { way, plane, step, index }, compare: { a, b, plane, index, by }, votes: { point } };
  history.replaceState(null, "", addressOf({ view, ...parts[view] }));
  show();
}

function show() {
  const { view } = current;
  for (const name of Object.keys(VIEWS)) {
    const tab = byId(`tab-${name}`);
    tab.setAttribute("aria-selected", name === view);
    tab.tabIndex = name === view ? 0 : -1;
    byId(name).hidden = name !== view;
  }
  showControls();
  byId("sentence").textContent = VIEWS[view](current);
}

function showControls() {
  const { view } = current, isWalk = WALKING.includes(view), isPair = view === "compare";
  byId("controls").hidden = view === "questions";
  for (const [selector, wanted] of [[".way", isWalk], [".step", isWalk], [".pair", isPair], [".plane", isWalk || isPair], [".slider", isWalk || isPair], [".keys", isWalk || isPair]]) {
    byId("controls").querySelectorAll(selector).forEach((one) => { one.hidden = !wanted; });
  }
  byId("controls").querySelector(".check").hidden = !lesson.reference;
  for (const name of ["way", "a", "b", "plane", "by"]) byId(name).value = current[name];
  const planes = isWalk ? Object.keys(lesson.ways[current.way].planes) : PLANES;
  for (const option of byId("plane").options) option.disabled = !planes.includes(option.value);
  const steps = (lesson.ways[current.way].planes[current.plane]?.walks ?? []).map((walk) => String(walk.step));
  for (const option of byId("step").options) option.disabled = !steps.includes(option.value);
  byId("step").value = current.step;
  const indices = indicesOf(current), text = sliceText(current.plane, current.index);
  byId("index").max = indices.length - 1;
  byId("index").value = indices.indexOf(current.index);
  byId("index").setAttribute("aria-valuetext", text);
  byId("where").textContent = text;
}

/** Go to the next slice or the one before. Returns whether there is one. */
function go(by) {
  const indices = indicesOf(current), next = indices[indices.indexOf(current.index) + by];
  if (next !== undefined) change({ index: next });
  return next !== undefined;
}

function play(wanted) {
  clearInterval(playing);
  const indices = indicesOf(current);
  if (wanted && current.index === indices.at(-1)) change({ index: indices[0] });
  playing = wanted ? setInterval(() => go(1) || play(false), MILLISECONDS) : null;
  byId("play").textContent = say(wanted ? "stop" : "play");
  byId("play").setAttribute("aria-pressed", wanted);
  byId("sentence").setAttribute("aria-live", wanted ? "off" : "polite"); // a screen reader cannot keep up with it
}

function fill(id, entries) {
  byId(id).replaceChildren(...entries.map(([value, text]) => element("option", { value }, text)));
}

function listen() {
  const tabs = Object.keys(VIEWS);
  for (const name of tabs) {
    byId(`tab-${name}`).addEventListener("click", () => { play(false); change({ view: name }); });
    byId(`tab-${name}`).addEventListener("keydown", (event) => {
      const next = { ArrowRight: 1, ArrowLeft: -1, Home: -tabs.indexOf(name), End: tabs.length - 1 - tabs.indexOf(name) }[event.key];
      if (next === undefined) return;
      const other = tabs[(tabs.indexOf(name) + next + tabs.length) % tabs.length];
      change({ view: other });
      byId(`tab-${other}`).focus();
      event.preventDefault();
      event.stopPropagation();
    });
  }
  for (const name of ["way", "a", "b", "step"]) byId(name).addEventListener("change", (event) => change({ [name]: Number(event.target.value) }));
  for (const name of ["plane", "by"]) byId(name).addEventListener("change", (event) => change({ [name]: event.target.value }));
  for (const name of ["truth", "showMean", "showFinal", "showDiffer"]) {
    byId(name).addEventListener("change", (event) => change({ [name]: event.target.checked }));
  }
  byId("index").addEventListener("input", (event) => change({ index: indicesOf(current)[event.target.value] }));
  byId("play").addEventListener("click", () => play(playing === null));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  PLANES.forEach((plane, axis) => {
    makeDraggable(plane);
    byId(`point${axis}`).addEventListener("input", (event) => {
      change({ point: current.point.map((n, other) => (other === axis ? Number(event.target.value) : n)) });
    });
  });
  document.addEventListener("keydown", (event) => {
    const own = ["INPUT", "SELECT", "BUTTON", "SUMMARY", "A"].includes(document.activeElement.tagName);
    if (own || event.ctrlKey || event.altKey || event.metaKey || !(WALKING.includes(current.view) || current.view === "compare")) return;
    if (event.key === "ArrowRight" || event.key === "ArrowUp") go(1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowDown") go(-1);
    else if (event.key === " ") play(playing === null);
    else return;
    event.preventDefault();
  });
  window.addEventListener("hashchange", () => { play(false); change(read(location.hash)); });
  window.addEventListener("beforeprint", showAll);
  window.addEventListener("afterprint", show);
}

/** Every part as it is set, for paper; each says where it is, because the controls are not printed. */
function showAll() {
  document.querySelectorAll(".idea details").forEach((one) => { one.open = true; });
  for (const [name, showView] of Object.entries(VIEWS)) {
    const state = { ...current, view: name };
    settle(state);
    const sentence = showView(state), where = byId(name).querySelector(".state");
    if (!where) continue;
    const ways = name === "compare" ? [state.a, state.b] : [state.way];
    where.textContent = `${ways.map((way) => nameOf(lesson.ways[way])).join(" / ")}. ${sliceText(state.plane, state.index)}. ${sentence}`;
  }
}

async function begin() {
  if (typeof DecompressionStream === "undefined") {
    byId("loading").textContent = say("too.old");
    return;
  }
  await unpackAll();
  for (const id of ["way", "a", "b"]) fill(id, lesson.ways.map((way, n) => [n, nameOf(way)]));
  fill("plane", PLANES.map((plane) => [plane, say(`plane.${plane}`)]));
  fill("step", [[1, say("step.1")], [-1, say("step.-1")]]);
  listen();
  byId("loading").remove();
  change(read(location.hash));
  document.body.dataset.ready = "true";
}

begin();

"use strict";
// All is there without this script, too: it hides and shows lines, enlarges pictures, and goes from suspect to suspect.
const suspects = [...document.querySelectorAll(".suspect")];
const place = document.getElementById("place");
let at = -1;

function go(by) {
  if (!suspects.length) return;
  at = Math.min(Math.max(at + by, 0), suspects.length - 1);
  suspects[at].scrollIntoView({ block: "start" });
  suspects[at].focus({ preventScroll: true });
  place.textContent = place.dataset.said.replace("{number}", at + 1).replace("{count}", suspects.length);
}

for (const [id, name] of [["show-lines", "no-lines"], ["show-errors", "no-errors"]]) {
  const box = document.getElementById(id);
  const show = () => document.body.classList.toggle(name, !box.checked);
  box.addEventListener("change", show);
  show();
}
for (const [id, by] of [["next", 1], ["previous", -1]]) {
  const button = document.getElementById(id);
  button.disabled = !suspects.length;
  button.addEventListener("click", () => go(by));
}
for (const button of document.querySelectorAll(".larger")) {
  button.addEventListener("click", () => {
    const large = button.parentElement.classList.toggle("large");
    button.setAttribute("aria-pressed", large);
  });
}
document.addEventListener("focusin", (event) => {
  const found = suspects.indexOf(event.target.closest(".suspect"));
  if (found >= 0) at = found;
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select")) return;
  const key = event.key.toLowerCase();
  if (key === "n") go(1);
  if (key === "p") go(-1);
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
document.getElementById("controls").hidden = false;

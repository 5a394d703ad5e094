// Part 5: the questions of a class.
"use strict";

/** The values of an answer as people read them. */
function valuesOf({ words: kind, values }) {
  const said = { ...values };
  for (const name of ["share", "own", "plain"]) if (name in said) said[name] = percent(said[name]);
  for (const name of ["agree", "mean", "figure"]) if (name in said) said[name] = figure(said[name], 2);
  if (values.away !== undefined) said.away = figure(values.away, 1);
  if (values.plane) said.plane = say(`plane.${values.plane}`);
  if (values.alone) said.alone = say(`plane.${values.alone}`);
  if (values.inside !== undefined) said.where = say(values.inside ? "votes.inside" : "votes.outside");
  if (values.says) {
    said.says = Object.entries(values.says).map(([plane, logit]) => `${say(`plane.${plane}`)} ${figure(logit, 2)}`).join(", ");
  }
  if (kind === "seeds" && values.dice) {
    if (values.dice.length === 1) return ["answer.seeds.both", { ...said, both: figure(values.dice[0], 2) }];
    [said.a, said.b] = values.dice.map((value) => figure(value, 2));
  }
  return [`answer.${kind}`, said];
}

function placeText(place) {
  const index = place.index, plane = place.plane && say(`plane.${place.plane}`);
  if (place.view === "compare") {
    const pair = { a: nameOf(lesson.ways[place.a]), b: nameOf(lesson.ways[place.b]), plane, index };
    return say(index === undefined ? "question.where.compare" : "question.where.compare.at", pair);
  }
  if (place.view === "votes" || index === undefined) return say(`view.${place.view}`);
  const way = nameOf(lesson.ways[place.way]);
  return say(`question.where.${place.view}`, { way, plane, index, step: say(`step.${place.step ?? 1}`) });
}

function showQuestions() {
  const items = lesson.questions.map((question) => {
    const links = question.places.map((place) =>
      element("li", {}, element("a", { href: addressOf(place) }, placeText(place))));
    const { source, volumes, ...figures } = question.paper;
    const paper = `${say("question.paper")}: ${say(`paper.${question.name}`, figures)} (${say("paper.source", { source, volumes: volumes.toLocaleString(words.lang) })})`;
    return element("li", { "data-question": question.name },
      element("p", { class: "task" }, say(`question.${question.name}`)),
      element("div", { class: "write" }, say("question.write")),
      element("p", { class: "go" }, `${say("question.go")}:`), element("ul", {}, ...links),
      element("details", {}, element("summary", {}, say("question.answer")), element("p", {}, say(...valuesOf(question)))),
      element("p", { class: "source" }, paper));
  });
  byId("asked").replaceChildren(...items);
  return "";
}

// The web face of the task: shows what the server says and sends what the annotator answers. All decisions are the
// server's. Text reaches the page as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const RETRY = 2000; // milliseconds between tries while the server cannot be reached
let view = null; // what is shown
let shown = 0; // when the open question appeared
let work = Promise.resolve(); // requests, one after another, in the order of the keys

function only(name) {
  for (const main of document.querySelectorAll("main")) main.hidden = main.id !== name;
}

async function request(action, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  for (;;) {
    let answer;
    try {
      answer = await fetch(`/api/${action}`, options);
    } catch {
      $("notice").textContent = "The server cannot be reached; your answer will be sent again. Keep this page open.";
      await new Promise((resolve) => setTimeout(resolve, RETRY));
      continue;
    }
    $("notice").textContent = "";
    const said = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
    if (answer.ok) return said;
    throw Object.assign(new Error(said.error), { status: answer.status });
  }
}

// Do `action` after all that was asked before, on what is shown by then.
function then(action) {
  work = work.then(action).catch((error) => {
    if (error.status === 401) only("join");
    else $("notice").textContent = error.message;
  });
  return work;
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function show(next) {
  view = next;
  shown = performance.now();
  if (view.item === null) return showDone();
  only("task");
  $("bar").max = view.of;
  $("bar").value = view.complete;
  $("count").textContent = `picture ${view.number} of ${view.of}`;
  if ($("picture").dataset.item !== view.item) {
    $("picture").dataset.item = view.item;
    scrollTo({ top: 0, behavior: "instant" }); // the style sheet scrolls smoothly elsewhere
    $("picture").src = view.picture;
    $("picture").alt = `Picture ${view.number} of ${view.of}, to be judged`;
    $("guide").src = view.guide;
    $("class-name").textContent = view.class_name;
    $("definition").textContent = view.definition;
    $("examples").replaceChildren(...view.examples.map((src, i) =>
      element("img", { src, alt: `Photograph ${i + 1} of the class ${view.class_name}`, loading: "lazy" })));
    if (view.ahead) new Image().src = view.ahead;
  }
  $("questions").replaceChildren(...view.questions.map(row));
  $("previous").disabled = view.previous === null;
  $("next").disabled = view.next === null;
  $("undo").disabled = !view.can_undo;
  const open = view.questions.find((question) => question.name === view.open);
  $("spoken").textContent = `Picture ${view.number} of ${view.of}. ${open ? open.text : "All answered."}`;
}

function row(question) {
  const buttons = ["yes", "no"].map((answer) => element("button", {
    type: "button", className: `${answer}${question.answer === answer ? " chosen" : ""}`,
    ariaPressed: String(question.answer === answer), onclick: () => then(() => send(question.name, answer)),
  }, answer === "yes" ? "Yes " : "No ", element("kbd", {}, answer[0])));
  const made = element("fieldset", { className: question.name === view.open ? "open" : "" },
    element("legend", {}, question.text), ...buttons);
  made.dataset.question = question.name;
  return made;
}

function showDone() {
  only("done");
  $("undo-last").hidden = !view.can_undo;
  $("done-text").textContent = view.of === 0 ? "There is nothing left to ask you: every picture has its votes."
    : `You have answered all ${view.of} pictures of this session.`;
  $("more").hidden = view.of === 0;
  $("done").dataset.of = view.of;
}

async function send(question, answer) {
  if (!view || view.item === null || !question) return;
  const seconds = (performance.now() - shown) / 1000;
  show(await request("answer", { item: view.item, question, answer, seconds }));
}

const undo = async () => show(await request("undo", {}));
const go = async (item) => item && show(await request(`state?item=${encodeURIComponent(item)}`));

async function more() {
  const before = view.of;
  const next = await request("more", {});
  if (next.item === null && before > 0) next.of = 0; // nothing new was to be had
  show(next);
}

const KEYS = {
  y: () => send(view.open, "yes"), n: () => send(view.open, "no"),
  u: undo, Backspace: undo,
  ArrowLeft: () => go(view.previous), ArrowRight: () => go(view.next),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !view || $("instructions").open) return;
  if (event.target instanceof HTMLInputElement || !$("join").hidden) return;
  if (event.key === "?") return void $("instructions").showModal();
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  then(act);
});

$("previous").onclick = () => then(KEYS.ArrowLeft);
$("next").onclick = () => then(KEYS.ArrowRight);
$("undo").onclick = $("undo-last").onclick = () => then(undo);
$("more").onclick = () => then(more);
$("help").onclick = () => $("instructions").showModal();
$("join-form").onsubmit = (event) => {
  event.preventDefault();
  const token = new URLSearchParams(location.search).get("token") ?? "";
  request("join", { name: $("name").value, token }).then((next) => {
    $("join-error").textContent = "";
    document.activeElement?.blur();
    show(next);
  }).catch((error) => { $("join-error").textContent = error.message; });
};

then(async () => show(await request("state")));

// A table of buttons: a click chooses, arrow keys walk, and the whole table is one stop of the Tab key.
const WALK = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function render({ model, el }) {
  el.classList.add("d3s-table");
  const at = (row, column) => el.querySelector(`button[data-row="${row}"][data-column="${column}"]`);

  function mark() {
    for (const button of el.querySelectorAll("button")) {
      const here = [button.dataset.row, button.dataset.column].map(Number);
      const chosen = here.every((place, axis) => place === model.get("value")[axis]);
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
  }

  function show() {
    const had = el.contains(document.activeElement);
    el.innerHTML = model.get("html");
    mark();
    if (had) at(...model.get("value"))?.focus({ preventScroll: true });
  }

  function choose(button) {
    model.set("value", [button.dataset.row, button.dataset.column].map(Number));
    model.save_changes();
    button.focus();
  }

  el.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) choose(button);
  });
  el.addEventListener("keydown", (event) => {
    if (!(event.key in WALK) || !event.target.matches("button")) return;
    event.preventDefault();
    const [row, column] = [event.target.dataset.row, event.target.dataset.column].map(Number);
    const next = at(row + WALK[event.key][0], column + WALK[event.key][1]);
    if (next) choose(next);
  });
  model.on("change:html", show);
  model.on("change:value", mark);
  show();
  return () => {
    model.off("change:html", show);
    model.off("change:value", mark);
  };
}

export default { render };

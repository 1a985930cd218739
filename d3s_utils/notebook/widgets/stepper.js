// Previous and next: two buttons, and the arrow keys while anything in the viewer has the focus. It listens at the box
// of the viewer, so that no key pressed there reaches the notebook, whose shortcuts are single keys.
const NOT_HERE = "input, textarea, select, [contenteditable=true], [role=slider], .d3s-table *"; // have arrow keys of their own
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

function render({ model, el }) {
  el.classList.add("d3s-stepper");
  el.innerHTML = `<button data-step="-1">◀ Previous</button><span role="status"></span><button data-step="1">Next ▶</button>`;
  const [before, after] = el.querySelectorAll("button");
  let box = null;
  let gone = false;

  function show() {
    const [value, last] = [model.get("value"), model.get("last")];
    el.hidden = last < 0;
    el.querySelector("span").textContent = `${model.get("noun")} ${value + 1} of ${last + 1}`;
    before.disabled = value <= 0;
    after.disabled = value >= last;
  }

  function step(by) {
    const value = Math.min(model.get("last"), Math.max(0, model.get("value") + by));
    if (value === model.get("value")) return;
    model.set("value", value);
    model.save_changes();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (!(event.key in STEPS) || model.get("last") < 0 || event.target.matches(NOT_HERE)) return;
    event.preventDefault();
    step(STEPS[event.key]);
  }

  function listen() { // the box is there a moment after its parts
    box = el.closest(".d3s-viewer");
    if (gone) return;
    if (box === null) {
      requestAnimationFrame(listen);
      return;
    }
    box.tabIndex = 0;
    box.dataset.lmSuppressShortcuts = "true";
    box.addEventListener("keydown", onKey);
  }

  el.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) step(Number(button.dataset.step));
    if (button?.disabled) box?.focus({ preventScroll: true }); // which a button that is off would lose
  });
  for (const name of ["value", "last", "noun"]) model.on(`change:${name}`, show);
  show();
  listen();
  return () => {
    gone = true;
    box?.removeEventListener("keydown", onKey);
    for (const name of ["value", "last", "noun"]) model.off(`change:${name}`, show);
  };
}

export default { render };

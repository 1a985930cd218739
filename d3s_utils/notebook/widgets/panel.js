// The browser's half of the annotation widget in a notebook. It shows the HTML that the kernel made, and listens while
// anything in it has the focus. Every key and every click is one message with all that the kernel has not confirmed:
// none is lost, none counts twice, and their order holds whatever order the messages arrive in.
const PARTS = ["progress", "notice", "picture", "questions", "side", "instructions"];
const LAYOUT = `
  <div class="d3s-progress" data-part="progress"></div>
  <div class="d3s-keys">
    <span class="d3s-on">Keys are on:</span><span class="d3s-off">Keys are off; click here to answer by:</span>
    <span><kbd>y</kbd> yes</span> <span><kbd>n</kbd> no</span> <span><kbd>Backspace</kbd> take back</span>
    <span><kbd>&lt;</kbd> <kbd>&gt;</kbd> or <kbd>←</kbd> <kbd>→</kbd> picture before, after</span>
    <span class="d3s-waiting" role="status"></span>
  </div>
  <div class="d3s-notice" data-part="notice" role="status"></div>
  <div class="d3s-stage">
    <div class="d3s-picture" data-part="picture"></div>
    <div class="d3s-asking"><div data-part="questions"></div><div class="d3s-side" data-part="side"></div></div>
  </div>
  <div data-part="instructions"></div>`;

function isTyping(element) {
  return element !== null && (element.isContentEditable || element.matches("input, textarea, select"));
}

export default () => {
  const page = Math.random().toString(36).slice(2); // counted per page: a reload begins anew
  const waiting = []; // sent, not confirmed
  let sent = 0;

  function render({ model, el }) {
    const focus = () => el.focus({ preventScroll: true });
    el.classList.add("d3s-annotator");
    el.tabIndex = 0;
    el.innerHTML = LAYOUT;

    function send(act) {
      waiting.push(act);
      sent += 1;
      model.send({ page, seq: sent, acts: [...waiting] });
      settle();
    }

    function settle() {
      waiting.splice(0, waiting.length - (sent - (model.get("heard")[page] ?? 0)));
      el.querySelector(".d3s-waiting").textContent = waiting.length ? `${waiting.length} on the way` : "";
    }

    el.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.stopPropagation(); // to the notebook, which has single-key shortcuts of its own
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (!model.get("keys_used").includes(key)) return;
      event.preventDefault();
      if (!event.repeat) send({ key });
    });
    el.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) send({ ...button.dataset });
      focus();
    });

    const stops = PARTS.map((name) => {
      const part = el.querySelector(`[data-part=${name}]`);
      const show = () => {
        if (part.contains(document.activeElement)) focus(); // on a button that is about to go
        part.innerHTML = model.get(name);
      };
      show();
      model.on(`change:${name}`, show);
      return () => model.off(`change:${name}`, show);
    });
    model.on("change:heard", settle);

    // It takes the focus when it comes into sight, but not from somebody who types.
    const sight = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      sight.disconnect();
      if (!isTyping(document.activeElement)) focus();
    });
    sight.observe(el);
    return () => {
      sight.disconnect();
      model.off("change:heard", settle);
      for (const stop of stops) stop();
    };
  }

  return { render };
};

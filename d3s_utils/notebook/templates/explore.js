// The explorer: filters, a table of classes and backgrounds, a gallery, a card. Its state is the address after "#".
// Whatever comes from the data goes into the page as text, never as markup.
(() => {
  const STEP = 180; // tiles added at a time
  const EMPTY = { find: "", split: "", class: "", background: "", rule: "", verdict: "", model: "", answer: "", guess: "",
    from: "", to: "", sort: "", with: "", shows: "", image: "" };
  const byId = (id) => document.getElementById(id);
  const form = byId("filters"), gallery = byId("gallery"), dialog = byId("card");
  const run = (window.D3S_RUNS || [])[0];
  if (!run) {
    byId("count").textContent = "explore/data.js is missing beside this page; `make report` writes it.";
    return;
  }
  run.base = "explore/";
  let state = { ...EMPTY }, shown = [], drawn = 0, other = null, looking = "";

  // Small makers of elements ------------------------------------------------------------------------------------------

  function make(tag, text = "", properties = {}) {
    const element = document.createElement(tag);
    if (text !== "") element.textContent = text;
    for (const [name, value] of Object.entries(properties)) {
      if (name in element && !name.startsWith("aria")) element[name] = value;
      else element.setAttribute(name, value);
    }
    return element;
  }

  function choices(name, pairs) {
    form.elements[name].replaceChildren(...pairs.map(([value, text]) => make("option", text, { value: String(value) })));
  }

  function sprite(of, index, kind, label) {
    if (index < 0) return make("span", "none", { className: "sprite absent" });
    const { across, down, count } = of.sheets, each = across * down, place = index % each, number = Math.floor(index / each);
    const left = number === count - 1 ? of.id.length - number * each : each, rows = Math.ceil(left / across);
    const x = place % across, y = Math.floor(place / across), element = make("span", "", { className: "sprite", role: "img", "aria-label": label });
    const name = `${of.base}${kind}-${String(number).padStart(3, "0")}.webp`;
    element.style.backgroundImage = `url("${name}")`;
    element.style.backgroundSize = `${100 * across}% ${100 * rows}%`;
    element.style.backgroundPosition = `${(100 * x) / (across - 1)}% ${rows > 1 ? (100 * y) / (rows - 1) : 0}%`;
    return element;
  }

  // What is known of an image -----------------------------------------------------------------------------------------

  const chosenModels = () => run.models.filter((model) => (state.model ? model.name === state.model : !model.apart || run.models.every((each) => each.apart)));

  // 1 where every chosen model is right, 0 where every one is wrong, 0.5 between, null where none was asked.
  function answer(i) {
    const asked = chosenModels().filter((model) => model.guess[i] >= 0);
    if (!asked.length) return null;
    const right = asked.filter((model) => model.guess[i] === run.label[i]).length;
    return right === asked.length ? 1 : right === 0 ? 0 : 0.5;
  }

  function shareRight(i) {
    const asked = chosenModels().filter((model) => model.guess[i] >= 0);
    return asked.length ? asked.filter((model) => model.guess[i] === run.label[i]).length / asked.length : null;
  }

  function confidence(i) {
    const asked = chosenModels().filter((model) => model.sure[i] >= 0);
    return asked.length ? asked.reduce((sum, model) => sum + model.sure[i], 0) / asked.length / 10 : null;
  }

  const rule = () => run.rules.find((each) => each.name === (state.rule || run.own)) || run.rules[run.rules.length - 1];
  const verdict = (i) => (rule() ? rule().verdict[i] : -1);
  const title = (i, of = run) => `${of.classes[of.label[i]]}, ${of.backgrounds[of.background[i]]}`;

  // Filters -----------------------------------------------------------------------------------------------------------

  const ANSWERS = { right: 1, wrong: 0, mixed: 0.5 }, VERDICTS = { accepted: 1, refused: 0, none: -1 };

  function passes(i, without = []) {
    const on = (name) => state[name] !== "" && !without.includes(name);
    if (on("split") && run.splits[run.split[i]] !== state.split) return false;
    if (on("class") && run.classes[run.label[i]] !== state.class) return false;
    if (on("background") && run.backgrounds[run.background[i]] !== state.background) return false;
    if (on("verdict") && verdict(i) !== VERDICTS[state.verdict]) return false;
    if (on("answer") && answer(i) !== ANSWERS[state.answer]) return false;
    if (on("guess") && !chosenModels().some((model) => run.guesses[model.guess[i]] === state.guess)) return false;
    if (on("from") && !(confidence(i) !== null && confidence(i) >= Number(state.from))) return false;
    if (on("to") && !(confidence(i) !== null && confidence(i) <= Number(state.to))) return false;
    if (on("find")) {
      const text = `${run.id[i]} ${run.prompt[i]}`.toLowerCase();
      if (!state.find.toLowerCase().split(/\s+/).every((word) => text.includes(word))) return false;
    }
    return true;
  }

  function select() {
    const found = run.id.map((_, i) => i).filter((i) => passes(i));
    const last = (value, at) => (value === null ? at : value); // what has no value comes last
    if (state.sort === "surest") found.sort((a, b) => last(confidence(b), -1) - last(confidence(a), -1) || a - b);
    if (state.sort === "unsure") found.sort((a, b) => last(confidence(a), 999) - last(confidence(b), 999) || a - b);
    if (state.sort === "hardest") found.sort((a, b) => last(shareRight(a), 9) - last(shareRight(b), 9) || a - b);
    return found;
  }

  // The table of classes and backgrounds ------------------------------------------------------------------------------

  const TABLE = {
    right: (i) => shareRight(i),
    accepted: (i) => (verdict(i) < 0 ? null : verdict(i)),
    images: () => 1,
  };

  function drawTable() {
    const what = state.shows || (run.models.length ? "right" : "images"), value = TABLE[what];
    const width = run.backgrounds.length, sum = new Array(run.classes.length * width).fill(0), count = [...sum];
    const without = what === "right" ? ["class", "background", "answer", "guess"] : what === "accepted" ? ["class", "background", "verdict"] : ["class", "background"];
    for (let i = 0; i < run.id.length; i++) {
      if (!passes(i, without)) continue;
      const own = value(i), cell = run.label[i] * width + run.background[i];
      if (own !== null) { sum[cell] += own; count[cell] += 1; }
    }
    const most = Math.max(1, ...count);
    const button = (text, label, background, extra = {}) => {
      const made = make("button", text, { type: "button", ...extra });
      made.addEventListener("click", () => {
        const pressed = state.class === label && state.background === background;
        go({ class: pressed ? "" : label, background: pressed ? "" : background });
      });
      made.setAttribute("aria-pressed", String(Boolean((label || background) && state.class === label && state.background === background)));
      return made;
    };
    const wrap = (tag, inside, more = {}) => { const cell = make(tag, "", more); cell.append(inside); return cell; };
    const head = make("tr");
    head.append(make("td"), ...run.backgrounds.map((name) => wrap("th", button(name, "", name), { scope: "col" })));
    const rows = run.classes.map((name, label) => {
      const row = make("tr");
      row.append(wrap("th", button(name, name, "", { title: name }), { scope: "row" }));
      run.backgrounds.forEach((background, j) => {
        const n = count[label * width + j], share = n ? sum[label * width + j] / n : 0;
        const text = what === "images" ? String(n) : n ? `${Math.round(100 * share)} %` : "–";
        const made = button(text, name, background, { "aria-label": `${name}, ${background}: ${text}`, title: `${n} images` });
        made.style.setProperty("--shade", `${Math.round(100 * (what === "images" ? n / most : share))}%`);
        row.append(wrap("td", made));
      });
      return row;
    });
    const top = make("thead"), body = make("tbody");
    top.append(head);
    body.append(...rows);
    byId("cells").replaceChildren(top, body);
  }

  // The gallery -------------------------------------------------------------------------------------------------------

  function tile(i) {
    const said = answer(i), word = said === null ? "" : said === 1 ? "right" : said === 0 ? "wrong" : "mixed";
    const made = make("button", "", { type: "button", className: `tile ${word}`, title: `${title(i)}${word ? ` (${word})` : ""}` });
    made.dataset.id = run.id[i];
    made.append(sprite(run, i, "images", `${title(i)}${word ? `, ${word}` : ""}`));
    if (other) made.append(sprite(other, other.index.get(run.id[i]) ?? -1, "images", `the same in run ${other.run}`));
    made.addEventListener("click", () => go({ image: run.id[i] }, true));
    return made;
  }

  function more() {
    const next = shown.slice(drawn, drawn + STEP);
    drawn += next.length;
    gallery.append(...next.map(tile));
  }

  function drawGallery() {
    shown = select();
    drawn = 0;
    gallery.replaceChildren();
    more();
    const part = shown.map(answer).filter((each) => each !== null);
    const right = shown.map(shareRight).filter((each) => each !== null).reduce((sum, each) => sum + each, 0);
    const said = part.length ? `; ${state.model || "models together"}: ${((100 * right) / part.length).toFixed(1)} % right of ${part.length.toLocaleString("en")}` : "";
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${run.id.length.toLocaleString("en")} images${said}`;
  }

  // The card ----------------------------------------------------------------------------------------------------------

  function pictures(of, i) {
    const shots = make("div", "", { className: "shots" });
    for (const [kind, name] of [["images", "image"], ["guides", "guide"]]) {
      const figure = make("figure");
      figure.append(sprite(of, i, kind, `${name}: ${title(i, of)}`), make("figcaption", name));
      shots.append(figure);
    }
    return shots;
  }

  function guessTable(of, i) {
    const asked = of.models.filter((model) => model.guess[i] >= 0);
    if (!asked.length) return make("p", "No classifier was asked about this image.", { className: "soft" });
    const table = make("table"), head = make("tr");
    head.append(make("th", "model"), make("th", "guess"), make("th", "confidence", { className: "number" }));
    table.append(head);
    for (const model of asked) {
      const row = make("tr"), right = model.guess[i] === of.label[i];
      row.append(make("td", model.name), make("td", `${right ? "✓" : "✗"} ${of.guesses[model.guess[i]]}`, { className: right ? "good" : "bad" }),
        make("td", model.sure[i] < 0 ? "" : `${(model.sure[i] / 10).toFixed(1)} %`, { className: "number" }));
      table.append(row);
    }
    return table;
  }

  function side(of, i) {
    const part = make("section");
    if (i < 0) { part.append(make("p", `Run ${of.run} shows no image of this id.`)); return part; }
    const list = make("dl"), entry = (name, value) => list.append(make("dt", name), make("dd", value));
    entry("prompt", of.prompt[i]);
    entry("natural image", of.foreground[i]);
    entry("seed, strength", `${of.seed[i]}, ${of.strength[i]}`);
    const votes = Object.entries(of.votes).filter(([, counts]) => counts[i][1]).map(([question, counts]) => `${question} ${counts[i][0]} of ${counts[i][1]}`);
    entry(`votes of yes${of.source ? ` (${of.source})` : ""}`, votes.join(", ") || "nobody was asked");
    const said = of.rules.filter((each) => each.verdict[i] >= 0).map((each) => `${each.title}: ${each.verdict[i] ? "accepted" : "refused"}`);
    if (said.length) entry("verdict", said.join(", ") + (of.asked[i] === 0 ? " (on trust)" : ""));
    const again = make("dd");
    again.append(make("code", of.command.replace("IMAGE", () => of.id[i])));
    list.append(make("dt", "draw it again"), again);
    if (other) part.append(make("h3", `run ${of.run}`));
    part.append(pictures(of, i), list, guessTable(of, i));
    return part;
  }

  function drawCard() {
    const i = run.index.get(state.image) ?? -1;
    if (i < 0) { if (dialog.open) dialog.close(); return; }
    const at = shown.indexOf(i), bar = make("div", "", { className: "bar" });
    const step = (text, to) => {
      const made = make("button", text, { type: "button", disabled: to < 0 || to >= shown.length || at < 0 });
      made.addEventListener("click", () => go({ image: run.id[shown[to]] }));
      return made;
    };
    const close = make("button", "Close", { type: "button", className: "close" });
    close.addEventListener("click", () => dialog.close());
    bar.append(step("← before", at - 1), make("span", run.id[i], { className: "soft" }), step("after →", at + 1), close);
    const pair = make("div", "", { className: "pair" });
    pair.append(side(run, i));
    if (other) pair.append(side(other, other.index.get(state.image) ?? -1));
    dialog.replaceChildren(bar, make("h2", title(i)), pair);
    if (!dialog.open) dialog.showModal();
  }

  dialog.addEventListener("close", () => { if (state.image) go({ image: "" }); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const to = shown.indexOf(run.index.get(state.image)) + { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (to >= 0 && to < shown.length) go({ image: run.id[shown[to]] });
  });

  // Another run beside this one ---------------------------------------------------------------------------------------

  // A name and nothing else: no address could make this page load a script from elsewhere.
  function openOther() {
    const name = state.with, said = byId("beside");
    if (looking === name) return;
    looking = name;
    other = null;
    said.textContent = "";
    if (!name) return;
    if (!/^[\w-][\w.-]*$/.test(name)) { said.textContent = "That is no name of a run."; return; }
    const base = `../../${name}/html/explore/`, script = make("script", "", { src: `${base}data.js` });
    const before = window.D3S_RUNS.length;
    script.addEventListener("error", () => { if (looking === name) said.textContent = `No run ${name} with an explorer lies beside this one.`; });
    script.addEventListener("load", () => {
      const found = window.D3S_RUNS[before];
      if (looking !== name || !found) return;
      other = prepare({ ...found, base });
      said.textContent = `Beside it: run ${other.run}.`;
      drawGallery();
      drawCard();
    });
    document.head.append(script);
  }

  // State and address -------------------------------------------------------------------------------------------------

  function prepare(of) {
    of.index = new Map(of.id.map((id, i) => [id, i]));
    return of;
  }

  function go(changes, remember = false) {
    const next = { ...state, ...changes }, kept = Object.entries(next).filter(([, value]) => value !== "");
    const hash = `#${new URLSearchParams(kept)}`;
    if (hash === (location.hash || "#")) return;
    if (remember) location.hash = hash;
    else location.replace(hash);
  }

  function read() {
    const before = state, given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    state = { ...EMPTY };
    for (const name of Object.keys(EMPTY)) if (typeof given[name] === "string") state[name] = given[name];
    for (const name of Object.keys(EMPTY)) {
      const field = form.elements[name];
      if (!field || field === document.activeElement && field.value === state[name]) continue;
      field.value = state[name];
      if (field.value !== state[name]) { field.value = ""; state[name] = ""; } // a choice that this run does not have
    }
    openOther();
    const changed = Object.keys(EMPTY).some((name) => name !== "image" && state[name] !== before[name]);
    if (changed || !drawn) { drawTable(); drawGallery(); }
    drawCard();
  }

  prepare(run);
  const any = ["", "any"], same = (names) => names.map((name) => [name, name]);
  choices("split", [any, ...same(run.splits)]);
  choices("class", [any, ...same(run.classes)]);
  choices("background", [any, ...same(run.backgrounds)]);
  state.rule = "";
  const own = rule();
  choices("rule", [["", own ? own.title : "none"], ...run.rules.filter((each) => each !== own).map((each) => [each.name, each.title])]);
  choices("verdict", [any, ["accepted", "accepted"], ["refused", "refused"], ["none", "none"]]);
  const together = run.models.some((model) => model.apart) ? "all together, those with @ apart" : "all together";
  choices("model", [["", together], ...same(run.models.map((model) => model.name))]);
  choices("answer", [any, ["right", "right"], ["wrong", "wrong"], ["mixed", "some right"]]);
  choices("guess", [any, ...same(run.guesses)]);
  choices("sort", [["", "as drawn"], ["hardest", "most models wrong first"], ["surest", "most confident first"], ["unsure", "least confident first"]]);
  choices("shows", [["", run.models.length ? "share right" : "images"],
    ...(run.rules.length ? [["accepted", "share accepted"]] : []), ...(run.models.length ? [["images", "images"]] : [])]);
  document.querySelectorAll(".voted").forEach((part) => { part.hidden = !run.rules.length; });
  document.querySelectorAll(".asked").forEach((part) => { part.hidden = !run.models.length; });
  byId("source").textContent = run.source ? `(${run.source} annotators)` : "";
  byId("sample").textContent = run.id.length < run.total ? `a sample of ${run.id.length.toLocaleString("en")} of ${run.total.toLocaleString("en")} images` : `all ${run.total.toLocaleString("en")} images`;
  const told = () => {
    const changes = {};
    for (const name of Object.keys(EMPTY)) if (form.elements[name]) changes[name] = form.elements[name].value.trim();
    go(changes);
  };
  form.addEventListener("input", (event) => { if (event.target.name !== "with") told(); });
  form.addEventListener("change", told);
  document.querySelector('[name="shows"]').addEventListener("change", told);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); location.hash = "#"; });
  window.addEventListener("hashchange", read);
  new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting) && drawn < shown.length) more(); }, { rootMargin: "600px" }).observe(byId("end"));
  read();
})();

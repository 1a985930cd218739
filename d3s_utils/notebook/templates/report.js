// The ledger of the report: sorted by a click on a column's head, filtered by words and by status.
(() => {
  const table = document.querySelector("table.ledger");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.querySelectorAll("th[data-key]")];
  const [find, status, sort, count] = ["find", "status", "sort", "count"].map((id) => document.getElementById(id));
  let key = "order", up = true;

  function option(select, value, text) {
    const added = document.createElement("option");
    added.value = value;
    added.textContent = text;
    select.append(added);
  }

  function value(row) {
    if (key === "order") return Number(row.dataset.order);
    const cells = { claim: 0, status: 1, mark: 4 };
    if (key in cells) return row.cells[cells[key]].textContent.trim().toLowerCase();
    return JSON.parse(row.dataset.sort)[key];
  }

  // What has no value stays at the end, whichever way is up.
  function compare(a, b) {
    const [x, y] = [value(a), value(b)];
    const [noX, noY] = [x === null || x === "", y === null || y === ""];
    if (noX || noY) return noX - noY || a.dataset.order - b.dataset.order;
    const order = typeof x === "number" ? x - y : x.localeCompare(y);
    return (up ? order : -order) || a.dataset.order - b.dataset.order;
  }

  function draw() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of [...rows].sort(compare)) {
      const text = row.textContent.toLowerCase();
      row.hidden = (status.value && row.dataset.status !== status.value) || !words.every((word) => text.includes(word));
      shown += !row.hidden;
      body.append(row);
    }
    for (const head of heads) head.setAttribute("aria-sort", head.dataset.key === key ? (up ? "ascending" : "descending") : "none");
    count.textContent = `${shown} of ${rows.length}`;
    sort.value = `${key} ${up}`;
  }

  function sortBy(chosen, direction) {
    up = direction ?? (chosen === key ? !up : true);
    key = chosen;
    draw();
  }

  option(sort, "order true", "paper first");
  for (const head of heads) {
    const name = head.textContent.trim(), button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => sortBy(head.dataset.key));
    head.replaceChildren(button);
    option(sort, `${head.dataset.key} true`, `${name}, rising`);
    option(sort, `${head.dataset.key} false`, `${name}, falling`);
  }
  for (const word of [...new Set(rows.map((row) => row.dataset.status))].sort()) option(status, word, word);
  find.addEventListener("input", draw);
  status.addEventListener("change", draw);
  sort.addEventListener("change", () => {
    const [chosen, direction] = sort.value.split(" ");
    sortBy(chosen, direction === "true");
  });
  document.querySelector(".tools").hidden = false;
  draw();
})();

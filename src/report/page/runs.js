// The table of runs: sorted, filtered, with chosen columns, a hundred rows at a time.
const runs = { shown: [], order: [], sorted: null, descending: false, rows: 100 };
const STEP = 100;

// What a run is, then what was varied, then how well it did, then the rest.
function ordered() {
  const rank = ({ name, role }) => {
    const first = ["run_id", "status", "reason", "note"].indexOf(name);
    return first >= 0 ? first : { setting: 4, score: 5, fact: 6 }[role];
  };
  return [...report.columns].sort((a, b) => rank(a) - rank(b));
}

// A seed that says no more than which of the replicates a run is.
const repeats = ({ name }) => name.endsWith(".seed") && column("replicate") !== undefined;

function columnsAtFirst() {
  const first = ["status", "test_mae", "test_r2", "test_accuracy", "output_bias", "relevance_zero_crossing", "total_seconds"];
  const told = (wanted) => report.columns.some(({ name, cells }) => name === wanted && cells.some((value) => value !== null));
  first.push(...["reason", "note"].filter(told));
  return ordered().filter((of) => of.name === "run_id" || (of.role === "setting" && !repeats(of)) || first.includes(of.name));
}

// A condition on rows for each word of the filter.
function conditions(text) {
  return text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const asked = /^([^<>=]+)([<>=])(.+)$/.exec(word);
    const of = asked && report.columns.find(({ name }) => name === asked[1] || name.split(".").pop() === asked[1]);
    if (of) {
      const [wanted, number] = [asked[3].toLowerCase(), Number(asked[3])];
      return (row) => {
        const value = cell(of, row);
        if (value === null) return false;
        if (asked[2] === "<") return value < number;
        if (asked[2] === ">") return value > number;
        return typeof value === "number" ? value === number : value.toLowerCase() === wanted;
      };
    }
    const wanted = word.toLowerCase();
    return (row) => report.columns.some((known) => {
      const value = known.name.endsWith("_key") ? null : cell(known, row);
      return value !== null && String(tell(value)).toLowerCase().includes(wanted);
    });
  });
}

function arrange() {
  const wanted = conditions(byId("filter").value);
  const rows = Array.from({ length: report.rows }, (_, row) => row);
  runs.order = rows.filter((row) => wanted.every((holds) => holds(row)));
  if (runs.sorted) {
    const sign = runs.descending ? -1 : 1;
    const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    runs.order.sort((a, b) => {
      const [left, right] = [cell(runs.sorted, a), cell(runs.sorted, b)];
      // What is missing comes last, whichever way the others go.
      if (left === null || right === null) return (left === null) - (right === null) || a - b;
      return sign * compare(left, right) || a - b;
    });
  }
  runs.rows = STEP;
  showRows();
}

function showHead() {
  const heads = runs.shown.map((of) => {
    const button = make("button", { type: "button", onclick: () => sortBy(of) }, of.name);
    const sort = runs.sorted === of ? (runs.descending ? "descending" : "ascending") : "none";
    return make("th", { scope: "col", className: of.distinct ? "" : "number", "aria-sort": sort }, button);
  });
  byId("table").tHead.replaceChildren(make("tr", {}, ...heads));
}

function showRows() {
  const rows = runs.order.slice(0, runs.rows).map((row) => {
    const cells = runs.shown.map((of) => {
      const value = cell(of, row);
      const text = tell(value);
      const kind = of.name === "status" ? String(value) : of.distinct ? "" : "number";
      return make("td", { className: kind, title: of.distinct ? text : value === null ? "" : String(value) }, text);
    });
    return make("tr", {}, ...cells);
  });
  byId("table").tBodies[0].replaceChildren(...rows);
  byId("more").hidden = runs.order.length <= runs.rows;
  byId("count").textContent = `${runs.order.length} of ${report.rows} runs`;
}

function sortBy(of) {
  runs.descending = runs.sorted === of && !runs.descending;
  runs.sorted = of;
  arrange();
  showHead();
  byId("table").tHead.rows[0].cells[runs.shown.indexOf(of)].querySelector("button").focus();
}

function startRuns() {
  runs.shown = columnsAtFirst();
  const choose = (of) => {
    const box = make("input", { type: "checkbox", checked: runs.shown.includes(of) });
    box.onchange = () => {
      const chosen = ordered().filter((known) => (known === of ? box.checked : runs.shown.includes(known)));
      runs.shown = chosen;
      showHead();
      showRows();
    };
    return make("label", {}, box, of.name);
  };
  byId("column-choice").append(...ordered().map(choose));
  byId("filter").oninput = arrange;
  byId("more").onclick = () => { runs.rows += 5 * STEP; showRows(); };
  showHead();
  arrange();
}

// Runs that did not end well, with their reasons; equal reasons once.
function startTrouble() {
  const [status, reason, id] = ["status", "reason", "run_id"].map(column);
  const groups = new Map();
  for (let row = 0; row < report.rows; row += 1) {
    const state = cell(status, row);
    if (state === "done") continue;
    const key = `${state}: ${cell(reason, row) || "no reason is recorded"}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(cell(id, row));
  }
  const list = [...groups].map(([key, ids]) => {
    const some = ids.slice(0, 20).join(", ") + (ids.length > 20 ? ` and ${ids.length - 20} more` : "");
    return make("li", {}, make("strong", { className: key.split(":")[0] }, key), make("div", { className: "hint" }, `${ids.length === 1 ? "run" : `${ids.length} runs`} ${some}`));
  });
  byId("trouble-list").replaceChildren(list.length ? make("ul", {}, ...list) : make("p", {}, "None: every run is done."));
  startNotes();
}

// What must be known of runs, each note once.
function startNotes() {
  const [note, id] = ["note", "run_id"].map(column);
  const groups = new Map();
  for (let row = 0; note && row < report.rows; row += 1) {
    const said = cell(note, row);
    if (said !== null) groups.set(said, [...(groups.get(said) || []), cell(id, row)]);
  }
  byId("notes").hidden = groups.size === 0;
  const list = [...groups].map(([said, ids]) => {
    const some = ids.slice(0, 20).join(", ") + (ids.length > 20 ? ` and ${ids.length - 20} more` : "");
    return make("li", {}, said, make("div", { className: "hint" }, `${ids.length === 1 ? "run" : `${ids.length} runs`} ${some}`));
  });
  byId("note-list").replaceChildren(make("ul", {}, ...list));
}

// What frames the results, and the start of all parts.
function startOverview() {
  document.title = report.name || "Report";
  byId("name").textContent = report.name || "Report";
  byId("description").textContent = report.description;
  byId("spec").textContent = report.spec;
  const states = new Map();
  for (let row = 0; row < report.rows; row += 1) {
    const state = cell(column("status"), row);
    states.set(state, (states.get(state) || 0) + 1);
  }
  const tile = (name, value) => make("div", {}, make("dt", {}, name), make("dd", { className: value.length > 16 ? "long" : "" }, value));
  const tiles = [tile("runs", String(report.rows)), ...[...states].map(([state, count]) => tile(state, String(count)))];
  const settings = report.columns.filter(({ role }) => role === "setting").map(({ name }) => name);
  if (settings.length) tiles.push(tile("varied", settings.join(", ")));
  for (const [name, said, unit] of [["test_mae", "test MAE", " years"], ["test_r2", "test R\u00b2", ""], ["test_accuracy", "test accuracy", ""]]) {
    const known = (column(name) ? column(name).cells : []).filter((value) => value !== null);
    if (!known.length) continue;
    const [low, high] = known.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
    tiles.push(tile(said, known.length === 1 ? tell(low) + unit : `${tell(low)} to ${tell(high)}${unit}`));
  }
  byId("summary").append(...tiles);
}

function startProvenance() {
  const facts = report.provenance || {};
  const quoted = (word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  byId("redraw").textContent = `xdlreg-run report ${quoted(report.folder)}`;
  const command = Array.isArray(facts.command_line) ? facts.command_line.map(quoted).join(" ") : "";
  byId("rerun").textContent = command;
  byId("rerun").hidden = byId("rerun-text").hidden = !command;
  for (const [name, value] of Object.entries(facts).filter(([, known]) => known !== null)) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    byId("facts").append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, text));
  }
  byId("made").textContent = `Written by xdlreg ${report.version}.`;
}

startOverview();
startRuns();
startFigures();
startGallery();
startTrouble();
startProvenance();

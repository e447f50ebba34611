// What frames the results, and the start of all parts.
function startOverview() {
  document.title = report.name || "Report";
  byId("name").textContent = report.name || "Report";
  byId("description").textContent = report.description;
  byId("about-images").hidden = !report.about;
  byId("about-images").querySelector("p").textContent = report.about || "";
  byId("read").hidden = !report.read.length;
  for (const facts of report.read) byId("read").append(make("dl", { className: "facts" }, ...facts.flatMap(([name, fact]) => [make("dt", {}, name), make("dd", {}, fact)])));
  byId("spec").textContent = report.spec;
  const states = new Map();
  for (let row = 0; row < report.rows; row += 1) {
    const state = cell(column("status"), row);
    states.set(state, (states.get(state) || 0) + 1);
  }
  const tile = (name, value, className = "") => make("div", { className }, make("dt", {}, name), make("dd", {}, value));
  const tiles = [tile("runs", String(report.rows)), ...[...states].map(([state, count]) => tile(state, String(count)))];
  for (const [name, said, unit] of [["test_mae", "test MAE", report.gallery.unit && ` ${report.gallery.unit}`], ["test_r2", "test R\u00b2", ""], ["test_accuracy", "test accuracy", ""]]) {
    const known = (column(name) ? column(name).cells : []).filter((value) => value !== null);
    if (!known.length) continue;
    const ends = [Infinity, -Infinity];
    for (const value of known) [ends[0], ends[1]] = [Math.min(ends[0], value), Math.max(ends[1], value)];
    const [low, high] = ends.map((value) => tell(Number(value.toPrecision(3))));
    tiles.push(tile(said, (low === high ? low : `${low} to ${high}`) + unit));
  }
  const replicates = new Set((column("replicate") ? column("replicate").cells : []).filter((value) => value !== null));
  if (replicates.size) tiles.push(tile("replicates", String(replicates.size)));
  const settings = report.columns.filter((of) => of.role === "setting" && of.name !== "replicate" && !repeats(of)).map(({ name }) => name);
  if (settings.length) tiles.push(tile("varied", settings.join(", "), "line"));
  byId("summary").append(...tiles);
}

function startProvenance() {
  const facts = report.provenance || {};
  byId("redraw").textContent = redraw(null);
  const command = Array.isArray(facts.command_line) ? facts.command_line.map(quoted).join(" ") : "";
  byId("rerun").textContent = command;
  byId("rerun").hidden = byId("rerun-text").hidden = !command;
  // Lists and groups as they are read; the command line stands above.
  const written = (value) => {
    if (value === null || typeof value !== "object") return String(value);
    if (Array.isArray(value)) return value.map(written).join(", ");
    return Object.entries(value).map(([name, of]) => `${name} ${written(of)}`).join(", ");
  };
  for (const [name, value] of Object.entries(facts).filter(([name, known]) => known !== null && name !== "command_line")) {
    byId("facts").append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, written(value)));
  }
  byId("made").textContent = `Written by xdlreg ${report.version}.`;
}

startOverview();
startRuns();
startFigures();
startGallery();
startTrouble();
startProvenance();

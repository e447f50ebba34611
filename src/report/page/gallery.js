// The gallery: maps of a run by age, or of one pumpkin across runs.
const gallery = { tiles: [], pixel: null, active: null, drawing: 0 };

// Which maps are asked for: pairs of a run and a position in it.
function wanted() {
  const { runs: all } = report.gallery;
  if (byId("maps").dataset.mode === "age") {
    const run = all[Number(byId("gallery-run").value || 0)];
    return run.entries.map((_, position) => ({ run, position }));
  }
  const pumpkin = Number(byId("gallery-pumpkin").value || 0);
  return all.map((run) => ({ run, position: run.entries.findIndex((entry) => entry.pumpkin === pumpkin) })).filter(({ position }) => position >= 0);
}

async function showMaps() {
  const turn = (gallery.drawing += 1);
  const mode = document.querySelector("input[name=mode]:checked").value;
  Object.assign(byId("maps").dataset, { mode, shown: "" });
  byId("gallery-run-label").hidden = mode !== "age" || report.gallery.runs.length < 2;
  byId("gallery-pumpkin-label").hidden = mode === "age";
  const tiles = await Promise.all(wanted().map(async ({ run, position }) => {
    const entry = run.entries[position];
    return { run, entry, image: await imageOf(entry.pumpkin), map: await mapOf(run, position) };
  }));
  // Another choice was made meanwhile.
  if (turn !== gallery.drawing) return;
  const common = byId("common").checked ? Math.max(...tiles.map(({ entry }) => entry.shown)) : null;
  gallery.tiles = tiles.map((tile) => ({ ...tile, shown: common || tile.entry.shown }));
  gallery.active = null;
  byId("maps").dataset.shown = mode;
  byId("maps").replaceChildren(...gallery.tiles.map((tile) => drawTile(tile, mode)));
  readOut();
}

function drawTile(tile, mode) {
  const { run, entry } = tile;
  const pumpkin = report.gallery.pumpkins[entry.pumpkin];
  const said = `${tell(pumpkin.age)} years, predicted ${entry.prediction.toFixed(1)}`;
  tile.label = mode === "age" ? `S${entry.sample} \u00b7 ${said}` : `${run.label} \u00b7 ${said}`;
  tile.canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": `Relevance map, ${tile.label}` });
  tile.repaint = () => {
    paint(tile.canvas, tile.image, tile.map, tile.shown);
    if (byId("pointers").checked) mark(tile.canvas, pumpkin);
    if (gallery.pixel) cross(tile.canvas, gallery.pixel);
  };
  tile.repaint();
  const point = (event) => {
    const box = tile.canvas.getBoundingClientRect();
    const place = (at, start, length) => Math.min(report.gallery.side - 1, Math.max(0, Math.floor(((at - start) / length) * report.gallery.side)));
    moveTo(tile, place(event.clientY, box.top, box.height), place(event.clientX, box.left, box.width));
  };
  tile.canvas.onpointermove = point;
  tile.canvas.onpointerdown = point;
  tile.canvas.onpointerleave = () => moveTo(null);
  tile.canvas.onfocus = () => { if (!gallery.pixel) moveTo(tile, 49, 49); };
  tile.canvas.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const clip = (value) => Math.min(report.gallery.side - 1, Math.max(0, value));
    const [row, col] = gallery.pixel || [49, 49];
    const far = event.shiftKey ? 10 : 1;
    moveTo(tile, clip(row + far * step[0]), clip(col + far * step[1]));
  };
  return make("figure", {}, tile.canvas, make("figcaption", {}, tile.label));
}

// Squares for atrophies, blocks for lesions, an outline for a tumour, in the pixels of the image.
function mark(canvas, { lesions, atrophies, tumour }) {
  const context = canvas.getContext("2d");
  const side = report.gallery.side;
  context.fillStyle = "#d3f5d4";
  for (const index of atrophies) context.fillRect(index % side, Math.floor(index / side), 1, 1);
  context.strokeStyle = "#e3e7e3";
  for (let k = 0; k < lesions.length; k += 2) context.strokeRect(lesions[k + 1] - 1.5, lesions[k] - 1.5, 4, 4);
  if (tumour) context.strokeRect(tumour[2] - 0.5, tumour[0] - 0.5, tumour[3] - tumour[2] + 1, tumour[1] - tumour[0] + 1);
}

function cross(canvas, [row, col]) {
  const context = canvas.getContext("2d");
  for (const [color, reach] of [["#000000", 3], ["#ffe100", 2]]) {
    context.strokeStyle = color;
    context.strokeRect(col + 0.5 - reach, row + 0.5 - reach, 2 * reach, 2 * reach);
  }
}

function moveTo(tile, row, col) {
  gallery.active = tile || gallery.active;
  gallery.pixel = tile ? [row, col] : null;
  // The same pixel is marked in every map.
  for (const other of gallery.tiles) other.repaint();
  readOut();
}

// Which sign a pixel belongs to.
function signAt({ lesions, atrophies, tumour }, row, col) {
  if (atrophies.includes(row * report.gallery.side + col)) return "atrophy";
  for (let k = 0; k < lesions.length; k += 2) if (Math.abs(lesions[k] - row) < 2 && Math.abs(lesions[k + 1] - col) < 2) return "lesion";
  if (tumour && row >= tumour[0] && row < tumour[1] && col >= tumour[2] && col < tumour[3]) return "tumour";
  return "none";
}

function readOut() {
  const target = byId("readout");
  const tile = gallery.active || gallery.tiles[0];
  if (!tile) return target.replaceChildren("No maps.");
  const bar = make("canvas", { "aria-hidden": "true", width: 256, height: 1 });
  const context = bar.getContext("2d");
  for (let k = 0; k < 256; k += 1) {
    context.fillStyle = `rgb(${barColor(k / 127.5 - 1).map((channel) => 255 * channel).join(" ")})`;
    context.fillRect(k, 0, 1, 1);
  }
  const inUnit = (value, { unit }) => `${tell(value)} ${unit}`;
  const ends = make("div", { className: "ends" }, ...[-1, 0, 1].map((v) => make("span", {}, `${v > 0 ? inUnit(v * tile.shown, tile.run) : tell(v * tile.shown)}`)));
  const list = make("dl");
  let others = [];
  const row = (name, value) => list.append(make("dt", {}, name), make("dd", {}, value));
  row("sum", inUnit(tile.entry.sum, tile.run));
  if (gallery.pixel) {
    const [r, c] = gallery.pixel;
    const at = r * report.gallery.side + c;
    row("pixel", `row ${r}, column ${c}`);
    row("relevance", inUnit(tile.map[at], tile.run));
    row("of largest", tell(tile.entry.scale ? tile.map[at] / tile.entry.scale : 0));
    row("intensity", tile.image[at].toFixed(2));
    row("sign", signAt(report.gallery.pumpkins[tile.entry.pumpkin], r, c));
    if (byId("maps").dataset.mode === "side") {
      const values = gallery.tiles.map((other) => [make("dt", {}, other.run.label), make("dd", {}, inUnit(other.map[at], other.run))]);
      others = [make("h3", {}, "here, in every run"), make("dl", { className: "others" }, ...values.flat())];
    }
  }
  return target.replaceChildren(make("h3", {}, tile.label), bar, ends, list, ...others);
}

function startGallery() {
  const { runs: all, pumpkins } = report.gallery;
  if (!all.length) {
    byId("gallery").querySelectorAll(".bar, .hint, .maps-and-readout").forEach((part) => part.remove());
    byId("gallery").append(make("p", {}, "There are no relevance maps."));
    return;
  }
  const name = (run) => [run.label, run.id].filter(Boolean).join(" \u00b7 ");
  byId("gallery-run").append(...all.map((run, index) => make("option", { value: String(index) }, name(run))));
  const shared = pumpkins.map((pumpkin, index) => ({ ...pumpkin, index, runs: all.filter((run) => run.entries.some((entry) => entry.pumpkin === index)).length }));
  shared.sort((a, b) => b.runs - a.runs || a.age - b.age);
  byId("gallery-pumpkin").append(...shared.map((pumpkin) => make("option", { value: String(pumpkin.index) }, `${tell(pumpkin.age)} years, ${pumpkin.name} (${pumpkin.runs} ${pumpkin.runs === 1 ? "run" : "runs"})`)));
  if (all.length < 2) byId("gallery").querySelector("fieldset").hidden = true;
  for (const id of ["gallery-run", "gallery-pumpkin", "common"]) byId(id).onchange = showMaps;
  for (const choice of document.querySelectorAll("input[name=mode]")) choice.onchange = showMaps;
  byId("pointers").onchange = () => gallery.tiles.forEach((tile) => tile.repaint());
  showMaps();
}

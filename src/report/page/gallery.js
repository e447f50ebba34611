// The gallery: maps of a run by target, or of one image across runs.
const gallery = { tiles: [], pixel: null, active: null, drawing: 0 };

// Which maps are asked for: pairs of a run and a position in it.
function wanted() {
  const { runs: all } = report.gallery;
  if (byId("maps").dataset.mode === "target") {
    const run = all[Number(byId("gallery-run").value || 0)];
    return run.entries.map((_, position) => ({ run, position }));
  }
  const image = Number(byId("gallery-image").value || 0);
  return all.map((run) => ({ run, position: run.entries.findIndex((entry) => entry.image === image) })).filter(({ position }) => position >= 0);
}

async function showMaps() {
  const turn = (gallery.drawing += 1);
  const mode = document.querySelector("input[name=mode]:checked").value;
  Object.assign(byId("maps").dataset, { mode, shown: "" });
  byId("gallery-run-label").hidden = mode !== "target" || report.gallery.runs.length < 2;
  byId("gallery-image-label").hidden = mode === "target";
  const tiles = await Promise.all(wanted().map(async ({ run, position }) => {
    const entry = run.entries[position];
    return { run, entry, sample: report.gallery.samples[entry.image], image: await imageOf(entry.image), map: await mapOf(run, entry) };
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
  const { run, entry, sample } = tile;
  const said = `${sample.told}, predicted ${entry.predicted}`;
  tile.label = mode === "target" ? `S${entry.sample} \u00b7 ${said}` : `${run.label} \u00b7 ${said}`;
  tile.canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": `Relevance map, ${tile.label}` });
  tile.repaint = () => {
    paint(tile.canvas, sample, tile.image, tile.map, tile.shown, tile.run.colormap);
    if (byId("pointers").checked) mark(tile.canvas, sample);
    if (gallery.pixel) cross(tile.canvas, gallery.pixel);
  };
  tile.repaint();
  const point = (event) => {
    const box = tile.canvas.getBoundingClientRect();
    const place = (at, start, length, side) => Math.min(side - 1, Math.max(0, Math.floor(((at - start) / length) * side)));
    moveTo(tile, place(event.clientY, box.top, box.height, sample.height), place(event.clientX, box.left, box.width, sample.width));
  };
  tile.canvas.onpointermove = point;
  tile.canvas.onpointerdown = point;
  tile.canvas.onpointerleave = () => moveTo(null);
  tile.canvas.onfocus = () => { if (!gallery.pixel) moveTo(tile, ...middle(sample)); };
  tile.canvas.onkeydown = (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const clip = (value, side) => Math.min(side - 1, Math.max(0, value));
    const [row, col] = gallery.pixel || middle(sample);
    const far = event.shiftKey ? 10 : 1;
    moveTo(tile, clip(row + far * step[0], sample.height), clip(col + far * step[1], sample.width));
  };
  return make("figure", {}, tile.canvas, make("figcaption", {}, tile.label));
}

// The pixel in the middle of an image: row and column.
function middle({ height, width }) {
  return [Math.floor(height / 2), Math.floor(width / 2)];
}

// Squares, blocks for what arrows point at, and outlines, in the pixels of the image.
function mark(canvas, { squares, arrows, outlines, width }) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#d3f5d4";
  for (const index of squares) context.fillRect(index % width, Math.floor(index / width), 1, 1);
  context.strokeStyle = "#e3e7e3";
  for (let k = 0; k < arrows.length; k += 2) context.strokeRect(arrows[k + 1] - 1.5, arrows[k] - 1.5, 4, 4);
  for (const [top, bottom, left, right] of outlines) context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
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

// Whether stretches of pixels, as pairs of the distance from the one before and a length, hold a pixel.
function holds(stretches, pixel) {
  let end = 0;
  for (let k = 0; k < stretches.length && end <= pixel; k += 2) {
    const start = end + stretches[k];
    end = start + stretches[k + 1];
    if (start <= pixel && pixel < end) return true;
  }
  return false;
}

// The first region that a pixel belongs to.
function regionAt({ regions, width }, row, col) {
  const found = regions.find(([, stretches]) => holds(stretches, row * width + col));
  return found ? found[0].replaceAll("_", " ") : "none";
}

function readOut() {
  const target = byId("readout");
  const tile = gallery.active || gallery.tiles[0];
  if (!tile) return target.replaceChildren("No maps.");
  const bar = make("canvas", { "aria-hidden": "true", width: 256, height: 1 });
  const context = bar.getContext("2d");
  for (let k = 0; k < 256; k += 1) {
    context.fillStyle = `rgb(${barColor(k / 127.5 - 1, tile.run.colormap).map((channel) => 255 * channel).join(" ")})`;
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
    const at = r * tile.sample.width + c;
    row("pixel", `row ${r}, column ${c}`);
    row("relevance", inUnit(tile.map[at], tile.run));
    row("of largest", tell(tile.entry.scale ? tile.map[at] / tile.entry.scale : 0));
    row("intensity", tile.image[at].toFixed(2));
    if (tile.sample.regions.length) row("region", regionAt(tile.sample, r, c));
    if (byId("maps").dataset.mode === "side") {
      const values = gallery.tiles.map((other) => [make("dt", {}, other.run.label), make("dd", {}, inUnit(other.map[at], other.run))]);
      others = [make("h3", {}, "here, in every run"), make("dl", { className: "others" }, ...values.flat())];
    }
  }
  return target.replaceChildren(make("h3", {}, tile.label), bar, ends, list, ...others);
}

function startGallery() {
  const { runs: all, samples, image, target } = report.gallery;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = { image, target, Image: image[0].toUpperCase() + image.slice(1) }[place.dataset.word];
  if (!all.length) {
    byId("gallery").querySelectorAll(".bar, .hint, .maps-and-readout").forEach((part) => part.remove());
    byId("gallery").append(make("p", {}, "There are no relevance maps."));
    return;
  }
  const name = (run) => [run.label, run.id].filter(Boolean).join(" \u00b7 ");
  byId("gallery-run").append(...all.map((run, index) => make("option", { value: String(index) }, name(run))));
  const shared = samples.map((sample, index) => ({ ...sample, index, runs: all.filter((run) => run.entries.some((entry) => entry.image === index)).length }));
  shared.sort((a, b) => b.runs - a.runs || a.target - b.target);
  byId("gallery-image").append(...shared.map((sample) => make("option", { value: String(sample.index) }, `${sample.told}, ${sample.name} (${sample.runs} ${sample.runs === 1 ? "run" : "runs"})`)));
  if (all.length < 2) byId("gallery").querySelector("fieldset").hidden = true;
  for (const id of ["gallery-run", "gallery-image", "common"]) byId(id).onchange = showMaps;
  for (const choice of document.querySelectorAll("input[name=mode]")) choice.onchange = showMaps;
  byId("pointers").onchange = () => gallery.tiles.forEach((tile) => tile.repaint());
  showMaps();
}

// The figures of a run, or the comparisons over all of them.
function startFigures() {
  const select = byId("figure-run");
  const ids = [...new Set(report.figures.map(({ run }) => run))];
  const name = (id) => (id === null ? "all runs, compared" : [called(id), id].filter(Boolean).join(" \u00b7 "));
  select.append(...ids.map((id, index) => make("option", { value: String(index) }, name(id))));
  select.parentElement.hidden = ids.length < 2;
  const choose = () => {
    const chosen = ids[Number(select.value || 0)];
    if (!report.figures.length) byId("figure-list").textContent = "There are no figures: no run is done.";
    else byId("figure-list").replaceChildren(...report.figures.filter(({ run }) => run === chosen).map(figure));
    const missing = report.notDrawn.filter(({ run }) => run === chosen);
    byId("not-drawn").hidden = missing.length === 0;
    byId("not-drawn").querySelector("ul").replaceChildren(...missing.map(({ title, needs }) => make("li", {}, `${title} needs ${needs}`)));
  };
  select.onchange = choose;
  choose();
}

function figure({ run, title, caption, source, path, picture, chart, size }) {
  const image = make("img", { alt: `${title}. ${caption}`, width: size[0], height: size[1], decoding: "async" });
  show(image, picture);
  const origin = make("div", {}, "From ", make("code", {}, source), " \u00b7 files ", make("code", {}, `${path}.svg`), ", ", make("code", {}, ".png"), " \u00b7 again by ", make("code", {}, redraw(run)));
  return make("figure", { className: size[0] > 760 ? "wide" : "" }, make("h3", {}, title), make("div", { className: chart ? "sheet chart" : "sheet picture" }, image), make("figcaption", {}, caption, origin));
}

// Shows a packed picture, unpacked once.
const pictures = new Map();
async function show(image, { kind, packed }) {
  if (!pictures.has(packed)) pictures.set(packed, unpack(packed).then((bytes) => URL.createObjectURL(new Blob([bytes], { type: kind }))));
  image.src = await pictures.get(packed);
}

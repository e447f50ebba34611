// The figures of a run, or the comparisons over all of them.
function startFigures() {
  const select = byId("figure-run");
  const ids = [...new Set(report.figures.map(({ run }) => run))];
  const name = (id) => (id === null ? "all runs, compared" : [called(id), id].filter(Boolean).join(" \u00b7 "));
  select.append(...ids.map((id, index) => make("option", { value: String(index) }, name(id))));
  select.parentElement.hidden = ids.length < 2;
  const show = () => {
    const chosen = ids[Number(select.value || 0)];
    if (!report.figures.length) byId("figure-list").textContent = "There are no figures: no run is done.";
    else byId("figure-list").replaceChildren(...report.figures.filter(({ run }) => run === chosen).map(figure));
    const missing = report.notDrawn.filter(({ run }) => run === chosen);
    byId("not-drawn").hidden = missing.length === 0;
    byId("not-drawn").querySelector("ul").replaceChildren(...missing.map(({ title, needs }) => make("li", {}, `${title} needs ${needs}`)));
  };
  select.onchange = show;
  show();
}

function figure({ run, title, caption, source, path, picture, size }) {
  const image = make("img", { src: picture, alt: `${title}. ${caption}`, width: size[0], height: size[1], decoding: "async" });
  const origin = make("div", {}, "From ", make("code", {}, source), " \u00b7 files ", make("code", {}, `${path}.svg`), ", ", make("code", {}, ".png"), " \u00b7 again by ", make("code", {}, redraw(run)));
  return make("figure", { className: size[0] > 760 ? "wide" : "" }, make("h3", {}, title), make("div", { className: "sheet" }, image), make("figcaption", {}, caption, origin));
}

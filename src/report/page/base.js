"use strict";
// What all parts of the page use. Texts of the results are only ever set as text.
const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// An element with properties and children; a child that is no element is text.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// The column with this name.
const column = (name) => report.columns.find((known) => known.name === name);

// What a column says in a row: a number, a text or null.
function cell(of, row) {
  const value = of ? of.cells[row] : null;
  return value === null || value === undefined ? null : of.distinct ? of.distinct[value] : value;
}

// A number as it is read best: whole, or with up to four significant digits; a true minus sign.
function tell(value) {
  if (value === null) return "";
  if (typeof value !== "number") return value;
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e7) text = String(value);
  else if (size >= 1e7 || size < 1e-4) text = value.toExponential(2);
  else text = size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  return text.replace("-", "\u2212");
}

// What a run is called beside its id.
const called = (id) => report.labels[id] || "";

// A word as a shell reads it.
const quoted = (word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
// The command that draws all figures again, those of this run among them.
const redraw = (run) => `xdlreg-run report ${quoted(report.folder)}${run === null ? "" : ` --run ${quoted(run)}`}`;

"use strict";
// Timelines, sorting, keys and the dark mode of a report. Data are JSON, compressed by gzip, in base64.
const root = document.documentElement;
const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const drawn = new Map();

async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

let library;
function loadPlotly() {
  library ??= (async () => {
    if (window.Plotly || !document.getElementById("plotly")) return;
    const script = document.createElement("script");
    script.textContent = await unpack("plotly");
    document.head.append(script);
  })();
  return library;
}

const ROW = 34, LANE_GAP = 30, TOP = 40, BOTTOM = 40;

function clock(s) {
  const tenths = Math.round(s * 10), minutes = Math.floor(tenths / 600), rest = tenths % 600;
  return `${minutes}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

function figure(data) {
  const traces = [], shapes = [], notes = [];
  const nAus = data.aus.length, nLanes = data.lanes.length;
  const height = TOP + BOTTOM + nLanes * nAus * ROW + (nLanes - 1) * LANE_GAP;
  const inner = height - TOP - BOTTOM;
  const layout = {
    height, margin: { l: 62, r: 12, t: TOP, b: BOTTOM }, showlegend: false, dragmode: "zoom",
    hovermode: "x unified", hoversubplots: "axis", hoverdistance: 10,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", size: 12, color: style("--text") },
    hoverlabel: { bgcolor: style("--card"), bordercolor: style("--line"), font: { color: style("--text") } },
    xaxis: {
      anchor: `y${nLanes * nAus}`, range: data.range, minallowed: data.range[0], maxallowed: data.range[1],
      title: { text: "time (s)", standoff: 6 }, gridcolor: style("--line"), zeroline: false, hoverformat: ".2f",
    },
    shapes, annotations: notes,
  };
  const edge = (x, from, to) => shapes.push({
    type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: to, y1: from, layer: "above",
    line: { color: style("--quiet"), width: 1, dash: "dot" },
  });
  data.lanes.forEach((lane, l) => {
    const start = l * (nAus * ROW + LANE_GAP);
    const from = 1 - start / inner, to = 1 - (start + nAus * ROW) / inner;
    for (const [label, begin] of lane.tracks) {
      edge(begin, from, to);
      notes.push({ x: begin, y: from, xref: "x", yref: "paper", text: label, showarrow: false,
        xanchor: "left", yanchor: "bottom", font: { size: 11, color: style("--quiet") } });
    }
    const bytes = Uint8Array.from(atob(lane.values), (c) => c.charCodeAt(0));
    data.aus.forEach((au, a) => {
      const n = l * nAus + a + 1, axis = n === 1 ? "y" : `y${n}`;
      // A byte is a probability in 126ths, or 127 without a face; plus 128 within an event.
      const own = Array.from(bytes.subarray(a * data.times.length, (a + 1) * data.times.length));
      const y = own.map((v) => ((v & 127) === 127 ? null : (v & 127) / 126));
      const inside = own.map((v) => v >= 128);
      const common = { x: data.times, xaxis: "x", yaxis: axis, mode: "lines", connectgaps: false };
      // Plotly fills across missing values, so what is not filled is 0.
      traces.push({ ...common, y: y.map((v, i) => (inside[i] ? v : 0)), fill: "tozeroy", fillcolor: style("--fill"),
        line: { width: 0 }, hoverinfo: "skip" });
      traces.push({ ...common, y, line: { color: style("--curve"), width: 1.2 }, hovertemplate: "%{y:.2f}",
        name: nLanes > 1 ? `${au.name} · lane ${l + 1}` : au.name });
      traces.push({ ...common, y: y.map((v, i) => (inside[i] ? v : null)), hoverinfo: "skip",
        line: { color: style("--accent"), width: 1.8 } });
      shapes.push({ type: "line", xref: "paper", yref: axis, x0: 0, x1: 1, y0: au.threshold, y1: au.threshold,
        line: { color: style("--quiet"), width: 0.6, dash: "dash" } });
      layout[`yaxis${n === 1 ? "" : n}`] = {
        domain: [1 - (start + (a + 1) * ROW - 3) / inner, 1 - (start + a * ROW) / inner].map((v) => Math.max(0, v)),
        range: [0, 1.02], fixedrange: true, showgrid: false, zeroline: true, zerolinecolor: style("--line"),
        tickvals: [0.5], ticktext: [au.name], ticks: "", anchor: "x",
      };
    });
  });
  const note = (x, text, color, xanchor, hovertext) => notes.push({ x, y: 1, yshift: 12, xref: "x",
    yref: "paper", text, hovertext, showarrow: false, xanchor, yanchor: "bottom", font: { size: 11, color } });
  const band = (x0, x1, text, color) => {
    shapes.push({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, fillcolor: color, opacity: 0.18,
      line: { width: 0 }, layer: "below" });
    note(x0, text, color, "left");
  };
  for (const [x0, x1] of data.gaps) band(x0, x1, "gap", style("--quiet"));
  for (const [x0, x1] of data.damaged) band(x0, x1, "damaged", style("--mark"));
  for (const [x, text] of data.lost) {
    shapes.push({ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1,
      line: { color: style("--mark"), width: 1.5 } });
    note(x, "✕ lost", style("--mark"), "right", text);
  }
  return [traces, layout];
}

async function draw(place) {
  if (drawn.has(place)) return;
  drawn.set(place, null);
  const data = JSON.parse(await unpack(place.dataset.plot));
  await loadPlotly();
  drawn.set(place, data);
  await Plotly.newPlot(place, ...figure(data), {
    responsive: true, displaylogo: false, doubleClick: "reset",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines"],
    toImageButtonOptions: { format: "svg", filename: place.dataset.plot },
  });
  place.dataset.drawn = "yes";
}

function move(place, key) {
  const data = drawn.get(place);
  if (!data) return false;
  let [from, to] = place.layout.xaxis.range;
  const span = to - from, middle = (from + to) / 2;
  if (key === "ArrowLeft") { from -= span / 4; to -= span / 4; }
  else if (key === "ArrowRight") { from += span / 4; to += span / 4; }
  else if (key === "+" || key === "=") { from = middle - span / 4; to = middle + span / 4; }
  else if (key === "-") { from = middle - span; to = middle + span; }
  else if (key === "0") { [from, to] = data.range; }
  else return false;
  const width = Math.min(to - from, data.range[1] - data.range[0]);
  from = Math.max(data.range[0], Math.min(from, data.range[1] - width));
  Plotly.relayout(place, { "xaxis.range": [from, from + width] });
  return true;
}

function step(by) {
  const articles = [...document.querySelectorAll("article")];
  const now = articles.findLastIndex((a) => a.getBoundingClientRect().top < 90);
  const next = articles[Math.max(0, Math.min(articles.length - 1, now + by))];
  if (!next) return;
  next.scrollIntoView();
  next.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const place = event.target.closest?.("[data-plot]");
  if (place && move(place, event.key)) event.preventDefault();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
});

function setTheme(theme) {
  root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(theme === "dark"));
  button.textContent = theme === "dark" ? "Light" : "Dark";
  for (const [place, data] of drawn) if (data) {
    const [traces, layout] = figure(data);
    layout.xaxis.range = place.layout.xaxis.range;
    Plotly.react(place, traces, layout);
  }
}

function sortable(table) {
  table.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
    const th = button.closest("th"), column = th.cellIndex;
    const down = th.getAttribute("aria-sort") === "descending" || (column === 0 && !th.hasAttribute("aria-sort"));
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    th.setAttribute("aria-sort", down ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.cells[column];
      if (column === 0) return cell.textContent;
      return Number(cell.dataset.v ?? (cell.style.getPropertyValue("--p") || cell.textContent)) || 0;
    };
    const sign = down ? 1 : -1;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const x = value(a), y = value(b);
      return sign * (typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
    });
    table.tBodies[0].append(...rows);
  }));
}

const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
document.getElementById("theme").addEventListener("click",
  () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
document.querySelectorAll("table.sortable").forEach(sortable);
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "400px" });
document.querySelectorAll("[data-plot]").forEach((place) => watcher.observe(place));

/* The front page's chart, and its figures kept fresh while the page is looked at. */
"use strict";

const place = document.getElementById("chart");
const EVERY = 15000;
let chart = null;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const grouped = (value) => (value == null ? "–" : value.toLocaleString("en"));

function axis(scale, side, isGrid) {
  return {
    scale, side, stroke: color("--ink-2"), size: place.clientWidth < 500 ? 44 : 62, font: "12px system-ui, sans-serif",
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6],
    grid: { show: isGrid, stroke: color("--line"), width: 1 }, ticks: { show: false },
    values: (_, ticks) => ticks.map(grouped),
  };
}

function options() {
  const words = place.dataset;
  return {
    width: place.clientWidth, height: 280, cursor: { points: { size: 7 } },
    scales: { x: { time: false, range: [-0.5, 23.5] }, n: { range: (_, low, high) => [0, Math.max(high || 0, 5) * 1.1] }, p: { range: (_, low, high) => [0, Math.max(high || 0, 100) * 1.1] } },
    axes: [
      { stroke: color("--ink-2"), font: "12px system-ui, sans-serif", grid: { show: false }, ticks: { show: false }, splits: () => (place.clientWidth < 500 ? [0, 6, 12, 18] : [0, 3, 6, 9, 12, 15, 18, 21]), values: (_, hours) => hours.map((hour) => `${String(hour).padStart(2, "0")}:00`) },
      axis("n", 3, true), axis("p", 1, false),
    ],
    series: [
      { label: words.hour, value: (_, hour) => (hour == null ? "–" : `${String(hour).padStart(2, "0")}:00`) },
      { label: words.payments, scale: "n", stroke: color("--accent"), fill: color("--accent-soft"), paths: uPlot.paths.bars({ size: [0.62, 40] }), points: { show: false }, value: (_, value) => grouped(value) },
      { label: words.before, scale: "n", stroke: color("--ink-3"), dash: [4, 4], width: 1.5, points: { show: false }, value: (_, value) => grouped(value) },
      { label: words.points, scale: "p", stroke: color("--wait"), width: 2, points: { show: true, size: 5 }, value: (_, value) => grouped(value) },
    ],
  };
}

function draw(series) {
  const rows = [series.hours, series.payments, series.before, series.points];
  if (chart) chart.setData(rows);
  else chart = new uPlot(options(), rows, place);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.source, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const shown = await answer.json();
    document.getElementById("figures").innerHTML = shown.figures;
    if (shown.chart.hours) draw(shown.chart);
  } catch { /* the next round tries again; the page keeps what it shows */ }
}

addEventListener("resize", () => chart?.setSize({ width: place.clientWidth, height: 280 }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart?.destroy(); chart = null; refresh(); });
refresh();
setInterval(refresh, EVERY);

/* The report's chart: cases and stopped ones by day as bars, HK$ saved as a line. */
"use strict";

const place = document.getElementById("report-chart");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const grouped = (value) => (value == null ? "–" : value.toLocaleString("en"));
const dollars = (value) => (value == null ? "–" : `HK$${value.toLocaleString("en", { minimumFractionDigits: 2 })}`);
let chart = null;

function axis(scale, side, isGrid) {
  return {
    scale, side, stroke: color("--ink-2"), font: "12px system-ui, sans-serif", size: place.clientWidth < 500 ? 44 : 66,
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6],
    grid: { show: isGrid, stroke: color("--line"), width: 1 }, ticks: { show: false }, values: (_, ticks) => ticks.map(grouped),
  };
}

function options(names) {
  const words = place.dataset;
  const step = Math.max(1, Math.ceil(names.length / (place.clientWidth < 500 ? 4 : 12)));
  const bars = () => uPlot.paths.bars({ size: [0.62, 48] });
  const from0 = (least) => ({ range: (_, low, high) => [0, Math.max(high || 0, least) * 1.1] });
  return {
    width: place.clientWidth, height: 280, scales: { x: { time: false, range: [-0.6, names.length - 0.4] }, n: from0(5), d: from0(10) },
    axes: [
      { stroke: color("--ink-2"), font: "12px system-ui, sans-serif", grid: { show: false }, ticks: { show: false }, splits: () => names.map((_, at) => at).filter((at) => at % step === 0), values: (_, ticks) => ticks.map((at) => names[at] ?? "") },
      axis("n", 3, true), axis("d", 1, false),
    ],
    series: [
      { label: words.day, value: (_, at) => names[at] ?? "–" },
      { label: words.cases, scale: "n", stroke: color("--ink-3"), fill: color("--line-strong"), paths: bars(), points: { show: false }, value: (_, value) => grouped(value) },
      { label: words.stopped, scale: "n", stroke: color("--accent"), fill: color("--accent"), paths: bars(), points: { show: false }, value: (_, value) => grouped(value) },
      { label: words.saved, scale: "d", stroke: color("--wait"), width: 2, points: { show: true, size: 5 }, value: (_, value) => dollars(value) },
    ],
  };
}

function draw() {
  const series = JSON.parse(document.getElementById("report-series").textContent);
  chart?.destroy();
  chart = new uPlot(options(series.names), [series.names.map((_, at) => at), series.cases, series.stopped, series.saved], place);
}

if (place) {
  draw();
  addEventListener("resize", () => chart?.setSize({ width: place.clientWidth, height: 280 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/* The page of work that a worker was asked for: the bar moves while it runs; a back-test's chart shows points then and now. */
"use strict";

const bar = document.querySelector("[data-progress]");
const place = document.getElementById("backtest-chart");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const grouped = (value) => (value == null ? "–" : value.toLocaleString("en"));
let chart = null;

async function move() {
  try {
    const answer = await fetch(bar.dataset.progress, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const shown = await answer.json();
    if (!shown.is_open) return location.reload();
    const progress = bar.querySelector("progress");
    progress.max = shown.transactions || 1;
    if (shown.transactions) progress.value = shown.judged;
    bar.querySelector("[role=status]").textContent = shown.said;
  } catch { /* the next round tries again */ }
}

function options(names) {
  const words = place.dataset;
  const bars = (align) => uPlot.paths.bars({ size: [0.35, 60], align });
  const number = (_, value) => grouped(value);
  return {
    width: place.clientWidth, height: 300,
    scales: { x: { time: false, range: [-0.6, names.length - 0.4] }, y: { range: (_, low, high) => [Math.min(low || 0, 0), Math.max(high || 0, 10) * 1.1] } },
    axes: [
      { stroke: color("--ink-2"), font: "12px system-ui, sans-serif", grid: { show: false }, ticks: { show: false }, splits: () => names.map((_, at) => at), values: (_, ticks) => ticks.map((at) => names[at] ?? "") },
      { stroke: color("--ink-2"), font: "12px system-ui, sans-serif", size: 76, grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, values: (_, ticks) => ticks.map(grouped) },
    ],
    series: [
      { label: words.what, value: (_, at) => names[at] ?? "–" },
      { label: words.then, stroke: color("--ink-3"), fill: color("--line-strong"), paths: bars(-1), points: { show: false }, value: number },
      { label: words.now, stroke: color("--accent"), fill: color("--accent"), paths: bars(1), points: { show: false }, value: number },
    ],
  };
}

function draw() {
  const series = JSON.parse(document.getElementById("backtest-series").textContent);
  chart?.destroy();
  if (series.names.length) chart = new uPlot(options(series.names), [series.names.map((_, at) => at), series.then, series.now], place);
}

if (bar) setInterval(move, 1000);
if (place) {
  draw();
  addEventListener("resize", () => chart?.setSize({ width: place.clientWidth, height: 300 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

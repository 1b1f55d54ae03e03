// Refreshes the live part every 1.5 s and sends forms without a reload. Nothing depends on it.
"use strict";

const live = document.getElementById("live");
const banner = document.getElementById("banner");
let shown = "";

function pointsByCard(root) {
  const found = new Map();
  root.querySelectorAll("[data-pass]").forEach((card) => found.set(card.dataset.pass, card.dataset.points));
  return found;
}

function replaceLive(html) {
  if (html === shown || live.contains(document.activeElement)) return;
  const before = pointsByCard(live);
  const open = [...live.querySelectorAll("details[open]")].map((call) => call.id);
  live.innerHTML = html;
  shown = html;
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  live.querySelectorAll("[data-pass]").forEach((card) => {
    if (before.get(card.dataset.pass) !== card.dataset.points) card.classList.add("changed");
  });
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(live.dataset.url, { cache: "no-store" });
    if (answer.ok) replaceLive(await answer.text());
    document.body.classList.toggle("lost", !answer.ok);
  } catch {
    document.body.classList.add("lost");
  }
}

async function submit(event) {
  const form = event.target;
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  event.preventDefault();
  form.classList.add("busy");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    banner.replaceChildren(...page.getElementById("banner").childNodes);
    banner.scrollIntoView({ block: "nearest", behavior: "smooth" });
    document.activeElement?.blur();
    replaceKnown(page);
    replaceLive(page.getElementById("live").innerHTML);
  } finally {
    form.classList.remove("busy");
  }
}

function replaceKnown(page) {
  page.querySelectorAll("datalist").forEach((list) => {
    const old = document.getElementById(list.id);
    if (old) old.innerHTML = list.innerHTML;
  });
}

document.addEventListener("submit", submit);
setInterval(refresh, 1500);

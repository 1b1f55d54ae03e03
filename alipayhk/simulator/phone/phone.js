// The phone itself: which screen is shown, how it moves, what is pushed, and what stands beside it on a desk.

import { back, color, empty, go, h, icon, mall, say, setup, store, whole } from "./kit.js";
import * as mini from "./mini.js";
import * as paying from "./paying.js";
import * as wallet from "./wallet.js";

const RHYTHM = 1000;
const SLIDE = 340;
const PUSH_STAYS = 4000;
const SCREENS = {
  people: wallet.peopleScreen,
  home: wallet.homeScreen,
  brand: wallet.brandScreen,
  cards: wallet.cardsScreen,
  card: wallet.cardScreen,
  bills: wallet.billsScreen,
  bill: wallet.billScreen,
  notices: wallet.noticesScreen,
  scan: paying.scanScreen,
  pay: paying.payScreen,
  paid: paying.paidScreen,
  refund: paying.refundScreen,
  pick: mini.pickScreen,
  settings: mini.settingsScreen,
};
const glass = document.getElementById("ph-glass");
const stage = document.getElementById("ph-stage");
const pushes = document.getElementById("ph-pushes");
const calmly = matchMedia("(prefers-reduced-motion: reduce)");
const trail = [];
let shown = null; // { name, args, section, view }
let raw = "";
let pushed = null; // ids of the notices that were there or have been pushed
let isLost = false;

store.depth = 0;
store.refresh = refresh;

function route() {
  const [name, ...args] = location.hash.slice(1).split("/").map(decodeURIComponent);
  if (!setup.user_id) return { name: "people", args: [] };
  return SCREENS[name] || name === "mini" ? { name, args } : { name: "home", args: [] };
}

function draw(name, args) {
  const view = SCREENS[name](...args);
  const section = h(`section.ph-screen${view.isHome ? ".ph-home" : ""}`, { test: `screen-${name}` });
  if (!view.isHome) section.append(bar(view));
  section.append(h("div.ph-body", {}, view.body), h("div.ph-foot", {}, view.foot ?? []));
  return { name, args, section, view };
}

function bar(view) {
  const arrow = view.isFirst || view.isEnd ? h("span") : h("button.ph-round", { test: "back", "aria-label": say("back"), onclick: back }, icon("back"));
  return h("header.ph-bar", {}, arrow, h("h2", { tabIndex: -1 }, view.title), h("span"));
}

// Forward slides in from the right, the way back from the left.
function travel() {
  const mark = location.hash || "#home";
  const isBack = trail.at(-2) === mark || (mark === "#home" && trail.length > 1);
  if (mark === "#home") trail.length = 0;
  else if (isBack) trail.length -= 2;
  if (trail.at(-1) !== mark) trail.push(mark);
  store.depth = trail.length;
  return isBack ? "back" : "on";
}

function show() {
  const { name, args } = route();
  const way = travel();
  const before = shown;
  const wasMini = mini.isOpen();
  if (name === "mini") {
    mini.enter(...args);
    shown = { name, args, section: document.getElementById("ph-mini"), view: { isStill: true } };
  } else {
    shown = draw(name, args);
    stage.append(shown.section);
  }
  slide(shown.section, before?.section, before ? way : "", () => wasMini && name !== "mini" && mini.leave());
  if (before) shown.section.querySelector("h2")?.focus({ preventScroll: true });
}

function slide(coming, going, way, settled) {
  const drop = () => {
    if (going && going.id !== "ph-mini") going.remove();
    settled();
    coming.classList.remove("ph-in-on", "ph-in-back");
    stage.classList.remove("ph-moving");
  };
  if (!going || going === coming || !way || calmly.matches) return drop();
  stage.classList.add("ph-moving");
  coming.classList.add(`ph-in-${way}`);
  going.classList.add(`ph-out-${way}`);
  going.inert = true;
  setTimeout(() => {
    going.classList.remove(`ph-out-${way}`);
    going.inert = false;
    drop();
  }, SLIDE);
}

// What changed is drawn anew in place; where the person is typing, nothing is.
function renew() {
  if (!shown || shown.view.isStill || shown.name === "pick") return;
  const at = document.activeElement?.dataset.test;
  const next = draw(shown.name, shown.args);
  for (const part of [".ph-body", ".ph-foot"]) {
    shown.section.querySelector(part).replaceChildren(...next.section.querySelector(part).childNodes);
  }
  shown.view = next.view;
  if (at) shown.section.querySelector(`[data-test="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
}

async function refresh() {
  if (!setup.user_id) return;
  try {
    const answer = await fetch(`/phone/state?user=${encodeURIComponent(setup.user_id)}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.text());
    lost(false);
  } catch {
    lost(true);
  }
}

function take(text) {
  if (text === raw) return;
  const before = store.state;
  raw = text;
  store.state = JSON.parse(text);
  if (before) renew();
  push(store.state.notices);
  desk(store.state);
}

function lost(is) {
  if (is === isLost) return;
  isLost = is;
  glass.classList.toggle("ph-lost", is);
  glass.querySelector(".ph-lost-word")?.remove();
  if (is) glass.append(h("p.ph-lost-word", { role: "alert" }, say("lost")));
}

// New notices slide in from above, the oldest of them first.
function push(notices) {
  if (pushed === null) {
    pushed = new Set(notices.map((one) => one.id));
    return;
  }
  const fresh = notices.filter((one) => !pushed.has(one.id)).slice(0, 3).reverse();
  notices.forEach((one) => pushed.add(one.id));
  fresh.forEach((one, place) => setTimeout(() => announce(one), place * 900));
}

function announce(one) {
  const open = () => {
    note.remove();
    unlock();
    go("card", one.pass_id);
  };
  const note = h("button.ph-push", { test: "push", onclick: open },
    h(`span.ph-logo.${color(one.client)}`, {}, icon(one.event === "CREATED" ? "cards" : "notices")),
    h("span.ph-grow", {}, h("b", {}, wallet.noticeSentence(one)), h("small", {}, say("now_points", { points: whole(one.points) }))));
  pushes.replaceChildren(note);
  cheer(one);
  setTimeout(() => {
    note.classList.add("ph-gone");
    setTimeout(() => note.remove(), calmly.matches ? 0 : 400);
  }, PUSH_STAYS);
}

function cheer(one) {
  const face = shown?.section.querySelector(`[href="#card/${one.pass_id}"] .ph-balance`);
  face?.classList.add("ph-rise");
}

// Beside the phone: which steps were done, and the calls behind them.
function desk(state) {
  const done = new Set([...mini.steps(), setup.user_id && "person", state.permitted.length && "join", state.bills.length && "pay",
    state.bills.some((bill) => bill.refunded_cents) && "refund"]);
  document.querySelectorAll("[data-step]").forEach((step) => step.classList.toggle("ph-done", done.has(step.dataset.step)));
  const list = document.getElementById("ph-calls");
  const rows = state.calls.map((call) =>
    h(`li.ph-call-${call.outcome.toLowerCase()}`, {}, h("time", {}, call.at),
      h("span", {}, call.direction === "OUT" ? `AlipayHK → ${mall(call.client).name}` : `${mall(call.client).name} → AlipayHK`),
      h("code", {}, { bill: "points/bill/notify", refund: "points/refund/notify", membercard: "points/membercard/create" }[call.api] ?? call.api),
      h("b", {}, `${call.code || "–"} · ${call.milliseconds} ms`)));
  list.replaceChildren(...(rows.length ? rows : [h("li.ph-quiet", {}, say("wire_empty"))]));
}

function lock() {
  if (glass.querySelector(".ph-lock")) return unlock();
  const face = h("button.ph-lock", { test: "unlock", onclick: unlock, "aria-label": say("locked") }, h("time", {}, clock()), h("span", {}, say("locked")));
  stage.inert = true;
  glass.append(face);
  return face.focus({ preventScroll: true });
}

function unlock() {
  const face = glass.querySelector(".ph-lock");
  if (!face) return;
  face.remove();
  stage.inert = false;
  if (mini.isOpen()) mini.wake({});
}

const clock = () => new Date().toLocaleTimeString("en-GB", { timeZone: "Asia/Hong_Kong", hour: "2-digit", minute: "2-digit" });
const tell = () => (document.getElementById("ph-clock").textContent = clock());

document.getElementById("ph-side").addEventListener("click", lock);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || stage.inert || event.target.matches("input")) return;
  if (event.key === "Escape" && shown?.name !== "home") back();
  else shown?.view.onkey?.(event);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  refresh();
  if (mini.isOpen()) mini.wake({});
});
addEventListener("hashchange", show);
setInterval(() => {
  tell();
  if (!document.hidden) refresh();
  if (shown?.name === "paid") renew();
}, RHYTHM);

tell();
await refresh();
if (setup.user_id && !store.state) stage.append(empty("close", say("lost")));
else show();

// Opens a mall's mini-app inside the phone, asks the person what it may know, and lets payments be ticked for it.

import { asks, back, empty, go, h, icon, mall, money, moment, once, permits, pick, post, say, setup, sheet, store, toast } from "./kit.js";

const BILL_PAGE = "2102020000000001";
const BATCH_KEY = "batchNo";
const BILL_SCOPE = "SCOPE_USER_BILL";
// As a mini-app's package would name them; the last one begins.
const FILES = ["loyalty-client.js", "words.js", "screens.js", "app.js"];

const layer = document.getElementById("ph-stage");
let running = null; // the mall whose mini-app lives in this page
let isStarted = false;
let cameBack = null; // what the bill page hands to the mini-app
let isAway = false;

export const steps = (name) => {
  const key = `ph-steps:${setup.user_id}`;
  const done = JSON.parse(sessionStorage.getItem(key) ?? "[]");
  if (!name || done.includes(name)) return done;
  sessionStorage.setItem(key, JSON.stringify([...done, name]));
  document.querySelector(`[data-step="${name}"]`)?.classList.add("ph-done");
  return done;
};

// Brings the mini-app to the front; false if another mall's is running, which needs a page of its own.
export function enter(client) {
  if (running && running.client !== client) {
    location.reload();
    return;
  }
  if (!running) start(mall(client));
  frame().hidden = false;
  if (isAway) wake(cameBack ?? {});
  isAway = false;
  cameBack = null;
}

export function leave() {
  if (!running) return;
  frame().hidden = true;
  isAway = true;
}

// The screen was unlocked, or the tab came back: a mere wake-up, without data.
export function wake(options = {}) {
  if (isStarted) window.getApp()?.onShow?.(options);
}

export const isOpen = () => Boolean(running) && !frame().hidden;
const frame = () => document.getElementById("ph-mini");

function start(opened) {
  running = opened;
  window.miniHost = host(opened);
  const inside = h("div", { id: "miniapp", "data-mall-url": opened.url, "data-tag": opened.tag, "data-lang": setup.language.toLowerCase() });
  const capsule = h("button.ph-capsule", { test: "mini-close", "aria-label": say("mini_close"), onclick: () => go("home") }, icon("close"));
  const bar = h("header.ph-bar.ph-mini-bar", {}, h("span"), h("h2", {}, opened.program || opened.name), capsule);
  const loading = h("p.ph-loading", { id: "ph-mini-loading", role: "status" }, say("mini_loading"));
  layer.append(h("section.ph-screen.ph-mini", { id: "ph-mini", test: "mini" }, bar, h("div.ph-mini-body", {}, loading, inside)));
  load(opened.client);
}

function load(client) {
  const address = (name) => `/phone/miniapp/${name}?client=${encodeURIComponent(client)}`;
  document.head.append(h("link", { rel: "stylesheet", href: address("screens.css") }));
  for (const name of FILES) {
    const script = h("script", { src: address(name) });
    script.async = false;
    if (name === FILES.at(-1)) script.addEventListener("error", missing);
    document.head.append(script);
  }
}

function missing() {
  document.getElementById("ph-mini-loading")?.replaceWith(
    h("div.ph-missing", { test: "mini-missing" }, empty("mini", say("mini_missing", { mall: running.name }))),
  );
}

function host(opened) {
  return {
    storagePrefix: `miniapp:${opened.client}:${setup.user_id}:`,
    askScopes: (scopes) => askScopes(opened, scopes),
    authorize: async (scopes) => {
      const said = await post("authorize", { client_id: opened.client, scopes });
      steps("mini");
      return said;
    },
    request: (wording) => request(opened, wording),
    openBillPage(appId) {
      if (appId !== BILL_PAGE) return false;
      go("pick", opened.client);
      return true;
    },
    started() {
      isStarted = true;
      document.getElementById("ph-mini-loading")?.remove();
    },
  };
}

// The scopes that the person allows; null if the sheet was dismissed. `auth_base` alone is silent.
async function askScopes(opened, scopes) {
  if (scopes.every((scope) => scope === "auth_base")) return scopes;
  const lines = scopes.map((scope) => say(scope === BILL_SCOPE ? "scope_bill" : "scope_base"));
  const answer = await sheet({
    title: say("scope_ask", { mall: opened.name }),
    test: "authorise",
    body: asks(lines),
    buttons: [
      { label: say("allow"), value: "allow", main: true },
      { label: say("not_now"), value: "not-now" },
    ],
  });
  return { allow: scopes, "not-now": ["auth_base"] }[answer] ?? null;
}

async function request(opened, wording) {
  const answer = await fetch("/phone/request", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client_id: opened.client, ...wording }),
  });
  const content = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.error), { status: answer.status });
  return content;
}

// AlipayHK's own page on which payments are ticked for a mall.
export function pickScreen(client) {
  // A refund that the mall was not told of cannot be told later, so such a payment is not offered.
  const isWhole = (bill) => !bill.refunded_cents || (bill.state !== "KEPT" && bill.refunded_cents < bill.cents);
  const bills = (store.state?.bills ?? []).filter((bill) => bill.client === client && isWhole(bill));
  const chosen = new Set();
  const submit = h("button.ph-button.ph-main", { test: "pick-submit", disabled: true, onclick: once(() => submitPicked(client, chosen)) }, say("submit_none"));
  const tick = (bill) => (event) => {
    if (event.target.checked) chosen.add(bill.number);
    else chosen.delete(bill.number);
    submit.disabled = !chosen.size;
    submit.textContent = chosen.size ? say("submit", { count: chosen.size }) : say("submit_none");
  };
  const rows = bills.map((bill) =>
    h("label.ph-row.ph-pick", {}, h("input", { type: "checkbox", test: `pick-${bill.number}`, onchange: tick(bill) }),
      h("span.ph-grow", {}, h("b", {}, pick(bill.store)), h("small", {}, moment(bill.paid_at))), h("b.ph-sum", {}, money(bill.cents))),
  );
  const list = bills.length ? h("div.ph-list", { test: "pick-list" }, rows) : empty("bills", say("pick_none", { mall: mall(client).name }));
  return { title: say("pick_title"), body: [h("p.ph-lead", {}, say("pick_lead", { mall: mall(client).name })), list], foot: [submit] };
}

async function submitPicked(client, chosen) {
  const { batch_no: batchNo } = await post("batch", { client_id: client, bills: [...chosen] });
  steps("submit");
  cameBack = { path: "", query: {}, scene: "1038", referrerInfo: { appId: BILL_PAGE, extraData: { [BATCH_KEY]: batchNo } } };
  back();
}

// Malls that see this person's payments, and taking that back.
export function settingsScreen() {
  const { person } = store.state;
  const rows = setup.malls.filter((one) => permits(one.client)).map((one) =>
    h("div.ph-row", {}, icon("shield"), h("span.ph-grow", {}, h("b", {}, one.name)),
      h("button.ph-small", { test: `withdraw-${one.tag}`, onclick: once(() => withdraw(one)) }, say("withdraw"))),
  );
  const other = setup.language === "en" ? "zh-hant" : "en";
  const fact = (name, value) => h("div.ph-row", {}, h("span.ph-grow", {}, name), h("b.ph-fact", {}, value));
  return {
    title: say("settings"),
    body: [
      h("h3.ph-head", {}, say("authorised")),
      h("div.ph-list", { test: "authorised" }, rows.length ? rows : h("p.ph-none", {}, say("none_authorised"))),
      h("p.ph-lead", {}, say("authorised_lead")),
      h("div.ph-list", {}, fact(say("mobile"), person.phone || "–"), fact(say("user_id"), person.user_id),
        h("a.ph-row", { test: "settings-language", href: `/phone?lang=${other}&user=${setup.user_id}#settings` }, h("span.ph-grow", {}, say("language")), h("b.ph-fact", {}, say("other_language")))),
    ],
  };
}

async function withdraw(one) {
  const answer = await sheet({
    title: say("withdraw_ask", { mall: one.name }),
    test: "withdraw",
    body: h("p.ph-lead", {}, say("withdraw_lead")),
    buttons: [
      { label: say("withdraw"), value: "confirm", danger: true },
      { label: say("cancel"), value: "cancel" },
    ],
  });
  if (answer !== "confirm") return;
  await post("withdraw", { client_id: one.client });
  toast(say("withdrawn", { mall: one.name }));
  store.refresh();
}

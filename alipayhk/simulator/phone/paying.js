// Paying at a store and taking money back: the store, the key pad, the receipt.

import { badge, cardOf, empty, go, h, icon, mall, money, once, permits, pick, post, say, setup, signed, store, toast, whole } from "./kit.js";

const MOST_CENTS = 50_000_000;
const PATIENCE = 20_000;
let last = null; // the payment just made: its number, when, and what the card showed before

export function scanScreen() {
  const list = h("div", { test: "stores" });
  const fill = (words) => list.replaceChildren(...storesLike(words));
  const search = h("input", { type: "search", test: "store-search", placeholder: say("search_store"), "aria-label": say("search_store"), oninput: (event) => fill(event.target.value) });
  fill("");
  return {
    title: say("scan"),
    isStill: true,
    body: [
      h("div.ph-finder", { "aria-hidden": "true" }, h("span.ph-corners"), h("i.ph-beam")),
      h("div.ph-where", {}, h("h3", {}, say("where")), h("p.ph-lead", {}, say("where_lead"))),
      setup.malls.flatMap((one) => one.stores).length > 6 ? h("label.ph-search", {}, icon("search"), search) : null,
      list,
    ],
  };
}

function storesLike(words) {
  const wanted = words.trim().toLowerCase();
  const groups = setup.malls
    .map((one) => [one, one.stores.filter((shop) => shop.name.toLowerCase().includes(wanted)).slice(0, 40)])
    .filter(([, shops]) => shops.length);
  if (!groups.length) return [empty("shop", say("no_store"))];
  return groups.flatMap(([one, shops]) => [h("h3.ph-head", {}, one.name), h("div.ph-list", {}, shops.map((shop) => shopRow(one, shop)))]);
}

const shopRow = (one, shop) =>
  h("a.ph-row", { href: `#pay/${encodeURIComponent(one.client)}/${encodeURIComponent(shop.label)}`, test: `store-${shop.label}` }, badge(shop.name), h("b.ph-grow", {}, shop.name), icon("next"));

export function payScreen(client, label) {
  const one = mall(client);
  const shop = one.stores.find((found) => found.label === label) ?? { name: label };
  const pay = async (cents) => {
    last = { at: Date.now(), client, before: cardOf(client)?.points ?? null };
    const said = await post("pay", { client_id: client, store: label, cents });
    last.number = said.number;
    await store.refresh();
    go("paid", said.number);
  };
  return keypad({ title: say("pay"), to: shop.name, note: one.name, most: MOST_CENTS, word: "pay_sum", idle: say("pay"), test: "pay", act: pay });
}

export function refundScreen(number) {
  const bill = store.state.bills.find((one) => one.number === Number(number));
  if (!bill) return { title: say("refund"), body: [empty("bills", say("no_bills"))] };
  const left = bill.cents - bill.refunded_cents;
  const refund = async (cents) => {
    await post("refund", { bill: bill.number, cents });
    await store.refresh();
    toast(say("refund_done", { sum: money(cents) }));
    history.back();
  };
  const note = say("refund_most", { sum: money(left) });
  return keypad({ title: say("refund"), to: pick(bill.store), note, most: left, word: "refund_sum", idle: say("refund"), test: "refund", act: refund, isWhole: true });
}

// Digits to cents: "138.9" is 13890, "" nothing.
function centsOf(text) {
  const [dollars, part = ""] = text.split(".");
  return Number(dollars || 0) * 100 + Number(part.padEnd(2, "0"));
}

function typed(text, key) {
  if (key === "erase") return text.slice(0, -1);
  if (key === ".") return text.includes(".") ? text : `${text || "0"}.`;
  const next = text === "0" ? key : text + key;
  return /^\d{1,6}(\.\d{0,2})?$/.test(next) ? next : text;
}

function keypad({ title, to, note, most, word, idle, test, act, isWhole }) {
  let text = "";
  const sum = h("output.ph-amount", { test: "amount", "aria-live": "polite" });
  const button = h("button.ph-button.ph-main", { test, onclick: once(() => act(centsOf(text))) });
  const show = (next) => {
    text = next;
    const cents = centsOf(text);
    sum.replaceChildren(h("small", {}, "HK$"), text || "0");
    sum.classList.toggle("ph-faint", !cents);
    button.disabled = !cents || cents > most;
    button.textContent = cents ? say(word, { sum: money(cents) }) : idle;
  };
  const key = (name, ...face) => h("button.ph-key", { test: `key-${name === "." ? "dot" : name}`, "aria-label": name === "erase" ? say("backspace") : null, onclick: () => show(typed(text, name)) }, face.length ? face : name);
  const all = isWhole ? h("button.ph-small", { test: "refund-all", onclick: () => show((most / 100).toFixed(2)) }, say("refund_all", { sum: money(most) })) : null;
  const pad = h("div.ph-pad", {}, [..."123456789", ".", "0"].map((name) => key(name)), key("erase", icon("erase")));
  show("");
  const onkey = (event) => {
    if (/^[0-9.]$/.test(event.key)) show(typed(text, event.key));
    else if (event.key === "Backspace") show(typed(text, "erase"));
    else if (event.key === "Enter" && !event.target.closest("button, a") && !button.disabled) button.click();
    else return;
    event.preventDefault();
  };
  return {
    title,
    isStill: true,
    onkey,
    body: [h("div.ph-payee", {}, badge(to), h("b", {}, to), h("small", {}, note)), sum, all],
    foot: [pad, button],
  };
}

export function paidScreen(number) {
  const bill = store.state.bills.find((one) => one.number === Number(number));
  if (!bill) return { title: say("paid"), body: [h("p.ph-loading", {}, say("paying"))] };
  return {
    title: say("pay"),
    isEnd: true,
    body: [
      h("div.ph-paid", { test: "paid" }, h("span.ph-big-tick", {}, icon("tick")), h("h3", {}, say("paid")), h("strong", {}, money(bill.cents)), h("b", {}, pick(bill.store))),
      h("div.ph-outcome", { role: "status", test: "outcome" }, outcome(bill)),
    ],
    foot: [h("button.ph-button.ph-main", { test: "done", onclick: () => go("home") }, say("done"))],
  };
}

// What the mall made of the payment, as far as the card tells.
function outcome(bill) {
  const name = mall(bill.client).name;
  if (bill.state === "KEPT" || !permits(bill.client)) return [h("p", {}, say("not_told", { mall: name }))];
  if (bill.state === "WAITING" || bill.state === "GIVEN_UP") return [h("p", {}, say("not_answered"))];
  const card = cardOf(bill.client);
  const change = last?.number === bill.number && card ? card.points - (last.before ?? 0) : 0;
  if (change) return [h("p.ph-came", { test: "points-came" }, h("b", {}, say("points_came", { change: signed(change), mall: name }))), h("p", {}, say("points_now", { points: whole(card.points) }))];
  const isLate = last?.number !== bill.number || Date.now() - last.at > PATIENCE;
  return isLate ? [h("p", {}, say("points_none"))] : [h("p.ph-waiting", {}, h("i.ph-spin"), say("points_wait"))];
}

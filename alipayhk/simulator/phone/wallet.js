// The wallet's screens: whose phone it is, home, Brand Channels, cards, bills, notices.

import { asks, badge, cardOf, chinese, color, empty, go, h, icon, mall, moment, money, once, permits, pick, post, say, setup, sheet, signed, store, whole } from "./kit.js";

export function peopleScreen() {
  const rows = setup.people.map((one) =>
    h("a.ph-row", { test: `person-${one.user_id}`, href: address(one.user_id) }, badge(one.name || "?", one.user_id),
      h("span.ph-grow", {}, h("b", {}, one.name || say("unnamed")), h("small", {}, one.phone || one.user_id)), icon("next")),
  );
  return {
    title: say("who"),
    isFirst: !setup.user_id,
    body: [h("p.ph-lead", {}, say("who_lead")), newPerson(), rows.length ? h("div.ph-list", { test: "people" }, rows) : null, language()],
  };
}

const language = () =>
  h("p.ph-other", {}, h("a.ph-small", { test: "people-language", href: `/phone?lang=${chinese ? "en" : "zh-hant"}&user=${setup.user_id}` }, say("other_language")));
const address = (userId) => `/phone?lang=${setup.language.toLowerCase()}&user=${userId}`;

function newPerson() {
  const name = h("input", { name: "name", test: "person-name", maxlength: "40", autocomplete: "off", placeholder: say("name_hint"), required: true });
  const phone = h("input", { name: "phone", test: "person-phone", inputmode: "numeric", autocomplete: "off", placeholder: say("mobile_hint"), value: setup.number });
  const wrong = h("p.ph-wrong", { role: "alert", test: "person-wrong" });
  const submit = async (event) => {
    event.preventDefault();
    const digits = phone.value.replace(/\D/g, "");
    wrong.textContent = name.value.trim() ? (/^[4-9]\d{7}$/.test(digits) ? "" : say("mobile_wrong")) : say("name_wrong");
    if (wrong.textContent) return;
    const made = await post("people", { name: name.value, phone: digits });
    location.assign(address(made.user_id));
  };
  return h("form.ph-form", { novalidate: true, onsubmit: (event) => submit(event).catch(() => {}) },
    h("h3.ph-head", {}, say("new_person")),
    h("label", {}, h("span", {}, say("name")), name),
    h("label", {}, h("span", {}, say("mobile")), h("span.ph-number", {}, h("i", {}, "+852"), phone)),
    wrong,
    h("button.ph-button.ph-main", { type: "submit", test: "person-make" }, say("make_person")));
}

export function homeScreen() {
  const { person, cards, bills } = store.state;
  const name = person.name || say("unnamed");
  const tile = (route, drawing, count) =>
    h("a.ph-tile", { href: `#${route}`, test: `tile-${route}` }, h("span.ph-bubble", {}, icon(drawing), count ? h("i.ph-count", {}, String(count)) : null), say(drawing));
  const top = h("div.ph-hero", {},
    h("div.ph-hello", {}, h("a.ph-me", { href: "#people", test: "switch-person", "aria-label": say("switch_person") }, badge(name, person.user_id)),
      h("b.ph-grow", {}, say("hello", { name })), h("a.ph-round", { href: "#settings", test: "settings", "aria-label": say("settings") }, icon("settings"))),
    h("nav.ph-tiles", {}, tile("scan", "scan"), tile("cards", "cards"), tile("bills", "bills"), tile("notices", "notices", unread())));
  const active = cards.filter((card) => card.status === "ACTIVE");
  return {
    isHome: true,
    body: [
      top,
      h("div.ph-under", {},
        active.length ? h("div.ph-cards", { test: "home-cards" }, active.slice(0, 3).map(cardFace)) : invitation(),
        h("h3.ph-head", {}, say("malls")),
        h("div.ph-list", {}, setup.malls.map(mallRow)),
        bills.length ? h("h3.ph-head", {}, say("latest"), h("a", { href: "#bills", test: "all-bills" }, say("all"))) : null,
        bills.length ? h("div.ph-list", {}, bills.slice(0, 3).map(billRow)) : null),
    ],
  };
}

const invitation = () => h("div.ph-invite", { test: "no-card" }, icon("cards"), h("div", {}, h("b", {}, say("no_card_title")), h("p", {}, say("no_card_lead"))));

function mallRow(one) {
  return h("div.ph-mall", { test: `mall-${one.tag}` },
    h("div.ph-mall-name", {}, h(`span.ph-logo.${color(one.client)}`, { "aria-hidden": "true" }, icon("shop")), h("span.ph-grow", {}, h("b", {}, one.name), h("small", {}, one.program))),
    h("div.ph-pair", {},
      h("a.ph-small", { href: `#brand/${one.client}`, test: `brand-${one.tag}` }, icon("shield"), say("brand")),
      h("a.ph-small", { href: `#mini/${one.client}`, test: `mini-${one.tag}` }, icon("mini"), say("mini"))));
}

export function brandScreen(client) {
  const one = mall(client);
  const card = cardOf(client);
  const joined = permits(client);
  const foot = card
    ? h("a.ph-button.ph-main", { href: `#card/${card.pass_id}`, test: "see-card" }, say("see_card"))
    : joined ? h("p.ph-waiting", { role: "status", test: "waiting-card" }, h("i.ph-spin"), say("waiting_card")) : null;
  const join = joined ? null : h("button.ph-button.ph-main", { test: "join", onclick: once(() => askToJoin(one)) }, say("join"));
  return {
    title: say("brand"),
    body: [
      h(`div.ph-brand.${color(client)}`, {}, h("span.ph-logo", {}, icon("shop")), h("h3", {}, one.name), h("p", {}, one.program)),
      h("p.ph-lead.ph-strong", {}, say("brand_lead")),
      asks([say("brand_one"), say("brand_two"), say("brand_three")]),
      joined ? h("p.ph-joined", { test: "joined" }, icon("tick"), say("joined")) : null,
    ],
    foot: [join, foot],
  };
}

async function askToJoin(one) {
  const { person } = store.state;
  const answer = await sheet({
    title: say("join_ask", { mall: one.name }),
    test: "join",
    body: asks([person.phone ? say("join_phone", { phone: person.phone }) : null, say("join_user"), say("join_bills")].filter(Boolean)),
    buttons: [
      { label: say("agree"), value: "agree", main: true },
      { label: say("cancel"), value: "cancel" },
    ],
  });
  if (answer !== "agree") return;
  const said = await post("join", { client_id: one.client });
  if (!said.is_done) await sheet({ title: say("join_failed"), test: "join-failed", body: null, buttons: [{ label: say("close"), value: "ok", main: true }] });
  store.refresh();
}

export function cardFace(card) {
  const one = mall(card.client);
  const state = card.status === "ACTIVE" ? null : h("span.ph-pill", {}, say(card.status));
  return h(`a.ph-card.${color(card.client)}${card.status === "ACTIVE" ? "" : ".ph-over"}`, { href: `#card/${card.pass_id}`, test: `card-${one.tag ?? card.client}` },
    h("span.ph-card-top", {}, h("b", {}, one.name), h("small", {}, one.program), state),
    h("span.ph-balance", {}, h("strong", { test: "card-points", "data-points": String(card.points ?? "") }, whole(card.points)), " ", say("points")),
    h("span.ph-card-foot", {}, h("span", {}, pick(card.names)), h("code", {}, card.code)));
}

export function cardsScreen() {
  const { cards } = store.state;
  return { title: say("cards"), body: [cards.length ? h("div.ph-cards.ph-stack", {}, cards.map(cardFace)) : empty("cards", say("no_cards"))] };
}

export function cardScreen(passId) {
  const card = store.state.cards.find((one) => one.pass_id === passId);
  if (!card) return { title: say("cards"), body: [empty("cards", say("no_cards"))] };
  const changes = store.state.notices.filter((one) => one.pass_id === passId);
  return {
    title: mall(card.client).name,
    body: [
      cardFace(card),
      h("div.ph-code", {}, h("small", {}, say("show_code")), bars(card.code || card.pass_id), h("code", {}, card.code || card.pass_id)),
      h("h3.ph-head", {}, say("notices")),
      h("div.ph-list", {}, changes.map(noticeRow)),
      h("p.ph-lead", {}, `${say("pass_number")} `, h("code", {}, card.pass_id), h("br"), say("card_since", { time: moment(card.updated_at) })),
    ],
  };
}

// A drawing in the manner of a bar code: each character a bar and a gap.
function bars(text) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  let place = 0;
  for (const letter of text + text) {
    const width = 1 + (letter.codePointAt(0) % 3);
    const bar = document.createElementNS(space, "rect");
    for (const [name, value] of Object.entries({ x: place, width, height: 40 })) bar.setAttribute(name, value);
    drawing.append(bar);
    place += width + 1 + (letter.codePointAt(0) % 2);
  }
  drawing.setAttribute("viewBox", `0 0 ${place} 40`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("class", "ph-bars");
  drawing.setAttribute("aria-hidden", "true");
  return drawing;
}

export function billRow(bill) {
  const back = bill.refunded_cents ? h("small.ph-back", {}, bill.refunded_cents >= bill.cents ? say("fully_refunded") : say("refunded", { sum: money(bill.refunded_cents) })) : null;
  return h("a.ph-row", { href: `#bill/${bill.number}`, test: `bill-${bill.number}` }, badge(pick(bill.store)),
    h("span.ph-grow", {}, h("b", {}, pick(bill.store)), h("small", {}, `${moment(bill.paid_at)} · ${mall(bill.client).name}`)),
    h("span.ph-sum", {}, h("b", {}, money(bill.cents)), back));
}

export function billsScreen() {
  const { bills } = store.state;
  return { title: say("bills"), body: [bills.length ? h("div.ph-list", { test: "bills" }, bills.map(billRow)) : empty("bills", say("no_bills"))] };
}

export function billScreen(number) {
  const bill = store.state.bills.find((one) => one.number === Number(number));
  if (!bill) return { title: say("bill"), body: [empty("bills", say("no_bills"))] };
  const left = bill.cents - bill.refunded_cents;
  const fact = (name, value) => h("div.ph-row", {}, h("span.ph-grow", {}, name), h("b.ph-fact", {}, value));
  return {
    title: say("bill"),
    body: [
      h("div.ph-bill", {}, badge(pick(bill.store)), h("b", {}, pick(bill.store)), h("strong", {}, money(bill.cents)),
        bill.refunded_cents ? h("span.ph-back", { test: "refunded" }, left ? say("refunded", { sum: money(bill.refunded_cents) }) : say("fully_refunded")) : null),
      h("div.ph-list", {}, fact(say("paid_at"), moment(bill.paid_at)), fact(say("mall_told"), `${mall(bill.client).name}${chinese ? "：" : ", "}${say(bill.state)}`), fact(say("bill_number"), bill.bill_no)),
    ],
    foot: [left ? h("button.ph-button", { test: "refund", onclick: () => go("refund", bill.number) }, say("refund")) : null],
  };
}

export function noticeSentence(one) {
  const key = one.event === "CREATED" ? "CREATED" : one.event === "UPDATED" ? "UPDATED" : "ENDED";
  return say(key, { mall: mall(one.client).name, change: signed(one.change) });
}

const noticeRow = (one) => h("a.ph-row", { href: `#card/${one.pass_id}`, test: "notice" }, h(`span.ph-logo.${color(one.client)}`, { "aria-hidden": "true" }, icon(one.event === "CREATED" ? "cards" : "notices")),
  h("span.ph-grow", {}, h("b", {}, noticeSentence(one)), h("small", {}, say("now_points", { points: whole(one.points) }))), h("time", {}, moment(one.at)));

const seenKey = () => `ph-seen:${setup.user_id}`;
const unread = () => {
  const seen = sessionStorage.getItem(seenKey()) ?? "";
  return store.state.notices.filter((one) => `${one.at} ${one.id}` > seen).length;
};

export function noticesScreen() {
  const { notices } = store.state;
  if (notices.length) sessionStorage.setItem(seenKey(), `${notices[0].at} ${notices[0].id}`);
  return { title: say("notices"), body: [notices.length ? h("div.ph-list", { test: "notices" }, notices.map(noticeRow)) : empty("notices", say("no_notices"))] };
}

// What every screen of the phone needs: words, elements, the person's state, calls, sheets and toasts.

export const setup = JSON.parse(document.body.dataset.setup);
export const chinese = setup.language === "zh-Hant";
export const store = { state: null };

export function say(key, values = {}) {
  return (setup.words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const pick = (pair) => pair[chinese ? 1 : 0] || pair[0] || pair[1];
export const mall = (client) => setup.malls.find((one) => one.client === client) ?? { client, name: client, stores: [] };
export const whole = (number) => (number ?? 0).toLocaleString("en-HK");
export const signed = (number) => (number < 0 ? "−" : "+") + whole(Math.abs(number));

export function money(cents) {
  return "HK$" + (cents / 100).toLocaleString("en-HK", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

// "2026-11-22 13:05:00" as people say it; the year goes without saying.
export function moment(text) {
  const [day, time] = text.split(/[ T]/);
  const [, month, date] = day.split("-").map(Number);
  const short = (time ?? "").slice(0, 5);
  const names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  return chinese ? `${month}月${date}日 ${short}` : `${date} ${names[month - 1]} ${short}`;
}

// h("button.ph-main", { test: "pay", onclick }, "Pay"): an element; texts are never read as HTML.
export function h(kind, options = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  if (tag === "button") made.type = "button";
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "test") made.dataset.test = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list" && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const PATHS = {
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  close: "M6 6l12 12M18 6L6 18",
  scan: "M4 8V5a1 1 0 011-1h3M16 4h3a1 1 0 011 1v3M20 16v3a1 1 0 01-1 1h-3M8 20H5a1 1 0 01-1-1v-3M4 12h16",
  cards: "M3 8a2 2 0 012-2h14a2 2 0 012 2v9a2 2 0 01-2 2H5a2 2 0 01-2-2zM3 11h18M7 15.5h4",
  bills: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9.5 8h5M9.5 12h5",
  notices: "M6 16V11a6 6 0 0112 0v5l1.5 2h-15zM10 20.5a2.2 2.2 0 004 0",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 100-4 2 2 0 000 4zM9 19a2 2 0 100-4 2 2 0 000 4z",
  shop: "M4 10v9a1 1 0 001 1h14a1 1 0 001-1v-9M3 8l2-4h14l2 4a3 3 0 01-6 0 3 3 0 01-6 0 3 3 0 01-6 0z",
  mini: "M5 5h6v6H5zM13 5h6v6h-6zM5 13h6v6H5zM16 13v6M13 16h6",
  tick: "M5 12.5l4.5 4.5L19 7.5",
  plus: "M12 5v14M5 12h14",
  erase: "M9 6h10a2 2 0 012 2v8a2 2 0 01-2 2H9l-6-6zM12 10l4 4M16 10l-4 4",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM16 16l4.5 4.5",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "ph-icon");
  drawing.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  drawing.append(path);
  return drawing;
}

// A stable color of a name or number, one of six.
export const tint = (text) => `ph-tint-${[...String(text)].reduce((sum, letter) => sum * 7 + letter.codePointAt(0), 3) % 6}`;
// A mall's own color: the first registered is jade, the next ones differ.
export const color = (client) => `ph-tint-${[1, 2, 3, 4, 0, 5][Math.max(0, setup.malls.findIndex((one) => one.client === client)) % 6]}`;
export const initials = (name) =>
  /^[\x20-\x7e]+$/.test(name) ? name.split(" ").slice(0, 2).map((word) => word[0]).join("").toUpperCase() : name.slice(-2);
export const badge = (name, key = name) => h(`span.ph-badge.${tint(key)}`, { "aria-hidden": "true" }, initials(name));

export const go = (...parts) => (location.hash = parts.map(encodeURIComponent).join("/"));
export const back = () => (history.length > 1 && store.depth > 1 ? history.back() : go("home"));

// One button of the phone at the simulator; what it refuses is said in a toast and thrown.
export async function post(name, fields) {
  const order = JSON.stringify({ user_id: setup.user_id, ...fields });
  let answer;
  try {
    answer = await fetch(`/phone/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: order });
  } catch {
    throw refusal(say("lost"));
  }
  const content = await answer.json();
  if (!answer.ok) throw refusal(say("failed", { reason: content.error }));
  return content;
}

function refusal(sentence) {
  toast(sentence);
  return new Error(sentence);
}

// Runs an action once, however often its button is tapped meanwhile.
export function once(action) {
  return async (event) => {
    const button = event.currentTarget;
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await action(event);
    } catch (error) {
      console.warn(error.message);
    } finally {
      button.removeAttribute("aria-busy");
    }
  };
}

const glass = document.getElementById("ph-glass");
const stage = document.getElementById("ph-stage");

export function toast(sentence) {
  glass.querySelector(".ph-toast")?.remove();
  const shown = h("div.ph-toast", { role: "status", test: "toast" }, sentence);
  glass.append(shown);
  setTimeout(() => shown.remove(), 4500);
}

// A sheet from below. Resolves to the value of the button that closed it; null if it was dismissed.
export function sheet({ title, test, body, buttons }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const close = (value) => {
      veil.remove();
      stage.inert = false;
      document.removeEventListener("keydown", onKey);
      before?.focus?.({ preventScroll: true });
      resolve(value);
    };
    const onKey = (event) => {
      if (event.key === "Escape") close(null);
    };
    const dismiss = h("button.ph-round", { test: `${test}-close`, "aria-label": say("close"), onclick: () => close(null) }, icon("close"));
    const choices = buttons.map(({ label, value, main, danger }) =>
      h(`button.ph-button${main ? ".ph-main" : ""}${danger ? ".ph-danger" : ""}`, { test: `${test}-${value}`, onclick: () => close(value) }, label),
    );
    const panel = h("div.ph-sheet", { role: "dialog", "aria-modal": "true", "aria-label": title, test }, h("header", {}, h("h2", {}, title), dismiss), body, h("div.ph-choices", {}, choices));
    const veil = h("div.ph-veil", { onclick: (event) => event.target === veil && close(null) }, panel);
    stage.inert = true;
    glass.append(veil);
    document.addEventListener("keydown", onKey);
    (choices[0] ?? dismiss).focus({ preventScroll: true });
  });
}

export const empty = (drawing, sentence) => h("div.ph-empty", { test: "empty" }, icon(drawing), h("p", {}, sentence));
export const asks = (lines) => h("ul.ph-asks", {}, lines.map((line) => h("li", {}, icon("tick"), h("span", {}, line))));
export const cardOf = (client) => store.state?.cards.find((one) => one.client === client && one.status === "ACTIVE") ?? null;
export const permits = (client) => store.state?.permitted.includes(client) ?? false;

/*
 * Demo screens in plain DOM, drawn into one element: what a mini-app team replaces by AXML pages.
 *
 * Knows neither the wallet nor the API: a screen gets a model and the actions its buttons call. Text goes in by
 * textContent only, looks come from screens.css by classes, so a policy of 'self' is enough.
 */
"use strict";

const LoyaltyScreens = (() => {
  const SIGNS = { ACCEPTED: "✓", ALREADY_EARNED: "=", HELD: "…", PARKED: "…", DOUBTED: "…" };
  const REGISTER_FIELDS = [
    { code: "name", kind: "TEXT", is_required: true, autocomplete: "name" },
    { code: "phone", kind: "PHONE", is_required: true, autocomplete: "tel" },
    { code: "email", kind: "EMAIL", autocomplete: "email" },
    { code: "birth_month", kind: "MONTH" },
    { code: "card_number", kind: "TEXT", autocomplete: "off" },
  ];

  /** An element with classes, text, attributes and children; `test` marks it for tests, `press` is what a click does. */
  function el(name, { kind = "", text, test, press, ...attributes } = {}, ...children) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    if (test) made.dataset.test = test;
    if (press) made.addEventListener("click", press);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  }

  const button = (text, press, test, kind = "mp-button") => el("button", { type: "button", kind, text, press, test });
  const whole = (number) => Number(number || 0).toLocaleString("en-HK");
  const money = (cents) => (Number(cents || 0) / 100).toLocaleString("en-HK", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor((ms % 60000) / 1000)).padStart(2, "0")}`;

  class LoyaltyScreens {
    constructor(root, language) {
      this.root = root;
      this.language = String(language || "").toLowerCase().startsWith("zh") ? "zh" : "en";
      this.shown = null;
      this.tasks = 0;
      this.bar = el("header", { kind: "mp-bar" });
      this.notice = el("div", { kind: "mp-notice", role: "alert", test: "notice", hidden: true });
      this.page = el("main", { kind: "mp-page", test: "page" });
      root.classList.add("mp");
      for (const what of ["click", "submit"]) root.addEventListener(what, (event) => this._hold(event), true);
      root.replaceChildren(this.bar, this.notice, this.page);
    }

    /** Draws a screen by name; the same model is drawn again when the language changes. */
    show(name, model) {
      const isNew = !this.shown || this.shown.name !== name;
      const pressed = document.activeElement && document.activeElement.dataset.test;
      this.shown = { name, model };
      this.root.lang = this.language === "zh" ? "zh-Hant-HK" : "en-HK";
      this.root.dataset.screen = name;
      this._drawBar(model);
      this.page.replaceChildren(...this[name](model).filter(Boolean));
      if (isNew) this._arrive();
      else this._stay(pressed);
    }

    /** What went wrong or well, in words; nothing clears it. */
    say(told) {
      this.notice.hidden = !told;
      this.notice.textContent = told ? this._of(told, "message") : "";
      if (told) this.notice.scrollIntoView({ block: "nearest" });
    }

    /** Some of our own words in the shape of a message, for `say`. */
    words(key) {
      const [message_en, message_zh] = LoyaltyWords[key];
      return { message_en, message_zh };
    }

    /** While something is under way nothing can be pressed; buttons stay enabled, as a disabled one loses the focus. */
    busy(isBusy) {
      this.tasks += isBusy ? 1 : -1;
      this.root.setAttribute("aria-busy", String(this.tasks > 0));
    }

    /* ---- Screens ---- */

    loading() {
      return [el("p", { kind: "mp-quiet mp-center", text: this._t("busy") })];
    }

    failed({ title, failure, actions }) {
      const words = this._of(failure, "message");
      return [
        el("h1", { text: title ? this._t(title) : words, tabindex: "-1" }),
        title && el("p", { text: words, role: "alert", test: "failure" }),
        actions.retry && button(this._t("retry"), actions.retry, "retry"),
        actions.back && button(this._t("back"), actions.back, "back", "mp-button mp-plain"),
      ];
    }

    welcome({ setup, actions }) {
      const gains = ["gain_1", "gain_2", "gain_3"].map((key) => el("li", { text: this._t(key) }));
      return [
        el("section", { kind: "mp-hero" },
          el("p", { kind: "mp-eyebrow", text: this._of(setup.program, "name") }),
          el("h1", { text: this._t("welcome_title"), tabindex: "-1" }),
          el("p", { text: this._t("welcome_text") })),
        el("ul", { kind: "mp-gains" }, gains),
        button(this._t("join"), actions.join, "join"),
      ];
    }

    consent({ setup, actions, isMember }) {
      const { consent } = setup;
      return [
        el("h1", { text: this._t("consent_title"), tabindex: "-1" }),
        el("div", { kind: "mp-sheet", tabindex: "0", role: "region", "aria-label": this._t("consent_title") },
          el("p", { kind: "mp-lines", text: this._of(consent, "text"), test: "consent-text" }),
          el("p", { kind: "mp-quiet", text: this._t("consent_version", { version: consent.text_version }), test: "consent-version" })),
        el("p", { kind: "mp-quiet", text: this._t("consent_note") }),
        button(this._t("agree"), actions.agree, "agree"),
        isMember
          ? button(this._t("back"), actions.back, "back", "mp-button mp-plain")
          : button(this._t("without"), actions.without, "without", "mp-button mp-plain"),
      ];
    }

    register(model) {
      const { setup, actions, member, faults = [], typed = {} } = model;
      const fields = REGISTER_FIELDS.map((one) => ({ ...one, label: this._t(one.code) }));
      const more = (setup.registration || []).map((one) => ({ ...one, label: this._of(one, "label"), isMore: true }));
      const form = el("form", { kind: "mp-form", novalidate: true, test: "register" },
        [...fields, ...more].map((one) => this._field(one, typed[one.code], faults.find((fault) => fault.field.split(".").pop() === one.code))),
        el("button", { kind: "mp-button", text: this._t("save"), test: "save" }),
        button(this._t("later"), actions.later, "later", "mp-button mp-plain"));
      form.addEventListener("input", () => { model.typed = Object.fromEntries(new FormData(form)); });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        model.typed = Object.fromEntries(new FormData(form));
        actions.save(model.typed);
      });
      return [
        el("h1", { text: this._t("register_title"), tabindex: "-1" }),
        el("p", { kind: "mp-quiet", text: this._t("register_text") }),
        form,
      ];
    }

    card({ setup, member, history, isBatchWaiting, actions }) {
      return [
        this._memberCard(setup, member),
        isBatchWaiting && el("div", { kind: "mp-strip mp-wait", test: "waiting-batch" },
          el("span", { text: this._t("batch_waiting") }), button(this._t("retry"), actions.resubmit, "resubmit", "mp-link")),
        ...member.expiring.map((lot) => el("p", { kind: "mp-strip mp-wait", test: "expiring", text: this._t("expiring", { points: whole(lot.points), date: this._date(lot.expires_at) }) })),
        el("div", { kind: `mp-strip ${member.auto_earn ? "mp-good" : "mp-wait"}`, test: "auto-earn" },
          el("span", { text: this._t(member.auto_earn ? "auto_on" : "auto_off") }),
          !member.auto_earn && button(this._t("turn_on"), actions.turnOn, "turn-on", "mp-link")),
        !member.is_registered && button(this._t("complete"), actions.register, "complete", "mp-strip mp-link"),
        el("div", { kind: "mp-pair" },
          setup.bill_page && button(this._t("submit"), actions.submit, "submit"),
          setup.redemption && button(this._t("redeem"), actions.redeem, "redeem", "mp-button mp-second")),
        el("h2", { text: this._t("history") }),
        this._history(history),
        history.next && button(this._t("more"), actions.more, "more", "mp-button mp-plain"),
        button(this._t("settings"), actions.settings, "settings", "mp-link mp-center"),
      ];
    }

    verdict({ verdict, actions }) {
      const title = verdict.points > 0 ? this._t("verdict_total", { points: whole(verdict.points) }) : this._t("verdict_none");
      return [
        el("p", { kind: "mp-eyebrow", text: this._t("verdict_title") }),
        el("h1", { text: title, tabindex: "-1", test: "verdict-total" }),
        el("ul", { kind: "mp-list", test: "verdict" }, verdict.lines.map((line) => this._line(line))),
        button(this._t("done"), actions.done, "done"),
      ];
    }

    redeem({ setup, member, actions }) {
      const { min_points: least, points_per_hkd: rate } = setup.redemption;
      const field = el("input", { kind: "mp-amount", id: "mp-points", name: "points", inputmode: "numeric", autocomplete: "off", value: Math.max(least || 1, 1), "aria-describedby": "mp-worth", test: "redeem-points" });
      const worth = el("p", { kind: "mp-quiet mp-center", id: "mp-worth", "aria-live": "polite" });
      const reckon = () => { worth.textContent = rate ? this._t("redeem_worth", { amount: money((Number(field.value) || 0) * 100 / rate) }) : ""; };
      field.addEventListener("input", reckon);
      reckon();
      const form = el("form", { kind: "mp-form" },
        el("label", { for: "mp-points", kind: "mp-quiet mp-center", text: this._t("redeem_have", { points: whole(member.balance.points) }) }),
        field, worth,
        least > 1 && el("p", { kind: "mp-quiet mp-center", text: this._t("redeem_least", { points: whole(least) }) }),
        el("button", { kind: "mp-button", text: this._t("redeem_make"), test: "make-code" }),
        button(this._t("back"), actions.back, "back", "mp-button mp-plain"));
      form.addEventListener("submit", (event) => { event.preventDefault(); actions.make(Number(field.value)); });
      return [el("h1", { kind: "mp-center", text: this._t("redeem_title"), tabindex: "-1" }), form];
    }

    /** `left` is how many milliseconds the code still lives; `tick` moves it on. */
    code({ redemption, left, actions }) {
      if (redemption.state === "CONFIRMED") return this._ending("code_used", "✓", { points: whole(redemption.points) }, actions.done);
      if (left <= 0 || redemption.state === "RELEASED") return this._ending("code_ended", "–", {}, actions.done);
      return [
        el("h1", { kind: "mp-center", text: this._t("code_title"), tabindex: "-1" }),
        el("p", { kind: "mp-code", text: `${redemption.code.slice(0, 4)} ${redemption.code.slice(4)}`, test: "code" }),
        el("p", { kind: "mp-center", text: `${whole(redemption.points)} ${this._t("points")}` }),
        el("progress", { kind: "mp-progress", max: redemption.lasts_ms || left, value: left, "aria-hidden": "true" }),
        el("p", { kind: "mp-center mp-quiet", role: "timer", test: "countdown", text: this._t("code_left", { time: clock(left) }) }),
        button(this._t("release"), actions.release, "release", "mp-button mp-plain"),
      ];
    }

    tick(left) {
      this.shown.model.left = left;
      if (left <= 0) return this.show("code", this.shown.model);
      this.page.querySelector("[role=timer]").textContent = this._t("code_left", { time: clock(left) });
      this.page.querySelector("progress").value = left;
    }

    settings({ setup, member, actions, isAsking }) {
      const { consent } = member;
      const since = { version: consent.text_version, date: this._date(consent.began_at) };
      return [
        el("h1", { text: this._t("settings"), tabindex: "-1" }),
        el("p", { kind: `mp-strip ${member.auto_earn ? "mp-good" : "mp-wait"}`, text: this._t(member.auto_earn ? "auto_on" : "auto_off"), test: "auto-earn" }),
        consent.is_given && el("p", { kind: "mp-quiet", text: this._t("consent_since", since) }),
        el("p", { kind: "mp-sheet mp-lines", text: this._of(setup.consent, "text") }),
        isAsking && el("p", { kind: "mp-strip mp-wait", role: "alert", text: this._t("withdraw_sure") }),
        ...this._consentButtons(consent, isAsking, actions),
      ];
    }

    /* ---- Parts ---- */

    _memberCard(setup, member) {
      const { balance, tier } = member;
      return el("section", { kind: "mp-card", "aria-label": this._t("card") },
        el("div", { kind: "mp-card-top" },
          el("h1", { kind: "mp-card-name", text: this._of(setup.program, "name"), tabindex: "-1" }),
          tier && el("span", { kind: "mp-tier", text: this._of(tier, "name"), test: "tier" })),
        el("p", { kind: "mp-points" },
          el("strong", { text: whole(balance.points), test: "points" }),
          el("span", { text: ` ${this._t("points")}` })),
        balance.held > 0 && el("p", { kind: "mp-card-note", text: this._t("held", { points: whole(balance.held) }) }),
        this._way(tier && tier.next),
        el("p", { kind: "mp-card-number", text: member.card_number, test: "card-number" }));
    }

    /** The way to the next tier; the bar needs to know how long the whole way is. */
    _way(next) {
      if (!next) return null;
      const { needed_cents: needed } = next;
      const words = this._t("tier_next", { amount: money(next.missing_cents), tier: this._of(next, "name") });
      return el("div", { kind: "mp-way", test: "tier-way" },
        needed > 0 && el("progress", { kind: "mp-progress", max: needed, value: needed - next.missing_cents, "aria-hidden": "true" }),
        el("p", { kind: "mp-card-note", text: words }));
    }

    _history({ transactions }) {
      if (!transactions.length) return el("p", { kind: "mp-empty", text: this._t("history_empty") });
      return el("ul", { kind: "mp-list", test: "history" }, transactions.map((one) => this._transaction(one)));
    }

    _transaction(one) {
      const isWaiting = ["HELD", "PARKED"].includes(one.state);
      const where = this._of(one, "store") || this._of(one, "mall");
      // `points` is what is left of it; the refunds below take theirs from what it earned.
      const earned = (one.refunds || []).reduce((sum, refund) => sum + refund.points, one.points);
      return el("li", { kind: "mp-item", test: "transaction" },
        this._row(where, isWaiting ? this._t("waiting") : this._gain(earned), isWaiting),
        el("p", { kind: "mp-quiet", text: `HK$${money(one.amount_cents)} · ${this._time(one.paid_at)}` }),
        ...this._reasons(one, (code) => !code.startsWith("REFUND_")),
        ...(one.refunds || []).map((refund) => {
          const words = this._t("refunded", { amount: money(refund.amount_cents), date: this._date(refund.refunded_at) });
          return el("div", { kind: "mp-refund", test: "refund" }, this._row(words, this._gain(-refund.points)));
        }),
        ...this._reasons(one, (code) => code.startsWith("REFUND_")));
    }

    _reasons({ reasons }, isWanted) {
      const wanted = reasons.filter((reason) => isWanted(reason.code));
      return wanted.map((reason) => el("p", { kind: "mp-reason", text: this._of(reason, "message"), test: "reason" }));
    }

    _line(line) {
      const repeat = line.is_repeat ? this._t("verdict_repeat") : "";
      return el("li", { kind: `mp-item mp-verdict mp-${line.verdict.toLowerCase()}`, test: "line" },
        el("span", { kind: "mp-sign", text: SIGNS[line.verdict] || "✕", "aria-hidden": "true" }),
        el("div", {},
          this._row(this._of(line, "message") + repeat, line.points ? this._gain(line.points) : ""),
          line.number && el("p", { kind: "mp-number", text: line.number })));
    }

    _row(words, value, isQuiet) {
      return el("p", { kind: "mp-row" }, el("span", { text: words }), el("b", { kind: isQuiet ? "mp-tag" : "", text: value }));
    }

    _field(one, typed, fault) {
      const id = `mp-${one.isMore ? "more-" : ""}${one.code}`;
      const common = { id, name: one.code, required: one.is_required, "aria-invalid": fault ? "true" : undefined, "aria-describedby": fault ? `${id}-fault` : undefined };
      const label = one.is_required ? one.label : one.label + this._t("optional");
      return el("div", { kind: "mp-field" },
        el("label", { for: id, text: label }),
        this._input(one, common, typed),
        fault && el("p", { kind: "mp-fault", id: `${id}-fault`, text: this._of(fault, "message"), test: `fault-${one.code}` }));
    }

    _input(one, common, typed) {
      const choices = this._choices(one);
      if (!choices) {
        const kind = { PHONE: "tel", EMAIL: "email" }[one.kind] || "text";
        return el("input", { ...common, type: kind, autocomplete: one.autocomplete, value: typed });
      }
      const options = [["", this._t("choose")], ...choices];
      return el("select", common, options.map(([value, text]) => el("option", { value, text, selected: value === typed })));
    }

    _choices({ kind, choices }) {
      if (kind === "YES_NO") return [["yes", this._t("yes")], ["no", this._t("no")]];
      if (kind === "CHOICE") return choices.map((one) => [one.code, one[this.language]]);
      if (kind !== "MONTH") return null;
      const name = new Intl.DateTimeFormat(this.root.lang, { month: "long", timeZone: "UTC" });
      return [...Array(12).keys()].map((month) => [String(month + 1), name.format(new Date(Date.UTC(2000, month, 15)))]);
    }

    _consentButtons(consent, isAsking, actions) {
      const keep = button(this._t(isAsking ? "keep" : "back"), actions.back, "back", "mp-button mp-plain");
      if (!consent.is_given) return [button(this._t("turn_on"), actions.turnOn, "turn-on"), keep];
      const stop = isAsking ? button(this._t("withdraw_yes"), actions.withdraw, "withdraw-yes", "mp-button mp-danger") : button(this._t("withdraw"), actions.ask, "withdraw", "mp-button mp-danger");
      return [stop, keep];
    }

    _ending(key, sign, values, done) {
      return [
        el("p", { kind: "mp-big-sign", text: sign, "aria-hidden": "true" }),
        el("h1", { kind: "mp-center", text: this._t(key, values), tabindex: "-1", test: "code-end" }),
        button(this._t("done"), done, "done"),
      ];
    }

    _drawBar(model) {
      const mall = model.setup ? this._of(model.setup.mall, "name") : "";
      const other = button(this._t("language"), () => {
        this.language = this.language === "zh" ? "en" : "zh";
        this.say(null);
        this.show(this.shown.name, this.shown.model);
      }, "language", "mp-link");
      other.setAttribute("aria-label", this._t("language_name"));
      this.bar.replaceChildren(el("span", { kind: "mp-mark", "aria-hidden": "true" }), el("span", { kind: "mp-mall", text: mall }), other);
    }

    _hold(event) {
      if (!this.tasks) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    }

    /** The same screen anew: to the first wrong field, or to where the reader was. */
    _stay(pressed) {
      const place = this.page.querySelector("[aria-invalid]") || (pressed && this.root.querySelector(`[data-test="${pressed}"]`));
      if (place) place.focus();
    }

    /** A new screen begins at its top, with its heading read out. */
    _arrive() {
      for (let one = this.root; one; one = one.parentElement) one.scrollTop = 0;
      const heading = this.page.querySelector("h1");
      if (heading) heading.focus({ preventScroll: true });
    }

    _t(key, values = {}) {
      return LoyaltyWords[key][this.language === "zh" ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    /** The field of a pair such as name_en and name_zh that this reader wants, or the other one if it is empty. */
    _of(pair, field) {
      return (pair && (pair[`${field}_${this.language}`] || pair[`${field}_en`] || pair[`${field}_zh`])) || "";
    }

    _gain(points) {
      return points < 0 ? `−${whole(-points)}` : points > 0 ? `+${whole(points)}` : "0";
    }

    _date(text) {
      return this._format(text, { dateStyle: "medium" });
    }

    _time(text) {
      return this._format(text, { dateStyle: "medium", timeStyle: "short" });
    }

    _format(text, style) {
      return text ? new Intl.DateTimeFormat(this.root.lang, { ...style, timeZone: "Asia/Hong_Kong" }).format(new Date(text)) : "";
    }
  }

  return LoyaltyScreens;
})();

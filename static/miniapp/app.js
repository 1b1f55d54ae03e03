/*
 * What a mini-app's own app.js and pages do, in one file: which call follows which screen.
 *
 * `App` is the wallet's (or the simulator's). The client decides nothing about screens, the screens nothing about calls.
 */
"use strict";

const ASK_AGAIN = ["CONSENT_TEXT_OLD", "AUTHORIZATION_ENDED"];

App({
  onLaunch() {
    const { mallUrl, tag, lang } = document.getElementById("miniapp").dataset;
    this.client = new LoyaltyClient({ mallUrl, tag });
    this.screens = new LoyaltyScreens(document.getElementById("miniapp"), lang);
    this.setup = null;
    this.member = null;
    this.history = { transactions: [], next: null };
    this.isLaunching = true;
    this.started = this.start();
  },

  /** Runs at the start and at every return to the front, mostly with nothing to tell. */
  async onShow(options) {
    await this.started;
    if (!this.setup) return;
    const isWakeUp = !this.isLaunching;
    this.isLaunching = false;
    await this.during(async () => {
      const verdict = await this.client.onShow(options).catch((failure) => this.showBatchFailed(failure));
      if (verdict) this.showVerdict(verdict);
    });
    if (isWakeUp && this.screens.shown.name === "card") await this.renew();
  },

  /** Who was here before is recognised without a question. */
  async start() {
    this.screens.show("loading", {});
    try {
      this.setup = await this.client.setup();
      this.member = await this.client.resume();
      if (this.member) await this.openCard();
      else this.showWelcome();
    } catch (failure) {
      this.showFailure(failure, () => this.start());
    }
  },

  /* ---- Joining ---- */

  showWelcome() {
    this.show("welcome", { actions: { join: () => this.showConsent() } });
  },

  showConsent() {
    const isMember = Boolean(this.member);
    const actions = {
      agree: () => this.join(() => this.client.join({ textVersion: this.setup.consent.text_version })),
      without: () => this.join(() => this.client.signIn()),
      back: () => this.showCard(),
    };
    this.show("consent", { isMember, actions });
  },

  join(signIn) {
    return this.during(async () => {
      const signedIn = await signIn();
      this.member = signedIn.member;
      if (this.member.is_registered) await this.openCard();
      else this.showRegister();
      if (signedIn.is_bills_refused) this.screens.say(this.screens.words("bills_refused"));
    });
  },

  showRegister() {
    const model = { member: this.member, faults: [], typed: {} };
    model.actions = { save: (typed) => this.register(model, typed), later: () => this.during(() => this.openCard()) };
    this.show("register", model);
  },

  register(model, typed) {
    model.typed = typed;
    return this.during(async () => {
      try {
        this.member = await this.client.register(this.formOf(typed));
        await this.openCard();
      } catch (failure) {
        model.faults = failure.fields || [];
        this.show("register", model);
        throw failure;
      }
    });
  },

  /** The form in the API's types: months are numbers, yes and no are truth, what was left empty is left out. */
  formOf(typed) {
    const kinds = Object.fromEntries(this.setup.registration.map((one) => [one.code, one.kind]));
    const { name, phone, email, birth_month, card_number, ...more } = typed;
    const supplied = {};
    for (const [code, text] of Object.entries(more)) {
      if (text) supplied[code] = kinds[code] === "MONTH" ? Number(text) : kinds[code] === "YES_NO" ? text === "yes" : text;
    }
    return { name, phone, email, birth_month: birth_month ? Number(birth_month) : null, card_number, supplied };
  },

  /* ---- The card ---- */

  async openCard() {
    this.history = await this.client.historyPage();
    this.showCard();
  },

  showCard() {
    this.show("card", {
      member: this.member,
      history: this.history,
      isBatchWaiting: Boolean(this.client.waitingBatch()),
      actions: {
        resubmit: () => this.during(() => this.resubmit()),
        turnOn: () => this.showConsent(),
        register: () => this.showRegister(),
        submit: () => this.during(() => this.client.submitTransactions()),
        redeem: () => this.showRedeem(),
        more: () => this.during(() => this.moreHistory()),
        settings: () => this.showSettings(false),
      },
    });
  },

  /** The card as it is now: points may have come while nobody looked. */
  async refresh() {
    if (!this.client.isSignedIn()) return this.showWelcome();
    this.member = await this.client.me();
    return this.openCard();
  },

  /** Behind a card that is looked at; whoever has gone on meanwhile is left alone. */
  async renew() {
    const shown = this.screens.shown;
    try {
      const member = await this.client.me();
      const history = await this.client.historyPage();
      if (this.screens.shown !== shown) return;
      Object.assign(this, { member, history });
      this.showCard();
    } catch (failure) {
      if (!failure.code) throw failure;
      if (this.screens.shown === shown) this.screens.say(failure);
    }
  },

  async moreHistory() {
    const page = await this.client.historyPage(this.history.next);
    this.history = { transactions: this.history.transactions.concat(page.transactions), next: page.next };
    this.showCard();
  },

  /* ---- Submitted transactions ---- */

  showVerdict(verdict) {
    this.show("verdict", { verdict, actions: { done: () => this.during(() => this.refresh()) } });
  },

  /** The number is kept until there is a verdict, so nothing has to be picked again. */
  showBatchFailed(failure) {
    if (!failure.code || ASK_AGAIN.includes(failure.code)) throw failure;
    const retry = () => this.during(() => this.resubmit());
    const actions = { retry: this.client.waitingBatch() ? retry : null, back: () => this.during(() => this.refresh()) };
    this.show("failed", { title: "verdict_failed", failure, actions });
  },

  async resubmit() {
    this.showVerdict(await this.client.submitBatch(this.client.waitingBatch()));
  },

  /* ---- Spending ---- */

  showRedeem() {
    const make = (points) => this.during(async () => this.showCode(await this.client.redeem(points)));
    this.show("redeem", { member: this.member, actions: { make, back: () => this.showCard() } });
  },

  showCode(redemption) {
    const until = Date.now() + redemption.lasts_ms;
    const actions = {
      done: () => this.during(() => this.refresh()),
      release: () => this.during(async () => { await this.client.release(redemption.code); await this.refresh(); }),
    };
    this.show("code", { redemption, left: redemption.lasts_ms, actions });
    this.watch(redemption, until);
  },

  /** Counts down every second, and asks now and then whether the counter has taken the code. */
  watch(redemption, until) {
    let seconds = 0;
    const timer = setInterval(async () => {
      const { name, model } = this.screens.shown;
      if (name !== "code" || model.left <= 0 || model.redemption.state !== "RESERVED") return clearInterval(timer);
      this.screens.tick(Math.max(until - Date.now(), 0));
      seconds += 1;
      if (seconds % 3) return undefined;
      const now = await this.client.redemption(redemption.code).catch(() => null);
      if (now && now.state !== "RESERVED" && this.screens.shown.model === model) {
        model.redemption = now;
        this.screens.show("code", model);
      }
      return undefined;
    }, 1000);
  },

  /* ---- Consent ---- */

  showSettings(isAsking) {
    const actions = {
      ask: () => this.showSettings(true),
      back: () => (isAsking ? this.showSettings(false) : this.showCard()),
      turnOn: () => this.showConsent(),
      withdraw: () => this.during(async () => {
        this.member = await this.client.withdrawConsent();
        this.showSettings(false);
      }),
    };
    this.show("settings", { member: this.member, isAsking, actions });
  },

  /** The text has changed, or AlipayHK's leave has ended: the member reads and agrees anew. */
  async askAgain() {
    this.setup = await this.client.setup({ isAnew: true }).catch(() => this.setup);
    this.showConsent();
  },

  /* ---- Always ---- */

  show(name, model) {
    this.screens.say(null);
    this.screens.show(name, Object.assign({ setup: this.setup }, model));
  },

  showFailure(failure, retry) {
    this.show("failed", { failure, actions: { retry } });
  },

  /** One thing at a time; what goes wrong is said on the screen where it was asked for. */
  async during(work) {
    this.screens.busy(true);
    try {
      await work();
    } catch (failure) {
      if (!failure.code) throw failure;
      if (ASK_AGAIN.includes(failure.code)) await this.askAgain();
      this.screens.say(failure);
    } finally {
      this.screens.busy(false);
    }
  },
});

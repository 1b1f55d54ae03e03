/*
 * The member's side of the points program, for the mall's mini-app. Copy this file as it is.
 *
 * It speaks to the mall's API (/api/miniapp/v1/{tag}/…) and to the wallet through `my`, and to nothing else: no DOM,
 * no fetch, no timers, nothing newer than ES2017. AlipayHK's tokens never come here; the server keeps them.
 *
 *     const client = new LoyaltyClient({ mallUrl: "https://points.example", tag: "harbour-mall" });
 *     await client.resume();                                  // App.onLaunch: back without a question, or null
 *     await client.join({ textVersion: setup.consent.text_version });
 *     const verdict = await client.onShow(options);           // App.onShow: null unless a new batch came
 *
 * Every method that may fail fails with one shape, whatever went wrong:
 *     { code, message_en, message_zh, status, fields: [{ field, code, message_en, message_zh }] }
 * `status` is the HTTP status, 0 where the call never got an answer. Show a message, decide by the code.
 */
"use strict";

const LoyaltyClient = (() => {
  const WHO = "auth_base";
  const BILLS = "SCOPE_USER_BILL";
  // A code of the wallet that was too old, or seen before, is fetched anew, once.
  const STALE_CODES = ["AUTH_CODE_EXPIRED", "AUTH_CODE_INVALID"];
  const TIMEOUT_MS = 20000;
  const BATCHES_REMEMBERED = 20;

  const WORDS = {
    NETWORK: ["No connection. Check your network and try again.", "未能連線，請檢查網絡後再試。"],
    TIMEOUT: ["That took too long. Please try again.", "等候時間過長，請再試一次。"],
    SERVICE_AWAY: ["The points service is not available now. Please try again later.", "積分服務暫時未能使用，請稍後再試。"],
    UNREADABLE_ANSWER: ["The answer could not be read. Please try again later.", "未能讀取回覆，請稍後再試。"],
    USER_CANCELLED: ["You did not agree, so nothing was changed.", "你已取消授權，沒有任何改動。"],
    AUTHORIZATION_TIMEOUT: ["The authorisation took too long. Please try again.", "授權逾時，請再試一次。"],
    NO_EKYC: ["Verify your identity in AlipayHK first, then try again.", "請先在 AlipayHK 完成身份認證，然後再試。"],
    WALLET_FAILED: ["AlipayHK could not do this now. Please try again.", "AlipayHK 暫時未能處理，請再試一次。"],
    SIGN_IN_FIRST: ["Please sign in first.", "請先登入。"],
    UPLOAD_OFF: ["Submitting transactions is not open at this mall.", "此商場未開放提交交易。"],
  };

  // What the wallet's own calls fail with; all other numbers are WALLET_FAILED.
  const AUTHORIZATION_FAULTS = { 11: "USER_CANCELLED", 12: "NETWORK", 13: "AUTHORIZATION_TIMEOUT", 14: "AUTHORIZATION_TIMEOUT", 101: "NO_EKYC" };
  const REQUEST_FAULTS = { 13: "TIMEOUT", 14: "UNREADABLE_ANSWER" };

  /** The one shape of everything that goes wrong. */
  function failure(code, status) {
    const [message_en, message_zh] = WORDS[code];
    return { code, message_en, message_zh, status: status || 0, fields: [] };
  }

  /** What the mall's API says of a refusal; a proxy's page in its place says only that the service is away. */
  function refusal(status, content) {
    const error = content && content.error;
    if (!error || !error.code) return failure(status >= 500 ? "SERVICE_AWAY" : "UNREADABLE_ANSWER", status);
    return {
      code: String(error.code),
      message_en: String(error.message_en || error.code),
      message_zh: String(error.message_zh || error.message_en || error.code),
      status,
      fields: Array.isArray(error.fields) ? error.fields : [],
    };
  }

  /** Some wallets hand JSON over as text. */
  function read(content) {
    if (typeof content !== "string") return content;
    try {
      return JSON.parse(content);
    } catch (error) {
      return null;
    }
  }

  /** All that another mini-app sent along, from either place where wallets put it. */
  function brought(options) {
    const shown = options || {};
    const referrer = shown.referrerInfo || {};
    return Object.assign({}, read(shown.query), read(referrer.extraData));
  }

  /** Whether asking again with the same words would get the same answer. */
  function isFinal(refused) {
    return refused.code !== "AUTHORIZATION_ENDED" && [400, 403, 404, 409, 410, 413, 422].includes(refused.status);
  }

  class LoyaltyClient {
    /** `wallet` is the mini-app's `my`. Its request is documented for GET and POST alone, so DELETE goes in disguise. */
    constructor({ mallUrl, tag, wallet, deleteBy = "POST" }) {
      const place = tag.split("/").map(encodeURIComponent).join("/");
      this.base = `${mallUrl.replace(/\/+$/, "")}/api/miniapp/v1/${place}/`;
      this.wallet = wallet || my;
      this.storageKey = `loyalty.${tag}`;
      this.deleteBy = deleteBy;
      this.known = null;
      this.renewal = null;
      this.submitting = "";
      this.wish = null;
    }

    /** What the program is: names, scopes, bill page, consent text, registration form, redemption. Asked for once. */
    async setup({ isAnew = false } = {}) {
      if (!this.known || isAnew) {
        this.known = this._send("GET", "setup").catch((refused) => {
          this.known = null;
          throw refused;
        });
      }
      return this.known;
    }

    /* ---- Who is it ---- */

    /**
     * Signs in by the wallet. `auth_base` alone is silent and tells who it is; with `askForBills` the wallet asks the
     * member to share payments too, after the text `textVersion` was shown. → { member, is_new, auto_earn, is_bills_refused }
     */
    async signIn({ askForBills = false, textVersion } = {}) {
      const asked = askForBills ? [WHO, BILLS] : [WHO];
      try {
        return await this._exchange(asked, textVersion);
      } catch (refused) {
        if (!STALE_CODES.includes(refused.code)) throw refused;
        return this._exchange(asked, textVersion);
      }
    }

    /** Single sign-on: who signed in here before is back without a question. → me, or null for a stranger. */
    async resume() {
      return this.isSignedIn() ? this.me() : null;
    }

    /** The whole way to auto-earn: the wallet asks, we sign in, and the agreement to this text is on record. → as signIn */
    async join({ textVersion }) {
      const signedIn = await this.signIn({ askForBills: true, textVersion });
      const { consent } = signedIn.member;
      if (signedIn.is_bills_refused || (consent.is_given && consent.text_version === textVersion)) return signedIn;
      const member = await this.giveConsent(textVersion);
      return Object.assign(signedIn, { member, auto_earn: member.auto_earn === true });
    }

    isSignedIn() {
      return Boolean(this._remembered().token);
    }

    /** Forgets this phone's session; the membership stays. */
    forget() {
      this.wallet.removeStorageSync({ key: this.storageKey });
    }

    /* ---- The member ---- */

    me() {
      return this._call("GET", "me");
    }

    /** Newest first, 20 a page. → { transactions, next }; hand `next` in for the following page until it is null. */
    historyPage(cursor) {
      return this._call("GET", cursor ? `me/transactions?cursor=${encodeURIComponent(cursor)}` : "me/transactions");
    }

    /** → me. A refusal names the fields that are wrong. */
    register(form) {
      return this._call("POST", "register", form);
    }

    giveConsent(textVersion) {
      return this._call("POST", "me/consent", { text_version: textVersion });
    }

    /** From now on payments earn nothing by themselves; what was earned stays. → me */
    withdrawConsent() {
      return this._call("DELETE", "me/consent");
    }

    /* ---- Transactions that the member picks ---- */

    /** Opens AlipayHK's page of payments. What is picked there comes back by App.onShow. */
    async submitTransactions() {
      const { bill_page: page } = await this.setup();
      if (!page || !this.wallet.navigateToMiniProgram) throw failure("UPLOAD_OFF");
      await this._ask("navigateToMiniProgram", { appId: page.app_id, path: page.path, extraData: page.extra_data || {} });
    }

    /**
     * Give App.onShow's options to this, every time. → the verdict on a new batch, or null: waking up brings no batch,
     * and some wallets bring the last one again at each waking.
     */
    async onShow(options) {
      const found = brought(options);
      if (!Object.keys(found).length) return null;
      const { batch_key: key, bill_page: page } = await this.setup();
      const from = (options.referrerInfo || {}).appId;
      // Another mini-app may open this one, and name a batch that the member never picked.
      if (from && page && from !== page.app_id) return null;
      const number = key ? found[key] : "";
      if (typeof number !== "string" || !number || number === this.submitting) return null;
      return this._remembered().settled.includes(number) ? null : this.submitBatch(number);
    }

    /** → { batch_no, points, lines }. A batch whose answer never came may be submitted again; it earns once. */
    async submitBatch(number) {
      this.submitting = number;
      this._remember({ waiting: number });
      try {
        const verdict = await this._call("POST", "batches", { batch_no: number });
        this._settle(number);
        return verdict;
      } catch (refused) {
        if (isFinal(refused)) this._settle(number);
        throw refused;
      } finally {
        this.submitting = "";
      }
    }

    /** A batch whose verdict is still missing, as after a lost connection; empty if there is none. */
    waitingBatch() {
      return this._remembered().waiting;
    }

    /* ---- Spending points ---- */

    /**
     * Sets points aside under a code for the counter. → the redemption and `lasts_ms`, counted from now: a phone's
     * clock may be wrong. Asked again after a lost answer, it is the same redemption.
     */
    async redeem(points) {
      if (!this.wish || this.wish.points !== points) {
        this.wish = { points, request_key: `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}` };
      }
      try {
        const made = await this._call("POST", "redemptions", this.wish);
        this.wish = null;
        const lasts_ms = Date.parse(made.expires_at) - Date.parse(made.reserved_at || new Date().toISOString());
        return Object.assign({ lasts_ms: Math.max(lasts_ms, 0) }, made);
      } catch (refused) {
        if (isFinal(refused)) this.wish = null;
        throw refused;
      }
    }

    /** → the redemption as it is now: RESERVED, CONFIRMED at the counter, or RELEASED. */
    redemption(code) {
      return this._call("GET", `redemptions/${encodeURIComponent(code)}`);
    }

    /** Gives the points back before the code was used. */
    release(code) {
      return this._call("DELETE", `redemptions/${encodeURIComponent(code)}`);
    }

    /* ---- Inside ---- */

    /** A call of a member. A session that ended is renewed silently, once; a second 401 is the caller's. */
    async _call(method, path, body) {
      const { token } = this._remembered();
      if (!token) throw failure("SIGN_IN_FIRST");
      try {
        return await this._send(method, path, body, token);
      } catch (refused) {
        if (refused.status !== 401) throw refused;
        await this._renew(token);
        return this._send(method, path, body, this._remembered().token);
      }
    }

    /** However many calls find the session ended at once, the wallet is asked once. */
    async _renew(refusedToken) {
      if (this._remembered().token !== refusedToken) return;
      if (!this.renewal) this.renewal = this.signIn();
      try {
        await this.renewal;
      } finally {
        this.renewal = null;
      }
    }

    /** The wallet's code for our own session. */
    async _exchange(asked, textVersion) {
      const { auth } = await this.setup();
      const { code, scopes } = await this._authorize(asked, auth.auth_client_id);
      const shown = textVersion === undefined ? {} : { text_version: textVersion };
      const answer = await this._send("POST", "sign-in", Object.assign({ auth_code: code, scopes }, shown));
      this._remember({ token: answer.token });
      return {
        member: answer.member,
        is_new: answer.is_new === true,
        auto_earn: answer.auto_earn === true,
        is_bills_refused: asked.includes(BILLS) && !scopes.includes(BILLS),
      };
    }

    async _authorize(scopes, clientId) {
      const options = clientId ? { scopes, authClientId: clientId } : { scopes };
      const answer = await this._ask("getAuthCode", options, AUTHORIZATION_FAULTS);
      if (!answer || !answer.authCode) throw failure(AUTHORIZATION_FAULTS[answer && answer.error] || "WALLET_FAILED");
      const granted = Array.isArray(answer.authSuccessScopes) ? answer.authSuccessScopes : [];
      // Whoever has a code was recognised, even where the wallet does not list the silent scope.
      return { code: answer.authCode, scopes: scopes.filter((scope) => scope === WHO || granted.includes(scope)) };
    }

    /** One call of the wallet as a promise. */
    _ask(name, options, faults = {}) {
      return new Promise((resolve, reject) => {
        const fail = (fault) => reject(failure(faults[fault && fault.error] || "WALLET_FAILED"));
        this.wallet[name](Object.assign({}, options, { success: resolve, fail }));
      });
    }

    /** One HTTP call. → the content of a good answer. The token travels in the header alone. */
    async _send(method, path, body, token) {
      const isDisguised = method === "DELETE" && this.deleteBy === "POST";
      const headers = { "content-type": "application/json" };
      if (token) headers.authorization = `Bearer ${token}`;
      if (isDisguised) headers["x-http-method-override"] = "DELETE";
      const options = { url: this.base + path, method: isDisguised ? "POST" : method, headers, dataType: "json", timeout: TIMEOUT_MS };
      if (body !== undefined) options.data = body;
      const { status, content } = await this._request(options);
      if (status < 200 || status > 299) throw refusal(status, content);
      if (status === 204) return null;
      if (!content || typeof content !== "object") throw failure("UNREADABLE_ANSWER", status);
      return content;
    }

    /** Some wallets call an answer of 400 and above a failure, and hand its status and content to `fail`. */
    _request(options) {
      return new Promise((resolve, reject) => {
        const answered = (answer) =>
          resolve({ status: Number(answer.status || answer.statusCode), content: read(answer.data) });
        const fail = (fault) => {
          if (fault && Number(fault.status || fault.statusCode) >= 400) answered(fault);
          else reject(failure(REQUEST_FAULTS[fault && fault.error] || "NETWORK"));
        };
        this.wallet.request(Object.assign({}, options, { success: answered, fail }));
      });
    }

    _remembered() {
      const kept = this.wallet.getStorageSync({ key: this.storageKey });
      return Object.assign({ token: "", waiting: "", settled: [] }, kept && kept.data);
    }

    _remember(changes) {
      this.wallet.setStorageSync({ key: this.storageKey, data: Object.assign(this._remembered(), changes) });
    }

    _settle(number) {
      const settled = [number].concat(this._remembered().settled).slice(0, BATCHES_REMEMBERED);
      this._remember({ waiting: "", settled });
    }
  }

  return LoyaltyClient;
})();

if (typeof module !== "undefined") module.exports = LoyaltyClient;

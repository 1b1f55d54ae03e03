/* A wallet's `my` that does what a test wrote down in `wallet`, and notes every call in `wallet.calls`. */
"use strict";

const wallet = {
  calls: [],
  kept: {},
  // What getAuthCode hands over next; the last one stays.
  codes: [{ authCode: "code-1", authSuccessScopes: ["auth_base", "SCOPE_USER_BILL"] }],
  // "GET me": [[status, content], …]; the last one stays. "offline" in its place fails as a network does.
  answers: {},
  // How an answer of 400 and above arrives: by `success` or by `fail`, both exist.
  failsBy: "success",
  // What a page is opened with.
  ...window.given,
};

const next = (queue) => (queue.length > 1 ? queue.shift() : queue[0]);

const my = {
  getAuthCode({ scopes, authClientId, success, fail }) {
    wallet.calls.push(["getAuthCode", scopes, authClientId]);
    const answer = next(wallet.codes);
    setTimeout(() => (answer.authCode ? success(answer) : fail(answer)));
  },
  request({ url, method, headers, data, success, fail }) {
    const [, path] = url.split("/api/miniapp/v1/harbour-mall/");
    wallet.calls.push(["request", `${method} ${path}`, headers.authorization || "", data]);
    const meant = headers["x-http-method-override"] || method;
    const answer = next(wallet.answers[`${meant} ${path}`] || [[404, "<h1>Not Found</h1>"]]);
    setTimeout(() => {
      if (answer === "offline") return fail({ error: 12, errorMessage: "network" });
      const [status, content] = answer;
      const told = { status, data: structuredClone(content), headers: {} };
      return status >= 400 && wallet.failsBy === "fail" ? fail({ error: 19, ...told }) : success(told);
    });
  },
  navigateToMiniProgram({ appId, path, extraData, success }) {
    wallet.calls.push(["navigateToMiniProgram", appId, path, extraData]);
    setTimeout(success);
  },
  setStorageSync({ key, data }) { wallet.kept[key] = structuredClone(data); },
  getStorageSync({ key }) { return { data: structuredClone(wallet.kept[key] ?? null) }; },
  removeStorageSync({ key }) { delete wallet.kept[key]; },
};

let app = null;
function App(options) {
  app = options;
  app.onLaunch({});
  app.onShow({});
}

// The `my` of AlipayHK's mini-apps as far as the mall's mini-app uses it, and `App`; no part of the wallet's own screens.
// The wallet (mini.js) fills `window.miniHost` before a mini-app's scripts are loaded.
"use strict";

(() => {
  const CANCELLED = 11;
  const NO_NETWORK = 12;
  const UNREADABLE = 14;
  const FORBIDDEN = 4;
  let app = null;

  function finish(options, name, result) {
    options[name]?.(result);
    options.complete?.(result);
  }

  async function getAuthCode(options) {
    const scopes = [].concat(options.scopes ?? "auth_base");
    try {
      const granted = await window.miniHost.askScopes(scopes);
      if (!granted) return finish(options, "fail", { error: CANCELLED, errorMessage: "user cancelled" });
      const { auth_code: authCode, scopes: authSuccessScopes } = await window.miniHost.authorize(granted);
      const refused = scopes.filter((scope) => !granted.includes(scope));
      const authErrorScopes = Object.fromEntries(refused.map((scope) => [scope, String(CANCELLED)]));
      return finish(options, "success", { authCode, authSuccessScopes, authErrorScopes });
    } catch (error) {
      return finish(options, "fail", { error: NO_NETWORK, errorMessage: error.message });
    }
  }

  function wording(options) {
    const method = (options.method ?? "GET").toUpperCase();
    const headers = { Accept: "application/json", ...(options.headers ?? options.header) };
    if (options.data === undefined || options.data === null) return { url: options.url, method, headers };
    if (method === "GET") {
      const query = new URLSearchParams(options.data).toString();
      return { url: query ? `${options.url}${options.url.includes("?") ? "&" : "?"}${query}` : options.url, method, headers };
    }
    const named = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
    if (!named) headers["Content-Type"] = "application/json";
    const body = typeof options.data === "string" ? options.data : JSON.stringify(options.data);
    return { url: options.url, method, headers, body };
  }

  async function request(options) {
    let said;
    try {
      said = await window.miniHost.request(wording(options));
    } catch (error) {
      const code = error.status === 403 ? FORBIDDEN : NO_NETWORK;
      return finish(options, "fail", { error: code, errorMessage: error.message });
    }
    const { status, headers, body } = said;
    try {
      const isText = (options.dataType ?? "json").toLowerCase() !== "json" || body === "";
      return finish(options, "success", { data: isText ? body : JSON.parse(body), status, headers });
    } catch (error) {
      return finish(options, "fail", { error: UNREADABLE, errorMessage: error.message, status });
    }
  }

  function navigateToMiniProgram(options) {
    const opened = window.miniHost.openBillPage(options.appId);
    if (opened) finish(options, "success", {});
    else finish(options, "fail", { error: 2, errorMessage: "no such mini-app" });
  }

  const place = (key) => window.miniHost.storagePrefix + key;

  window.my = {
    getAuthCode,
    request,
    navigateToMiniProgram,
    setStorageSync({ key, data }) {
      sessionStorage.setItem(place(key), JSON.stringify(data ?? null));
    },
    getStorageSync({ key }) {
      const kept = sessionStorage.getItem(place(key));
      return { data: kept === null ? null : JSON.parse(kept) };
    },
    removeStorageSync({ key }) {
      sessionStorage.removeItem(place(key));
    },
  };

  // The mini-app's own object, started once all its scripts have run; later only shown.
  window.App = (options) => {
    app = options;
    queueMicrotask(() => {
      const start = { path: "", query: {}, scene: "1000" };
      app.onLaunch?.(start);
      app.onShow?.(start);
      window.miniHost.started();
    });
  };
  window.getApp = () => app;
})();

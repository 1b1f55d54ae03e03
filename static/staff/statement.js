/* The print button of a statement. */
"use strict";

document.querySelector("[data-print]")?.addEventListener("click", () => print());

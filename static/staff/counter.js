/* The counter's form: Enter checks, Enter again saves; a pressed Save is pressed once; what is changed is checked anew. */
"use strict";

const form = document.getElementById("counter");
const save = document.getElementById("save");

document.querySelector(".counter .has-error input, .counter .has-error select")?.focus();
save?.focus();
form.addEventListener("input", () => save?.remove(), { once: true });
form.addEventListener("submit", (event) => {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => { delete form.dataset.sent; });

/* Small comforts of the staff screens: copy buttons, countdowns, keys, labels for the phone's cards. */
"use strict";

const searchBox = () => document.getElementById("searchbar");
const rowLinks = () => [...document.querySelectorAll("#result_list tbody tr")];
let currentRow = -1;

function labelCells() {
  const table = document.getElementById("result_list");
  if (!table) return;
  const labels = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const numbers = new Set();
  table.querySelectorAll("tbody tr").forEach((row) => {
    [...row.children].forEach((cell, place) => {
      if (!cell.classList.contains("action-checkbox")) cell.dataset.label = labels[place] || "";
      if (cell.querySelector(":scope > .n")) numbers.add(place);
    });
  });
  numbers.forEach((place) => table.querySelectorAll("thead th")[place].classList.add("is-number"));
}

function copy(button) {
  const done = () => {
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  };
  if (navigator.clipboard) navigator.clipboard.writeText(button.dataset.copy).then(done, () => {});
}

function countDown() {
  document.querySelectorAll("time[data-due]").forEach((time) => {
    const left = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    if (left <= 0) time.textContent = time.dataset.due;
    else if (left < 120) time.textContent = `${left} s`;
  });
}

function moveTo(place) {
  const rows = rowLinks();
  if (!rows.length) return;
  rows[currentRow]?.classList.remove("current");
  currentRow = Math.max(0, Math.min(place, rows.length - 1));
  rows[currentRow].classList.add("current");
  rows[currentRow].scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  const isTyping = event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const wantsSearch = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !isTyping);
  if (wantsSearch) {
    event.preventDefault();
    if (searchBox()) searchBox().select();
    else location.assign(document.querySelector("#jobs .icon-members")?.href || location.href);
    return;
  }
  if (event.key === "Escape") document.querySelectorAll("details.filter[open], details.who[open]").forEach((one) => { one.open = false; });
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") moveTo(currentRow + 1);
  if (event.key === "k") moveTo(currentRow - 1);
  if (event.key === "Enter" && currentRow >= 0 && event.target === document.body) {
    rowLinks()[currentRow].querySelector("th a, td a")?.click();
  }
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  document.querySelectorAll("details.filter[open], details.who[open]").forEach((one) => {
    if (!one.contains(event.target)) one.open = false;
  });
});
document.querySelector("#jobs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
labelCells();
countDown();
setInterval(countDown, 1000);

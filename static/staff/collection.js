/* The bars of the collection, kept moving while stores go out or a list is read; the rows follow at the end. */
"use strict";

const covered = document.getElementById("coverage");
const EVERY = 1500;

async function follow() {
  if (!covered.querySelector("[data-moving]")) return;
  try {
    const answer = await fetch(covered.dataset.source);
    if (answer.ok && !answer.redirected) {
      covered.innerHTML = await answer.text();
      if (!covered.querySelector("[data-moving]")) return location.reload();
    }
  } catch { /* the next round tries again */ }
  setTimeout(follow, EVERY);
}

if (covered) setTimeout(follow, EVERY);

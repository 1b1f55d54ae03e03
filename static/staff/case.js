/* One key decides a case: S, D, A, undo U, next N. Never while somebody types. */
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches(".note input")) event.target.blur();
  if (event.target.matches("input, textarea, select, [contenteditable]")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const pressed = document.querySelector(`[data-key="${CSS.escape(event.key.toUpperCase())}"]`);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
});

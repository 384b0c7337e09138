// Pictures open large in a dialog, which Escape or a click closes; tables are sorted by the buttons in their heads.
// Without this script both are complete, only smaller and in their first order.
"use strict";

function enlargeable(image) {
  const button = document.createElement("button"), caption = image.alt;
  button.type = "button";
  button.className = "enlarge";
  button.setAttribute("aria-haspopup", "dialog");
  const shown = image.closest("picture") ?? image;
  shown.replaceWith(button);
  button.append(shown);
  button.addEventListener("click", () => {
    const dialog = document.createElement("dialog"), large = document.createElement("img");
    const close = document.createElement("button");
    Object.assign(large, { src: image.src, alt: caption });
    Object.assign(close, { type: "button", textContent: "Close" });
    dialog.setAttribute("aria-label", caption);
    dialog.append(close, large);
    dialog.addEventListener("click", event => { if (event.target !== large) dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); button.focus(); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const order = new Intl.Collator("en", { numeric: true });
const number = text => /^[-+]?[\d.,]+(e[-+]?\d+)?%?$/.test(text) ? parseFloat(text.replaceAll(",", "")) : NaN;

function compare(one, other) {
  const numbers = [number(one), number(other)];
  return numbers.some(Number.isNaN) ? order.compare(one, other) : numbers[0] - numbers[1];
}

function sortable(table) {
  const [head, ...rows] = table.rows;
  if (rows.length < 2) return;
  [...head.cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const direction = cell.ariaSort === "ascending" ? -1 : 1;
      for (const other of head.cells) other.ariaSort = null;
      cell.ariaSort = direction > 0 ? "ascending" : "descending";
      const text = row => row.cells[column]?.textContent.trim() ?? "";
      rows.sort((one, other) => direction * compare(text(one), text(other)));
      rows[0].parentNode.append(...rows);
    });
  });
}

function enhance() {
  document.querySelectorAll("main figure img").forEach(enlargeable);
  document.querySelectorAll("main table").forEach(sortable);
}

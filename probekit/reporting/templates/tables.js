// Tables sort by their heads, and show the rows that hold all words of their filter.
"use strict";

(function () {
  function number(text) {
    const plain = text.replace(/\u2212/g, "-").replace(/[★*,%]/g, "").replace(/^\[/, "").trim();
    return /^[-+]?[\d.]/.test(plain) ? parseFloat(plain) : NaN;
  }

  function compare(one, other) {
    const a = number(one), b = number(other);
    if (!Number.isNaN(a) && !Number.isNaN(b)) { return a - b; }
    if (Number.isNaN(a) !== Number.isNaN(b)) { return Number.isNaN(a) ? 1 : -1; }
    return one.localeCompare(other);
  }

  // The text under a head; a cell that spans several columns stands for each of them.
  function textAt(row, column) {
    let at = 0;
    for (const cell of row.cells) {
      at += cell.colSpan;
      if (column < at) { return cell.textContent; }
    }
    return "";
  }

  function setUp(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      const button = Page.element("button", "", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", function () {
        const down = head.getAttribute("aria-sort") === "ascending" || (head.classList.contains("number") && !head.hasAttribute("aria-sort"));
        heads.forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.from(table.tBodies).forEach(function (body) { sort(body, column, down); });
      });
    });
  }

  function sort(body, column, down) {
    const rows = Array.from(body.rows).filter(function (row) { return !row.classList.contains("rule"); });
    const keyed = rows.map(function (row) { return [textAt(row, column), row]; });
    keyed.sort(function (one, other) { return (down ? -1 : 1) * compare(one[0], other[0]); });
    keyed.forEach(function ([, row]) { body.append(row); });
  }

  function filter(input) {
    const table = Page.byId(input.dataset.filter);
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    Array.from(table.tBodies).forEach(function (body) {
      const rows = Array.from(body.rows).filter(function (row) { return !row.classList.contains("rule"); });
      rows.forEach(function (row) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.includes(word); });
      });
      body.hidden = rows.every(function (row) { return row.hidden; });
    });
  }

  document.querySelectorAll("table.sortable").forEach(setUp);
  document.querySelectorAll("input[data-filter]").forEach(function (input) {
    input.addEventListener("input", function () { filter(input); });
  });
})();

"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  const say = (text) => { byId("said").textContent = text; };

  // Filters. A finding is shown when its level is wanted and it holds every word.
  const filter = byId("filter");
  const cards = all(".finding");
  const toggles = all(".toggle");
  const words = new Map();
  const textOf = (card) => {
    if (!words.has(card)) words.set(card, card.textContent.toLowerCase());
    return words.get(card);
  };
  const sift = () => {
    const wanted = new Set(toggles.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.level));
    const parts = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits = wanted.has(card.dataset.level) && parts.every((part) => textOf(card).includes(part));
      card.hidden = !fits;
      if (fits) shown += 1;
    }
    byId("none-left").hidden = shown > 0;
    byId("filtered").textContent = `${shown} of ${cards.length} findings shown`;
  };
  if (filter) {
    filter.addEventListener("input", sift);
    for (const toggle of toggles) {
      toggle.addEventListener("click", () => {
        toggle.setAttribute("aria-pressed", toggle.getAttribute("aria-pressed") !== "true");
        sift();
      });
    }
    sift();
  }

  // Keys: / goes to the filter, Escape empties it.
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && filter) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      sift();
    }
  });

  // Folds.
  const foldAll = (open) => {
    for (const one of all("details")) one.open = open;
    say(open ? "everything is open" : "everything is folded");
  };
  byId("unfold").addEventListener("click", () => foldAll(true));
  byId("fold").addEventListener("click", () => foldAll(false));
  let before = [];
  window.addEventListener("beforeprint", () => {
    before = all("details:not([open])");
    for (const one of before) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of before) one.open = false;
  });

  // A link into something folded opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let one = target; one; one = one.parentElement) if (one instanceof HTMLDetailsElement) one.open = true;
    if (target.hidden) {
      for (const toggle of toggles) toggle.setAttribute("aria-pressed", "true");
      filter.value = "";
      sift();
    }
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();

  // Copies. Where hidden characters are shown as escapes, the text itself stands beside the button.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "sr";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  for (const button of all(".copy")) {
    const name = button.textContent;
    button.addEventListener("click", async () => {
      const exact = button.dataset.exact;
      const text = exact === undefined ? button.parentElement.querySelector("pre").textContent : JSON.parse(exact);
      const done = await copy(text);
      button.textContent = done ? "copied" : "select it and copy by hand";
      say(button.textContent);
      setTimeout(() => { button.textContent = name; }, 2000);
    });
  }
})();

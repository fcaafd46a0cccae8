// Nightlatch: what improves the pages. Every page works without it. No markup is ever made from text.
"use strict";

(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

  // `/` leads to the query box.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const box = $("main input[data-complete]") || $("input[data-complete]");
    if (!box) return;
    event.preventDefault();
    box.focus();
    box.select();
  });

  // On a narrow screen the navigation is one line that scrolls: the place where one is comes into view.
  const here = $(".side a[aria-current]");
  if (here) here.scrollIntoView({ inline: "center", block: "nearest" });

  // Completion: a listbox under the query box, as the ARIA pattern for comboboxes describes it.
  const combo = (input, number) => {
    const list = document.createElement("ul");
    list.className = "offers";
    list.id = `offers-${number}`;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Completions");
    list.hidden = true;
    input.parentElement.append(list);
    const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
    for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
    let offers = [];
    let at = -1;
    let asked = 0;

    const close = () => {
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const mark = (next) => {
      at = next;
      $$("li", list).forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
      const item = list.children[at];
      if (!item) return input.removeAttribute("aria-activedescendant");
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    };
    const take = (offer) => {
      const rest = input.value.slice(offer.until);
      const more = offer.text.endsWith(":") || rest.startsWith(" ") ? "" : " ";
      input.value = input.value.slice(0, offer.from) + offer.text + more + rest;
      const place = offer.from + offer.text.length + more.length;
      input.setSelectionRange(place, place);
      close();
      ask();
    };
    const show = () => {
      list.replaceChildren(...offers.map((offer, index) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${index}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        for (const part of [offer.text, offer.help]) {
          const span = document.createElement("span");
          span.textContent = part;
          item.append(span);
        }
        item.addEventListener("mousedown", (event) => { event.preventDefault(); take(offer); });
        return item;
      }));
      list.hidden = offers.length === 0;
      input.setAttribute("aria-expanded", String(offers.length > 0));
      mark(-1);
    };
    const ask = async () => {
      const mine = ++asked;
      const typed = input.value.slice(0, input.selectionStart ?? input.value.length);
      if (typed.trim() === "") return close();
      try {
        const answer = await fetch(`/complete?q=${encodeURIComponent(typed)}`, { headers: { accept: "application/json" } });
        if (!answer.ok || mine !== asked || document.activeElement !== input) return;
        offers = await answer.json();
        show();
      } catch { close(); }
    };
    let timer = 0;
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 90); });
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      if (list.hidden) {
        if (event.key === "ArrowDown") { event.preventDefault(); ask(); }
        return;
      }
      const count = offers.length;
      if (event.key === "ArrowDown") { event.preventDefault(); mark((at + 1) % count); }
      else if (event.key === "ArrowUp") { event.preventDefault(); mark((at - 1 + count) % count); }
      else if (event.key === "Escape") { event.preventDefault(); close(); }
      else if (event.key === "Tab" && !event.shiftKey && at >= 0) { event.preventDefault(); take(offers[at]); }
      else if (event.key === "Enter" && at >= 0) { event.preventDefault(); take(offers[at]); }
    });
  };
  $$("input[data-complete]").forEach(combo);

  // Live parts: the page is asked again, and the part with the same id takes the place of the old one.
  $$("[data-live]").forEach((part) => {
    const every = Math.max(1000, Number(part.dataset.live) || 3000);
    const again = async () => {
      if (document.hidden || part.contains(document.activeElement)) return setTimeout(again, every);
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (answer.ok && !answer.redirected) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.getElementById(part.id);
          if (fresh) part.replaceChildren(...document.importNode(fresh, true).childNodes);
          if (fresh && !("live" in fresh.dataset)) return undefined;
        }
      } catch { /* the server is away: try again */ }
      return setTimeout(again, every);
    };
    setTimeout(again, every);
  });

  // Copy buttons appear where copying is possible.
  $$("button[data-copy]").forEach((button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      if (!source) return;
      const before = button.textContent;
      try { await navigator.clipboard.writeText(source.textContent.trim()); button.textContent = "Copied"; }
      catch { button.textContent = "Not allowed"; }
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  });

  // A choice that says so sends its form at once; its button is for those without script.
  $$("select[data-send]").forEach((select) => {
    const form = select.form;
    if (!form) return;
    $$("button[data-needless]", form).forEach((button) => { button.hidden = true; });
    select.addEventListener("change", () => form.requestSubmit());
  });
})();

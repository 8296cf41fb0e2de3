"use strict";
// Filters and pages a list of cards. Without it the page shows all of them.
(() => {
  const list = document.querySelector(".cards");
  const form = document.querySelector(".controls");
  if (!list || !form) return;
  const pager = document.querySelector(".pager");
  const cards = [...list.querySelectorAll(".card")];
  const page = Number(list.dataset.page);
  const text = new WeakMap();
  let matching = cards;
  let at = 0;

  const words = (card) => {
    if (!text.has(card)) text.set(card, card.textContent.toLowerCase());
    return text.get(card);
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(matching.length / page));
    at = Math.min(Math.max(at, 0), pages - 1);
    const visible = new Set(matching.slice(at * page, (at + 1) * page));
    for (const card of cards) card.hidden = !visible.has(card);
    document.querySelector(".empty").hidden = matching.length > 0;
    const first = matching.length ? at * page + 1 : 0;
    const last = Math.min((at + 1) * page, matching.length);
    form.elements.shown.value = `${first}–${last} of ${matching.length}`;
    pager.hidden = pages < 2;
    pager.querySelector("[data-place]").textContent = `Page ${at + 1} of ${pages}`;
    pager.querySelector("[data-turn='-1']").disabled = at === 0;
    pager.querySelector("[data-turn='1']").disabled = at === pages - 1;
  };

  const filter = () => {
    const value = (name) => (form.elements[name] ? form.elements[name].value : "");
    const wanted = { rule: value("rule"), severity: value("severity"), video: value("video") };
    const search = value("text").trim().toLowerCase().split(/\s+/).filter(Boolean);
    matching = cards.filter(
      (card) =>
        Object.entries(wanted).every(([key, want]) => !want || card.dataset[key] === want) &&
        search.every((word) => words(card).includes(word)),
    );
    at = 0;
    show();
  };

  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  pager.addEventListener("click", (event) => {
    const button = event.target.closest("[data-turn]");
    if (!button) return;
    at += Number(button.dataset.turn);
    show();
    document.getElementById("findings").scrollIntoView();
  });
  // A rule's name in the table shows its findings; its name on a card, its explanation.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.dataset.showRule !== undefined) {
      form.reset();
      form.elements.rule.value = link.dataset.showRule;
      filter();
    }
    const target = link.hash && document.getElementById(link.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  });
  // A browser may restore the fields of an earlier visit.
  filter();
})();

// The report's script: tables that sort, filter and fold; values on hover; sections folded on a phone.
// Without it the page is whole: every row, every value, every section.
const phone = matchMedia("(max-width: 40rem)").matches;
const SHOWN = phone ? 8 : 20;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
function create(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// What a cell sorts by: its stored value, its number, or its text.
function value(cell) {
  if ("v" in cell.dataset) return cell.dataset.v === "" ? NaN : Number(cell.dataset.v);
  const text = cell.textContent.trim();
  return /^[\d,.]+( %)?$/.test(text) ? Number(text.replace(/[, %]/g, "")) : text === "–" ? NaN : text;
}

function compared(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en");
}

function enhance(region) {
  const table = region.querySelector("table");
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const state = {words: "", open: rows.length <= SHOWN + 2};
  const more = create("button", {type: "button", className: "more-rows"});
  const draw = () => {
    const matching = [...body.rows].filter(row => {
      row.hidden = !row.textContent.toLowerCase().includes(state.words);
      return !row.hidden;
    });
    if (!state.open) matching.slice(SHOWN).forEach(row => { row.hidden = true; });
    more.hidden = state.open || matching.length <= SHOWN;
    more.textContent = `Show all ${matching.length.toLocaleString("en")} rows`;
  };
  heads.forEach((head, column) => {
    if (rows.length < 3) return;
    const button = create("button", {type: "button"}, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("num") ? "descending" : "ascending";
      const now = head.ariaSort === first ? (first === "ascending" ? "descending" : "ascending") : first;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.ariaSort = now;
      const sign = now === "ascending" ? 1 : -1;
      const sorted = [...body.rows].map(row => [value(row.cells[column]), row]).sort(([a], [b]) => {
        const none = Number(Number.isNaN(a)) - Number(Number.isNaN(b));
        return none || sign * compared(a, b);
      });
      body.append(...sorted.map(([, row]) => row));
      draw();
    });
  });
  let below = region.nextElementSibling;
  if (!below?.matches(".files")) region.after(below = create("p", {className: "files"}));
  if (rows.length > 8) {
    const filter = create("input", {type: "search", placeholder: "Filter rows"});
    filter.setAttribute("aria-label", `Filter ${region.getAttribute("aria-label")}`);
    filter.addEventListener("input", () => { state.words = filter.value.trim().toLowerCase(); draw(); });
    below.prepend(filter);
  }
  more.addEventListener("click", () => { state.open = true; draw(); });
  below.prepend(more);
  draw();
}
all(".wide").forEach(enhance);

// A tooltip at once, for a mouse and for a finger, in place of the browser's late one.
const tip = create("div", {id: "tip", hidden: true});
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
all("svg title").forEach(title => {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
});
function show(event) {
  const target = event.target.closest?.("[data-tip]");
  tip.hidden = !target;
  if (!target) return;
  tip.textContent = target.dataset.tip;
  const box = target.getBoundingClientRect(), width = tip.offsetWidth;
  tip.style.left = `${Math.max(8, Math.min(box.left + box.width / 2 - width / 2, innerWidth - width - 8))}px`;
  tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
}
document.addEventListener("pointerover", show);
document.addEventListener("pointerdown", show);
addEventListener("scroll", () => { tip.hidden = true; }, {passive: true});

// A link opens what it leads to; paper has everything.
function open(element) {
  for (let at = element; at; at = at.parentElement?.closest("details")) at.open = true;
}
function follow() {
  const section = location.hash && document.getElementById(location.hash.slice(1));
  if (section) { open(section.querySelector("details.section")); section.scrollIntoView(); }
}
if (phone) all("details.section, details.rule").slice(1).forEach(details => { details.open = false; });
addEventListener("hashchange", follow);
all('a[href^="#"]').forEach(link => link.addEventListener("click", () => setTimeout(follow)));
addEventListener("beforeprint", () => all("details").forEach(details => { details.open = true; }));
follow();

// The section that is read, in the navigation.
const links = new Map(all("nav a").map(link => [link.hash.slice(1), link]));
const seen = new Set();
const observer = new IntersectionObserver(entries => {
  for (const {target, isIntersecting} of entries) seen[isIntersecting ? "add" : "delete"](target.id);
  const current = [...links.keys()].find(id => seen.has(id));
  links.forEach((link, id) => id === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
  const nav = document.querySelector("nav"), link = links.get(current);
  if (link && nav.scrollWidth > nav.clientWidth) nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2 + link.offsetWidth / 2;
}, {rootMargin: "-10% 0px -70% 0px"});
links.forEach((_, id) => { const section = document.getElementById(id); if (section) observer.observe(section); });

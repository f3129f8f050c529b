// Tokens of an answer as elements: shaded by their probability, a card for each with what else was likely. All text is text.

const SHADES = [0.2, 0.05, 0.01, 0.001];          // a token below so many of these is shaded so much
const card = document.getElementById("card");
const facts = new WeakMap();                    // element → token

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function tokenElement(token) {
  const span = element("span", "token", token.text);
  if (token.logprob !== null) {
    const level = SHADES.filter((bound) => Math.exp(token.logprob) < bound).length;
    if (level) span.classList.add(`d${level}`);
  }
  facts.set(span, token);
  return span;
}

export function mark(span, run) {
  span.classList.add("run");
  facts.get(span).run = run;
}

export function percent(probability) {
  return probability >= 0.0995 ? `${Math.round(probability * 100)} %` : probability >= 0.0001 ? `${(probability * 100).toPrecision(2)} %` : "< 0.01 %";
}

function visible(text) {
  return text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "(part of a character)";
}

export function documentName(found) {
  return found.url || `${found.source ?? found.entry} ${found.id.slice(0, 8)}`;
}

export function sources(run) {
  const documents = run.documents.map(documentName).join(", ");
  const times = run.count === 1 ? "once" : `${run.count.toLocaleString("en")} times`;
  return `${run.tokens} tokens, ${times} in the training text: ${documents}`;
}

function showCard(span) {
  const token = facts.get(span);
  card.replaceChildren();
  if (token.logprob !== null) {
    const rows = token.top.some((each) => each.token === token.name) ? token.top : [...token.top, {token: token.name, logprob: token.logprob}];
    const table = element("table");
    for (const each of rows) {
      const row = element("tr", each.token === token.name ? "drawn" : "");
      const bar = element("meter");
      bar.value = Math.exp(each.logprob);
      const cell = element("td");
      cell.append(bar);
      row.append(element("td", "text", visible(each.token)), cell, element("td", "number", percent(Math.exp(each.logprob))));
      table.append(row);
    }
    card.append(table);
  }
  if (token.run) card.append(element("p", "", sources(token.run)));
  if (!card.childElementCount) return;
  card.style.left = "0";                        // measured where it has all the width it may take
  card.hidden = false;
  const at = span.getClientRects()[0] ?? span.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - card.offsetWidth - 8));
  const below = at.bottom + 6 + card.offsetHeight < innerHeight;
  card.style.left = `${left}px`;
  card.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - card.offsetHeight - 6)}px`;
}

export function hideCard() {
  card.hidden = true;
}

// Cards of the tokens in an answer's body, by pointer, by touch and by arrow keys.
export function explain(body) {
  let current = null;
  const select = (span) => {
    current?.classList.remove("current");
    current = span;
    if (!span) return hideCard();
    span.classList.add("current");
    span.scrollIntoView({block: "nearest"});
    showCard(span);
  };
  body.addEventListener("pointerover", (event) => event.target.classList.contains("token") && showCard(event.target));
  body.addEventListener("pointerout", () => current ? showCard(current) : hideCard());
  body.addEventListener("click", (event) => select(event.target.classList.contains("token") && event.target !== current ? event.target : null));
  body.addEventListener("blur", () => select(null));
  body.addEventListener("keydown", (event) => {
    const step = {ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling"}[event.key];
    if (step) select((current && body.contains(current) ? current[step] : null) ?? (event.key === "ArrowRight" ? body.firstElementChild : body.lastElementChild));
    else if (event.key === "Home") select(body.firstElementChild);
    else if (event.key === "End") select(body.lastElementChild);
    else if (event.key === "Escape") select(null);
    else return;
    event.preventDefault();
  });
}

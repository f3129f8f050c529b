// A page to chat on: what was said, the answers with what the model thought of each token, and where they stood in its training text.

import {events, models, post} from "./protocol.js";
import {documentName, element, explain, hideCard, mark, percent, sources, tokenElement} from "./tokens.js";

const $ = (id) => document.getElementById(id);
const settings = $("settings"), conversation = $("conversation"), text = $("text"), send = $("send");
const ALTERNATIVES = 5;
let model = null;
let turns = [];                 // {role, text} and {role: "assistant", answers, chosen, place}
let running = null;             // AbortController of the answers that are coming

function value(name) {
  return settings.elements[name].value.trim();
}

function asked() {
  const body = {model: model.id, n: Number(value("n")) || 1, stream: true, max_tokens: Number(value("max_tokens")) || 120};
  for (const name of ["temperature", "top_p", "top_k", "min_p", "seed"]) {
    if (value(name) !== "") body[name] = Number(value(name));
  }
  if (value("stop") !== "") body.stop = [settings.elements.stop.value];
  if (value("schema") !== "") {
    try {
      body.response_format = {type: "json_schema", json_schema: {name: "answer", schema: JSON.parse(value("schema"))}};
    } catch {
      throw new Error("the JSON Schema in the settings is no JSON; correct it, or leave it empty");
    }
  }
  return body;
}

function answerText(turn) {
  return turn.answers[turn.chosen]?.text ?? "";
}

// Draw the answers to all turns before `turn`, which is the last one.
async function draw(turn) {
  running = new AbortController();
  busy(true);
  turn.place.replaceChildren();
  turn.answers = [];
  turn.chosen = 0;
  const before = turns.slice(0, turns.indexOf(turn));
  const chat = value("mode") === "chat";
  try {
    const body = asked();
    const logprobs = chat ? {logprobs: true, top_logprobs: ALTERNATIVES} : {logprobs: ALTERNATIVES};
    const said = chat
      ? {messages: before.map((each) => ({role: each.role, content: each.role === "assistant" ? answerText(each) : each.text}))}
      : {prompt: before.map((each) => each.role === "assistant" ? answerText(each) : each.text).join("")};
    turn.answers = Array.from({length: body.n}, () => newAnswer());
    turn.place.classList.toggle("several", body.n > 1);
    turn.answers.forEach((answer, number) => show(turn, answer, number));
    const reply = await post(chat ? "/v1/chat/completions" : "/v1/completions", {...body, ...said, ...logprobs}, value("key"), running.signal);
    for await (const event of events(reply)) {
      const atEnd = conversation.scrollHeight - conversation.scrollTop - conversation.clientHeight < 80;
      for (const choice of event.choices) take(turn.answers[choice.index], choice, chat);
      if (atEnd) conversation.scrollTop = conversation.scrollHeight;
    }
    $("status").textContent = "the answer is finished";
  } catch (error) {
    if (error.name === "AbortError") turn.answers.forEach((answer) => answer.reason ??= "stopped");
    else turn.place.append(element("p", "error", error.message));
  }
  for (const answer of turn.answers) {
    answer.box.classList.remove("busy");
    facts(turn, answer);
  }
  running = null;
  busy(false);
  await Promise.all(turn.answers.map((answer) => findOrigins(turn, answer)));
}

function newAnswer() {
  return {text: "", tokens: [], spans: [], reason: null, decoder: new TextDecoder(), share: null};
}

function show(turn, answer, number) {
  answer.box = element("div", "answer busy");
  answer.body = element("div", "body");
  answer.body.tabIndex = 0;
  answer.body.setAttribute("role", "group");
  answer.body.setAttribute("aria-label", `answer ${number + 1}; arrow keys go through its tokens`);
  answer.facts = element("div", "facts");
  answer.box.append(answer.body, answer.facts);
  answer.box.classList.toggle("chosen", number === turn.chosen);
  turn.place.append(answer.box);
  explain(answer.body);
}

// What is new of an answer.
function take(answer, choice, chat) {
  answer.text += (chat ? choice.delta.content : choice.text) ?? "";
  for (const token of tokensOf(choice.logprobs, chat, answer)) {
    const span = tokenElement(token);
    answer.tokens.push(token);
    answer.spans.push(span);
    answer.body.append(span);
  }
  answer.reason = choice.finish_reason ?? answer.reason;
}

function tokensOf(logprobs, chat, answer) {
  if (!logprobs) return [];
  if (chat) {
    return logprobs.content.map((each) => ({
      text: answer.decoder.decode(new Uint8Array(each.bytes), {stream: true}), name: each.token, logprob: each.logprob, top: each.top_logprobs}));
  }
  return logprobs.tokens.map((name, n) => ({
    text: answer.decoder.decode(bytesOf(name), {stream: true}), name, logprob: logprobs.token_logprobs[n],
    top: Object.entries(logprobs.top_logprobs[n]).map(([token, logprob]) => ({token, logprob}))}));
}

// Completions name a token that is no whole character by its bytes.
function bytesOf(name) {
  return /^bytes:(\\x[0-9a-f]{2})+$/.test(name) ? new Uint8Array(name.slice(6).split("\\x").slice(1).map((hex) => parseInt(hex, 16))) : new TextEncoder().encode(name);
}

function facts(turn, answer) {
  const list = [], logprobs = answer.tokens.map((token) => token.logprob);
  if (logprobs.length) {
    list.push(`${logprobs.length} tokens`, `mean ${percent(Math.exp(logprobs.reduce((sum, each) => sum + each, 0) / logprobs.length))}`,
      `lowest ${percent(Math.exp(Math.min(...logprobs)))}`);
  }
  if (answer.share !== null) list.push(answer.share ? `${percent(answer.share)} in training text` : "no run in training text");
  if (answer.reason && answer.reason !== "stop") list.push({length: "cut at its length", stopped: "stopped"}[answer.reason] ?? answer.reason);
  answer.facts.replaceChildren(...list.map((each) => element("span", "", each)));
  if (turn === turns.at(-1)) {
    if (turn.answers.length > 1 && turn.answers[turn.chosen] !== answer) answer.facts.append(button("Go on with this", () => choose(turn, answer)));
    if (answer === turn.answers[0]) answer.facts.append(button("Regenerate", () => running || draw(turn)));
  }
}

function button(name, action) {
  const made = element("button", "plain", name);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function choose(turn, answer) {
  turn.chosen = turn.answers.indexOf(answer);
  turn.answers.forEach((each) => {
    each.box.classList.toggle("chosen", each === answer);
    facts(turn, each);
  });
}

// Underline what stands in the training blocks, and say where.
async function findOrigins(turn, answer) {
  if (!model?.origins || !settings.elements.origins.checked || !answer.text) return;
  const shown = answer.tokens.map((token) => token.text).join("");
  let found;
  try {
    found = await (await post("/origins", {text: shown, least: Number(value("least")) || 8}, value("key"))).json();
  } catch (error) {
    return answer.box.append(element("p", "error", error.message));
  }
  answer.share = found.share_in_runs;
  facts(turn, answer);
  if (!found.runs.length) return;
  const characters = Array.from(shown);
  let place = 0;
  answer.tokens.forEach((token, number) => {
    const end = place + Array.from(token.text).length;
    const run = found.runs.filter((each) => each.start < end && each.end > place).sort((one, other) => other.tokens - one.tokens)[0];
    if (run) mark(answer.spans[number], run);
    place = end;
  });
  const list = element("ul", "sources");
  for (const run of found.runs) {
    const item = element("li"), quoted = characters.slice(run.start, run.end).join("").replace(/\s+/g, " ").trim();
    item.append(element("q", "", quoted.length > 90 ? `${quoted.slice(0, 90)}…` : quoted), ` ${sources({...run, documents: []}).replace(/: $/, "")}: `);
    run.documents.forEach((each, number) => item.append(number ? ", " : "", link(each)));
    list.append(item);
  }
  answer.box.append(list);
}

function link(document_) {
  if (!/^https?:\/\//i.test(document_.url ?? "")) return element("span", "", documentName(document_));
  const made = element("a", "", document_.url);
  made.href = document_.url;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  made.title = `document ${document_.id}, block ${document_.block}`;
  return made;
}

function busy(now) {
  send.textContent = now ? "Stop" : "Send";
  send.classList.toggle("stop", now);
}

function addTurn(turn) {
  $("welcome")?.remove();
  turns.push(turn);
  const box = element("section", "turn");
  if (turn.role === "assistant") {
    turn.place = element("div", "answers");
    box.append(element("div", "role", value("mode") === "chat" ? "assistant" : "continued"), turn.place);
  } else {
    box.append(element("div", "role", value("mode") === "chat" ? turn.role : "text"), element("div", "said", turn.text));
  }
  conversation.append(box);
  conversation.scrollTop = conversation.scrollHeight;
  return turn;
}

function submit() {
  if (running) return running.abort();
  if (!model) return connect();
  const said = text.value;
  if (!said.trim() && value("mode") === "chat") return;
  turns.at(-1)?.answers?.forEach((answer) => answer.facts.querySelectorAll("button").forEach((each) => each.remove()));
  text.value = "";
  grow();
  const role = value("mode") === "chat" ? $("role").value : "user";
  addTurn({role, text: said});
  if (role === "user") draw(addTurn({role: "assistant", answers: [], chosen: 0}));
  else $("role").value = "user";
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

async function connect() {
  try {
    [model] = await models(value("key"));
    $("model").textContent = `${model.id} · ${model.context_length.toLocaleString("en")} tokens of context`;
    if (!model.chat) {
      settings.elements.mode.value = "text";
      settings.elements.mode.disabled = true;
    }
    for (const id of ["origins-label", "least-label"]) $(id).hidden = !model.origins;
    adapt();
  } catch (error) {
    $("model").textContent = error.message;
    if (error.status === 401) {
      openSettings(true);
      settings.elements.key.focus();
    }
  }
}

function openSettings(open) {
  settings.hidden = !open;
  $("open-settings").setAttribute("aria-expanded", String(open));
}

function adapt() {
  conversation.classList.toggle("shade", settings.elements.shade.checked);
  $("role").hidden = value("mode") !== "chat";
  text.placeholder = value("mode") === "chat" ? "Message" : "A text to go on from";
}

$("open-settings").addEventListener("click", () => openSettings(settings.hidden));
$("clear").addEventListener("click", () => {
  running?.abort();
  turns = [];
  conversation.replaceChildren();
  hideCard();
  text.focus();
});
settings.addEventListener("change", (event) => event.target.name === "key" ? connect() : adapt());
settings.addEventListener("submit", (event) => event.preventDefault());
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
});
conversation.addEventListener("scroll", hideCard);
adapt();
connect();
text.focus();

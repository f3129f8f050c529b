// The server's protocol: JSON there and back, and events of a stream. Errors are sentences.

export async function post(path, body, key, signal) {
  const headers = {"Content-Type": "application/json", ...(key ? {Authorization: `Bearer ${key}`} : {})};
  const reply = await fetch(path, {method: "POST", headers, body: JSON.stringify(body), signal});
  if (!reply.ok) throw new Error(await sentence(reply));
  return reply;
}

export async function models(key) {
  const reply = await fetch("/v1/models", {headers: key ? {Authorization: `Bearer ${key}`} : {}});
  if (!reply.ok) throw Object.assign(new Error(await sentence(reply)), {status: reply.status});
  return (await reply.json()).data;
}

async function sentence(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `the server answered ${reply.status}`;
  }
}

// Each event of a stream, parsed; ends at [DONE], throws what the server says went wrong.
export async function* events(reply) {
  const decoder = new TextDecoder();
  let rest = "";
  const reader = reply.body.getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) throw new Error("the server ended the stream early");
    const parts = (rest + decoder.decode(value, {stream: true})).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

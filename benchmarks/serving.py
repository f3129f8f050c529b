"""The server under load: 64 clients of the `openai` package at once, and the same with clients that vanish.

    python -m benchmarks.serving --data FOLDER [--seconds 60] [--clients 64]

Each client streams one completion after another of a prompt of its own until the time is over; in the second run every fourth
reads three events of its stream and closes the connection. Counted: answers that are whole, lost ones (an error, or a text
that another request with the same seed does not give), time to the first token and to the end, tokens a second, processor
seconds of the server. Writes benchmarks/results/serving.md.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import openai
import psutil

from tests.servers import free_port, server

RESULT = Path(__file__).parent / "results/serving.md"
TOKENS, SEEDS = 48, 40
PROMPTS = ("The river", "Return the number of", "class Mill:", "In this chapter we", "Open a file and", "The", "import os",
           "A list of")


class Load:
    """What came of the clients' requests."""

    def __init__(self) -> None:
        self.whole, self.lost, self.vanished, self.tokens = 0, 0, 0, 0
        self.first: list[float] = []
        self.last: list[float] = []
        self.texts: dict[tuple[str, int], str] = {}


async def ask(client: openai.AsyncOpenAI, model: str, load: Load, prompt: str, seed: int, vanish: bool) -> None:
    begin, text, events = time.monotonic(), "", 0
    try:
        stream = await client.completions.create(model=model, prompt=prompt, max_tokens=TOKENS, seed=seed, stream=True,
                                                 stream_options={"include_usage": True})
        async for chunk in stream:
            events += 1
            if events == 1:
                load.first.append(time.monotonic() - begin)
            if vanish and events == 3:
                await stream.close()
                load.vanished += 1
                return
            if chunk.usage:
                load.tokens += chunk.usage.completion_tokens
            text += "".join(choice.text for choice in chunk.choices)
    except openai.OpenAIError as error:
        print(type(error).__name__, str(error)[:200], file=sys.stderr)
        load.lost += 1
        return
    load.last.append(time.monotonic() - begin)
    same = load.texts.setdefault((prompt, seed), text) == text
    load.whole += same
    load.lost += not same


async def drive(address: str, clients: int, seconds: float, vanishing: bool) -> Load:
    load, deadline = Load(), time.monotonic() + seconds
    async with contextlib.AsyncExitStack() as stack:
        each = [await stack.enter_async_context(openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0))
                for _ in range(clients)]
        model = (await each[0].models.list()).data[0].id

        async def one(number: int) -> None:
            turn = 0
            while time.monotonic() < deadline:
                turn += 1
                vanish = vanishing and number % 4 == 0
                await ask(each[number], model, load, PROMPTS[number % len(PROMPTS)], turn % SEEDS, vanish)

        await asyncio.gather(*map(one, range(clients)))
    return load


def open_answers(address: str) -> int:
    text = urllib.request.urlopen(f"{address}/metrics", timeout=30).read().decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("textmill_answers_open ")))


def row(name: str, load: Load, wall: float, used: float, left: int) -> str:
    def quantiles(values: list[float]) -> str:
        return " / ".join(f"{np.quantile(values, q):.2f}" for q in (0.5, 0.95, 1))

    return (f"| {name} | {load.whole:,} | {load.lost} | {load.vanished:,} | {left} | {quantiles(load.first)} | "
            f"{quantiles(load.last)} | {load.tokens / wall:,.0f} | {used:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a data folder with a trained model")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    given: Any = parser.parse_args()
    lines = ["| run | whole answers | lost | vanished | answers open after | first token, s (median / 95 % / most) | "
             "whole answer, s | tokens a second | server, CPU s |", "|---|" + "---:|" * 8]
    with tempfile.TemporaryDirectory() as folder:
        for name, vanishing in ((f"{given.clients} clients", False), (f"{given.clients} clients, a fourth vanish", True)):
            port = free_port()
            command = [sys.executable, "-m", "textmill", "serve", "--data", str(given.data), "--port", str(port)]
            with server(command, port, Path(folder) / "log", host="127.0.0.1",
                        OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "")) as _:
                address = f"http://127.0.0.1:{port}"
                process = next(each for each in psutil.Process().children() if str(port) in each.cmdline())
                begin, used = time.monotonic(), sum(process.cpu_times()[:2])
                load = asyncio.run(drive(address, given.clients, given.seconds, vanishing))
                wall = time.monotonic() - begin
                used = sum(process.cpu_times()[:2]) - used
                time.sleep(1)
                lines.append(row(name, load, wall, used, open_answers(address)))
                print(lines[-1], flush=True)
    lines += ["", f"The demo's model, streams of up to {TOKENS} tokens, {given.seconds:g} s each, clients on the same two "
              f"cores while others worked there; {date.today()}."]
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""llama.cpp's side of `generation_speed.py`, run by the Python that has xllamacpp: no import of textmill.

    PYTHON -m benchmarks.llama_generation MODEL.gguf [float32] < requests.json

Prompts are ids, so both sides read the same. Prints JSON: for each batch the ids of the answers and processor seconds.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import xllamacpp


def main() -> None:
    asked = json.load(sys.stdin)
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_parallel = asked["rows"]
    params.n_ctx = asked["context"] * asked["rows"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.cache_ram_mib = 0
    if sys.argv[2:] == ["float32"]:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)

    def answer(prompt: list[int], tokens: int) -> dict:
        return server.handle_completions({
            "prompt": prompt, "n_predict": tokens, "max_tokens": tokens, "temperature": 0.0, "top_k": 1, "samplers": ["top_k"],
            "ignore_eos": True, "cache_prompt": False})

    for number in (0, -1):
        answer(asked["prompts"][number], 4)
    result = {}
    for name, batch in asked["batches"].items():
        prompts = [asked["prompts"][n] for n in batch["prompts"]]
        start, clock = time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as pool:
            answers = list(pool.map(answer, prompts, [batch["tokens"]] * len(prompts)))
        result[name] = {"seconds": time.process_time() - start, "clock": time.perf_counter() - clock,
                        "texts": [each["choices"][0]["text"] for each in answers]}
    print("RESULT " + json.dumps(result, default=str))


if __name__ == "__main__":
    main()

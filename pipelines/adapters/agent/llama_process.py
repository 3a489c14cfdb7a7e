"""The child process of `EmbeddedEngine`: llama.cpp's own HTTP server, alone with its weights.

Run as `python -m pipelines.adapters.agent.llama_process`. One JSON line on standard input says what to load; one JSON
line on standard output says where it listens. The end of standard input ends the process: it cannot outlive the parent,
however that one dies. Nothing of llama.cpp runs in the process that carries calls, so neither a crash nor a held GIL
can harm one.
"""

import json
import os
import sys

from pipelines.niceness import give_way

_NICENESS = 10
"""Of all that computes for a call the language model can wait best: a transcript comes before its answer, and a chunk must be spoken
before the next one is needed. Where nothing else computes, it costs nothing."""


def main() -> None:
    give_way(_NICENESS)
    order = json.loads(sys.stdin.buffer.readline())

    import xllamacpp  # here, not above: 100 MB of shared library that only this process needs

    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.n_ctx = order["context"]
    params.n_parallel = order["slots"]
    params.kv_unified = True  # slots share one context: a long call may use what short ones do not
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    params.cache_ram_mib = order["cache_mib"]
    params.port = 0
    params.api_keys = [order["key"]]  # loopback is shared with every other user of the machine
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = "null"
    params.verbosity = 1  # errors only: prompts are callers' words
    server = xllamacpp.Server(params)
    print(json.dumps({"base_url": server.listening_address + "/v1"}), flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # llama.cpp's threads do not join in good time


if __name__ == "__main__":
    main()

"""A telephone bot made with pipecat, as its own examples make one for Twilio: Silero VAD, Whisper, a language model behind an
OpenAI-compatible endpoint, Piper; every setting that is not about weights or threads at pipecat's default.

Runs in the virtual environment of `requirements.txt`, never in Allô's. One JSON line on standard input is its order, one JSON
line on standard output says where it listens. It takes one call: everything is loaded, and has run once, before it says so.

Turn-taking is pipecat's default too ("smart"): the caller has begun when the VAD has heard 0.2 s of speech (or words came); he
has finished when the VAD has heard 0.2 s of silence, the model smart-turn 3.2 finds his turn complete (or 3 s have passed) and
his words are there. "timeout" is pipecat's plain alternative: 0.6 s more of silence instead of the model.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI, Response, WebSocket
from openai import AsyncOpenAI
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transcriptions.language import Language
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies, default_user_turn_stop_strategies
from pipecat.workers.runner import WorkerRunner

_CARRIER_RATE, _WHISPER_RATE = 8_000, 16_000  # pipecat's Whisper service resamples nothing
_STOP = {"smart": default_user_turn_stop_strategies, "timeout": lambda: [SpeechTimeoutUserTurnStopStrategy()]}
_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="{url}"/></Connect></Response>'


class Bot:
    """One agent for one call."""

    def __init__(self, order: dict[str, str]) -> None:
        """`order`: `whisper` (folder), `voice` (.onnx file), `base_url` and `key` of the language model, `instructions`,
        `greeting`, `turns` ("smart" or "timeout")."""
        self._order = order
        voice = Path(order["voice"])
        self._stt = WhisperSTTService(
            device="cpu",
            compute_type="int8",
            settings=WhisperSTTService.Settings(model=order["whisper"], language=Language.EN),
        )
        self._tts = PiperTTSService(download_dir=voice.parent, settings=PiperTTSService.Settings(voice=voice.stem))
        self._llm = OpenAILLMService(
            api_key=order["key"],
            base_url=order["base_url"],
            settings=OpenAILLMService.Settings(
                model="local", system_instruction=order["instructions"], temperature=0.0
            ),
        )
        self._turns = LLMContextAggregatorPair(
            LLMContext(),
            user_params=LLMUserAggregatorParams(
                vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=UserTurnStrategies(stop=_STOP[order["turns"]]())
            ),
        )

    async def warm(self) -> None:
        """Run every model once, the language model on the prompt of the call: Allô does so too before it takes calls."""
        list(self._stt._model.transcribe(np.zeros(_WHISPER_RATE, np.float32), language="en")[0])
        list(self._tts._voice.synthesize(self._order["greeting"]))
        async with AsyncOpenAI(api_key=self._order["key"], base_url=self._order["base_url"]) as client:
            await client.chat.completions.create(
                model="local",
                max_tokens=1,
                messages=[
                    {"role": "system", "content": self._order["instructions"]},
                    {"role": "assistant", "content": self._order["greeting"]},
                    {"role": "user", "content": "Hello?"},
                ],
            )

    async def talk(self, websocket: WebSocket, stream_sid: str) -> None:
        """The call, until the caller hangs up."""
        serializer = TwilioFrameSerializer(stream_sid, params=TwilioFrameSerializer.InputParams(auto_hang_up=False))
        transport = FastAPIWebsocketTransport(
            websocket,
            FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
        )
        path = [
            transport.input(),
            self._stt,
            self._turns.user(),
            self._llm,
            self._tts,
            transport.output(),
            self._turns.assistant(),
        ]
        rates = PipelineParams(audio_in_sample_rate=_WHISPER_RATE, audio_out_sample_rate=_CARRIER_RATE)
        worker = PipelineWorker(Pipeline(path), params=rates)

        @transport.event_handler("on_client_connected")
        async def connected(_transport: object, _client: object) -> None:
            await worker.queue_frames([TTSSpeakFrame(self._order["greeting"])])

        @transport.event_handler("on_client_disconnected")
        async def disconnected(_transport: object, _client: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()


async def serve(order: dict[str, str]) -> None:
    bot = Bot(order)
    await bot.warm()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = FastAPI()

    @app.post("/twilio/voice")
    async def voice() -> Response:
        return Response(_TWIML.format(url=f"ws://127.0.0.1:{port}/media"), media_type="text/xml")

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        event: dict[str, object] = {}
        while event.get("event") != "start":
            event = json.loads(await websocket.receive_text())
        await bot.talk(websocket, str(event["streamSid"]))

    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))

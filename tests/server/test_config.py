"""The configuration: defaults that serve, every problem at once, secrets that stay secret."""

import re
from pathlib import Path

import pytest

from pipelines.errors import ConfigError
from server.config import Config, load
from server.settings import call_settings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "allo.example.toml"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "allo.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(path)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def test_defaults_serve_the_example_agent_on_loopback():
    config = load(None)
    assert (config.server.host, config.agents[0].tools, config.agents[0].languages) == (
        "127.0.0.1",
        ["clinic"],
        ["en", "fr"],
    )
    assert "Riverside" in config.agents[0].greeting["en"]
    assert config.model_names() == [
        "silero-vad",
        "whisper-base",
        "whisper-base-short",
        "sentiment-linear",
        "qwen2.5-coder-1.5b-instruct-q4_k_m",
        "piper-en_US-joe-medium",
        "kokoro-82m-int8",
    ]


def test_an_empty_file_is_the_defaults(write):
    assert load(write("")) == load(None)


def test_two_configurations_share_nothing():
    first = load(None)
    first.server.port = 1
    first.models.tts.clear()
    first.agents[0].languages.append("de")
    assert (load(None).server.port, len(load(None).models.tts), load(None).agents[0].languages) == (
        8080,
        2,
        ["en", "fr"],
    )


def test_all_problems_at_once_each_with_its_key_and_mend(write):
    path = write("""
        [server]
        prot = 80
        max_calls = "many"
        public_url = "http://example.org"
        [jambonz]
        sample_rate = 44100
        [models.llm]
        kind = "openai"
        [models.tts.fr]
        kind = "piper"
        sped = 2
        [[agents]]
        name = "a"
        languages = ["en", "de"]
        mcp_servers = [{ name = "m" }]
        [[agents]]
        tools = ["Not A Tool"]
    """)
    found = problems(path)
    assert {line.partition(": ")[0] for line in found} == {
        "server.prot",
        "server.max_calls",
        "server.public_url",
        "jambonz.sample_rate",
        "models.llm",
        "models.tts.fr.sped",
        "agents[0].mcp_servers[0]",
        "agents[1].name",
        "agents[1].tools[0]",
    }
    assert "server.prot: unknown key. Did you mean `port`?" in found
    assert "models.tts.fr.sped: unknown key. Did you mean `speed`?" in found
    assert "agents[1].name: is missing. Add it." in found
    assert all(line.endswith((".", "?")) for line in found)


def test_parts_that_do_not_go_together(write):
    path = write("""
        [models.stt]
        model = "whisper-bse"
        [models.llm]
        model = "silero-vad"
        [models.tts.fr]
        kind = "piper"
        model = "kokoro-82m-int8"
        [models.tts.en]
        kind = "piper"
        [[agents]]
        name = "a"
        languages = ["en", "fr", "de"]
        greeting = { de = "Hallo" }
        prompt = { de = "Noch da?" }
        goodbye = { de = "Tschüss" }
        apology = { de = "Oh" }
        fillers = { de = ["Moment"] }
        [[agents]]
        name = "a"
        numbers = ["+1 555 0100"]
        [[agents]]
        name = "c"
        numbers = ["+15550100"]
    """)
    found = problems(path)
    assert [line.partition(": ")[0] for line in found] == [
        "agents[0].languages",
        "agents[1].name",
        "agents[2].numbers",
        "models.stt.model",
        "models.llm.model",
        "models.tts.en.model",
        "models.tts.fr.model",
    ]
    assert found[2] == "agents[2].numbers: +15550100 is answered by agents[1]. Remove it from one of them."
    assert "Did you mean whisper-base?" in found[3]


def test_two_agents_for_all_that_is_left(write):
    path = write('[[agents]]\nname = "a"\n[[agents]]\nname = "b"')
    assert problems(path) == ["agents[1].numbers: agents[0] has none either, and takes the rest. Give one numbers."]


def test_a_language_without_words_is_refused(write):
    assert problems(write('[[agents]]\nname = "a"\nlanguages = ["en", "de"]')) == [
        "agents[0]: `greeting` has no text in de. Add greeting = { de = ... }."
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("[server", "not TOML"), ("a = 1\n\xff".encode("latin-1"), "not TOML"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read(tmp_path, text, words):
    path = tmp_path / "allo.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=words):
        load(path)


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(write, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_TOKEN", "hunter2")
    (tmp_path / "key").write_text("s3cret\n")
    config = load(write('[twilio]\nauth_token = "env:TEST_TOKEN"\n[jambonz]\nwebhook_secret = "file:key"'))
    assert config.twilio.auth_token.get_secret_value() == "hunter2"
    assert config.jambonz.webhook_secret.get_secret_value() == "s3cret"
    shown = repr(config) + str(config.model_dump()) + config.model_dump_json()
    assert "hunter2" not in shown
    assert "s3cret" not in shown


def test_secrets_that_are_not_there_or_written_out(write, monkeypatch):
    monkeypatch.delenv("TEST_TOKEN", raising=False)
    path = write("""
        [twilio]
        auth_token = "env:TEST_TOKEN"
        webhook_shared_keys = { k = "file:nowhere" }
        [jambonz]
        webhook_secret = "hunter2"
    """)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "TEST_TOKEN is not set" in str(refused.value)
    assert "nowhere cannot be read" in str(refused.value)
    assert "jambonz.webhook_secret: a secret is not written here" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_recordings_key_is_one_and_is_never_shown(write, monkeypatch):
    path = write('[recording]\nkey = "env:TEST_KEY"')
    monkeypatch.setenv("TEST_KEY", "hunter2")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "recording.key" in str(refused.value)
    assert "openssl rand -hex 32" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    monkeypatch.setenv("TEST_KEY", "ab" * 32)
    config = load(path)
    assert config.recording.keys
    assert "abab" not in repr(config) + config.model_dump_json() + repr(config.recording.keys)
    assert not load(None).recording.keys


def test_agents_are_chosen_by_called_number(write):
    config = load(
        write("""
        [[agents]]
        name = "sales"
        numbers = ["+1 (555) 010-0100", "200"]
        [[agents]]
        name = "rest"
        [[agents]]
        name = "echo"
        kind = "echo"
        numbers = ["+33123456789"]
    """)
    )
    called = {
        "+15550100100": "sales",
        "sip:200@example.org;user=phone": "sales",
        "sip:+33123456789@host": "echo",
        "+49": "rest",
        "": "rest",
    }
    assert {number: config.agent_for(number).name for number in called} == called


def test_without_a_general_agent_the_first_answers_what_is_left(write):
    config = load(write('[[agents]]\nname = "a"\nnumbers = ["1"]\n[[agents]]\nname = "b"\nnumbers = ["2"]'))
    assert config.agent_for("3").name == "a"


def test_texts_and_voices_that_are_not_given_keep_their_default(write):
    config = load(
        write("""
        [models.tts.de]
        kind = "piper"
        [[agents]]
        name = "a"
        greeting = { fr = "Allô" }
        voices = { fr = { kind = "kokoro", model = "kokoro-82m-int8", voice = "ff_siwis", speed = 1.2 } }
    """)
    )
    agent = config.agents[0]
    assert agent.greeting == {"en": "Hello. How can I help you?", "fr": "Allô"}
    assert set(config.models.tts) == {"en", "fr", "de"}
    assert (config.voice(agent, "fr").speed, config.voice(agent, "en").kind) == (1.2, "piper")


def test_a_fallback_voice_is_a_voice_that_is_wanted_too(write):
    path = write("""
        [models.tts.fr.fallback]
        kind = "piper"
        model = "piper-en_US-joe-medium"
        [[agents]]
        name = "a"
        languages = ["fr"]
        [models.tts.fr]
        kind = "kokoro"
        model = "kokoro-82m-int8"
        voice = "ff_siwis"
    """)
    config = load(path)
    assert config.model_names()[-2:] == ["kokoro-82m-int8", "piper-en_US-joe-medium"]
    assert call_settings(config, config.agents[0]).tts_attempts == 3
    assert call_settings(load(None), load(None).agents[0]).tts_attempts == 2


def test_a_fallback_voice_is_checked_like_any(write):
    fallback = '[models.tts.en]\nkind = "piper"\nmodel = "piper-en_US-joe-medium"\n[models.tts.en.fallback]\n'
    assert problems(write(fallback + 'kind = "piper"\nsped = 2')) == [
        "models.tts.en.fallback.sped: unknown key. Did you mean `speed`?"
    ]
    assert problems(write(fallback + 'kind = "piper"\n[models.tts.en.fallback.fallback]\nkind = "piper"')) == [
        "models.tts.en.fallback.fallback: unknown key. Known: kind, model, voice, speed."
    ]
    (problem,) = problems(write(fallback + 'kind = "piper"\nmodel = "kokoro-82m-int8"'))
    assert problem.startswith("models.tts.en.fallback.model: kokoro-82m-int8 is run by")


def test_an_echo_line_has_settings_in_languages_that_no_voice_speaks(write):
    text = '[[agents]]\nname = "a"\nkind = "echo"\nlanguages = ["de"]\n'
    for key in ("greeting", "prompt", "goodbye", "apology"):
        text += f'{key} = {{ de = "a" }}\n'
    config = load(write(text + 'fillers = { de = ["a"] }'))
    assert call_settings(config, config.agents[0]).languages == ("de",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[models.denoise]\nmodel = "rnnoise2"', "models.denoise.model"),
        ('[models.vad]\nmodel = "other"', "models.vad.model"),
        ('[models.stt]\nkind = "other"', "models.stt.kind"),
        ('[models.tts.en]\nkind = "other"', "models.tts.en.kind"),
        ('[jambonz]\napi_uri = "https://example.org"', "jambonz.api_uri"),
    ],
)
def test_what_no_code_stands_behind_is_refused(write, text, key):
    (problem,) = problems(write(text))
    assert problem.startswith(key + ": ")


def test_instructions_and_paths_are_relative_to_the_file(write, tmp_path):
    (tmp_path / "prompt.txt").write_text("Be brief.")
    config = load(write('[recording]\ndir = "calls"\n[[agents]]\nname = "a"\ninstructions = "file:prompt.txt"'))
    assert config.agents[0].instructions == "Be brief."
    assert config.recording.dir == tmp_path / "calls"


def test_an_echo_line_needs_no_models(write):
    assert load(write('[[agents]]\nname = "a"\nkind = "echo"')).model_names() == []
    assert load(write('[[agents]]\nname = "a"\nkind = "echo"\nvoice_activity = true')).model_names() == ["silero-vad"]


def test_the_older_name_of_a_key_names_the_newer(write):
    (problem,) = problems(write('[[agents]]\nname = "a"\nkind = "echo"\nanalyze = true'))
    assert problem.startswith("agents[0]: `analyze` is called `voice_activity` now. Rename it")


def test_known_callers_need_a_model_for_voices(write):
    agent = '[[agents]]\nname = "a"\nknown_callers = true\n'
    config = load(write(agent))
    assert "resemblyzer" in config.model_names()
    assert call_settings(config, config.agents[0]).identify
    assert "resemblyzer" not in load(None).model_names()
    (problem,) = problems(write('[models.speaker]\nmodel = "none"\n' + agent))
    assert problem == (
        "agents[0].known_callers: there is no model for it. Name one as models.speaker.model, or drop it."
    )


def test_what_is_sensitive_needs_something_that_proves(write):
    agent = """
        [[agents]]
        name = "a"
        [[agents.mcp_servers]]
        name = "m"
        url = "http://localhost/mcp"
        sensitive = ["pay"]
        [[agents.http_tools]]
        name = "account"
        description = "d"
        url = "http://localhost/"
        sensitive = true
    """
    found = problems(write(agent))
    assert [line.partition(": ")[0] for line in found] == [
        "agents[0].http_tools[0].sensitive",
        "agents[0].mcp_servers[0].sensitive",
    ]
    proof = '\n[[agents.http_tools]]\nname = "check"\ndescription = "d"\nurl = "http://localhost/"\nproves = true\n'
    assert load(write(agent + proof)).agents[0].http_tools[1].proves
    assert "cannot wait for that proof" in problems(write(agent + proof + "sensitive = true\n"))[0]
    assert load(write(agent.replace('name = "a"', 'name = "a"\ntools = ["own:check"]')))


def test_ends_of_turns_can_be_judged_by_their_sound(write):
    assert "smart-turn-v3" in load(write('[models.turn]\nmodel = "smart-turn-v3"')).model_names()
    (problem,) = problems(write('[models.turn]\nmodel = "silero-vad"'))
    assert problem.startswith(
        "models.turn.model: silero-vad is a model for vad, not for turn. Take one of smart-turn-v3"
    )


def test_a_change_after_loading_is_checked_as_well():
    config = load(None)
    config.server.port = 0
    with pytest.raises(ValueError, match="port"):
        config.server.port = 70_000


def test_the_example_file_loads():
    load(EXAMPLE)


def test_the_example_file_with_every_comment_taken_off_loads_and_has_every_key(tmp_path, monkeypatch):
    for name in re.findall(r"env:(\w+)", EXAMPLE.read_text()):
        monkeypatch.setenv(name, "ab" * 32)  # long enough, and a key where one is asked for
    text = re.sub(r"(?m)^# (?=[a-z_0-9]+ = |\[)", "", EXAMPLE.read_text(encoding="utf-8"))
    path = tmp_path / "full.toml"
    path.write_text(text, encoding="utf-8")
    config = load(path)
    assert _keys_left_out(config) == {
        "models.llm.base_url",
        "models.llm.api_key",
        "models.tts.en.voice",
        "agents.voices.en.speed",
        "agents.voices.en.fallback",
        "agents.mcp_servers.command",
    }


def test_what_the_example_calls_a_default_is_one():
    text = re.sub(r"(?m)^# (?=[a-z_0-9]+ = )", "", EXAMPLE.read_text(encoding="utf-8"))
    shown = {key: value for key, value in re.findall(r"(?m)^(\w+) = ([\d.]+)(?: |$)", text)}
    settings = {
        **load(None).turns.model_dump(),
        **load(None).agents[0].model_dump(),
        **load(None).server.model_dump(),
        **load(None).recording.model_dump(),
    }
    compared = {key for key in shown if settings.get(key) is not None}
    assert len(compared) > 15
    assert {key: float(shown[key]) for key in compared} == {key: float(settings[key]) for key in compared}


def _keys_left_out(section, prefix="") -> set[str]:
    """Keys that are in the classes and not in what was read, by their way; of a list or table of tables, the first."""
    left_out = set()
    for name in type(section).model_fields:
        value = getattr(section, name)
        held = (
            next(iter(value.values() if isinstance(value, dict) else value), None)
            if isinstance(value, dict | list)
            else value
        )
        if name not in section.model_fields_set:
            left_out.add(prefix + name)
        elif hasattr(held, "model_fields_set"):
            key = prefix + name + (".en" if isinstance(value, dict) else "")
            if not key.startswith("models.llm_fallback"):
                left_out |= _keys_left_out(held, key + ".")
    return left_out


def test_the_configuration_has_a_json_schema():
    assert "agents" in Config.model_json_schema()["properties"]


def test_hold_music_is_a_file_beside_the_configuration_or_ours_or_none(write, tmp_path):
    agent = '[[agents]]\nname = "a"\nhold_music = '
    (problem,) = problems(write(agent + '"tune.wav"'))
    assert problem.startswith("agents[0].hold_music:")
    assert "tune.wav is no file" in problem
    (tmp_path / "tune.wav").write_bytes(b"RIFF")
    assert load(write(agent + '"tune.wav"')).agents[0].hold_music == str(tmp_path / "tune.wav")
    config = load(write(agent + '"none"'))
    assert not call_settings(config, config.agents[0]).hold_music
    assert call_settings(load(None), load(None).agents[0]).hold_music


def test_the_excuse_has_a_default_in_both_languages_and_none_in_others(write):
    config = load(write("[turns]\nmonologue_s = 30"))
    settings = call_settings(config, config.agents[0])
    assert settings.monologue_us == 30_000_000
    assert all(settings.phrases[language].cut_in for language in ("en", "fr"))


def test_fields_to_extract(write):
    agent = load(
        write("""
        [[agents]]
        name = "a"
        analyse = true
        [agents.extract.reason]
        type = ["booking", "question"]
        description = "why he called"
        [agents.extract.name]
        description = "the caller's name"
    """)
    ).agents[0]
    assert agent.extract["reason"].type == ["booking", "question"]
    assert agent.extract["name"].type == "string"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('extract.Name = { description = "x" }', "agents[0].extract.Name: a field's name is small letters"),
        (
            'extract.a = { type = "text", description = "x" }',
            "agents[0].extract.a.type: no such type. Write one of string,",
        ),
        ('extract.a = { type = ["one"], description = "x" }', "agents[0].extract.a.type: a list is of the words"),
        ('extract.a = { type = ["b", "b"], description = "x" }', "agents[0].extract.a.type: a list is of the words"),
        ('extract.a = { type = 5, description = "x" }', "agents[0].extract.a.type: no such type"),
        ('extract.a = { type = "date" }', "agents[0].extract.a.description: is missing"),
        (
            'extract.a = { description = "x", typ = "date" }',
            "agents[0].extract.a.typ: unknown key. Did you mean `type`?",
        ),
    ],
)
def test_a_field_that_cannot_be_extracted_is_named_with_its_mend(write, table, problem):
    assert any(line.startswith(problem) for line in problems(write(f'[[agents]]\nname = "a"\n{table}')))


def test_fields_to_extract_are_not_without_number(write):
    fields = "\n".join(f'extract.f{n} = {{ description = "x" }}' for n in range(21))
    (problem,) = problems(write(f'[[agents]]\nname = "a"\n{fields}'))
    assert "agents[0].extract" in problem


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('console_token = "env:SHORT_TOKEN"', "console_token"),
        ('console_user_header = "X-User"', "trusted_proxies"),
        ('console_user_header = "X User:"', "console_user_header"),
        ("console_port = 8080", "console_port"),
        ("console_port = 70000", "console_port"),
    ],
)
def test_a_console_that_would_stand_open_is_an_error(write, monkeypatch, keys, told):
    monkeypatch.setenv("SHORT_TOKEN", "hunter2")
    [problem] = problems(write(f"[server]\n{keys}\n"))
    assert told in problem
    assert "hunter2" not in problem

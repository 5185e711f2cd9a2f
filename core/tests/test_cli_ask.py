"""pegboard ask: prompts, answers as they arrive, usage, interruption."""

import json
import os
import pty
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli

PLUGIN = """
import asyncio

import pegboard


class GatedOptions(pegboard.Options):
    port: int


class Gated:
    '''Says its last words when the other end of a connection closes.'''

    def __init__(self, options, context):
        self._port = options.port

    async def complete(self, request):
        raise AssertionError(request)

    async def stream(self, request):
        yield pegboard.TextDelta("first words ")
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await reader.read()
        finally:
            writer.close()
        yield pegboard.TextDelta("last words")
        usage = pegboard.Usage(input=3, cache_read=2, output=4, reasoning=1)
        yield pegboard.Finished(finish_reason="stop", model="gated-1", usage=usage)


class Whole:
    '''Cannot stream.'''

    def __init__(self, options, context):
        pass

    async def complete(self, request):
        return pegboard.Reply(
            parts=(pegboard.Text("all at once"),),
            finish_reason="stop",
            usage=pegboard.Usage(input=1, output=3),
            model="whole-1",
        )


@pegboard.hookimpl
def pegboard_llm_providers():
    return [
        pegboard.LLMProvider(
            name="gated",
            factory=Gated,
            options=GatedOptions,
            contracts={"ChatModel": 1, "StreamingChat": 1},
        ),
        pegboard.LLMProvider(
            name="whole",
            factory=Whole,
            options=pegboard.Options,
            contracts={"ChatModel": 1},
        ),
    ]
"""
FIRST = b"first words "
pytestmark = pytest.mark.usefixtures("project")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


def ask(*arguments, **options):
    """Return the result of ``pegboard ask``."""
    return CliRunner().invoke(cli, ["ask", *arguments], **options)


def use(project, **instance):
    """Make *instance* the model that is asked."""
    lines = (f"{key} = {json.dumps(value)}" for key, value in instance.items())
    text = "\n".join(["[llm.default]", *lines])
    (project / "pegboard.toml").write_text(text)


class TestPrompt:
    def test_words_are_the_prompt(self):
        """Quotes are not needed."""
        assert ask("how", "are", "you").output == "how are you\n"

    @pytest.mark.parametrize("arguments", [[], ["-"]])
    def test_stdin_is_the_prompt(self, arguments):
        """Without a prompt, or with a hyphen, it is what is piped in."""
        assert ask(*arguments, input="piped in\n").output == "piped in\n"

    def test_stdin_is_put_after_the_prompt(self):
        """With both, the prompt comes first."""
        assert ask("Sum up:", input="long text").output == "Sum up:\n\nlong text\n"

    def test_nothing_to_ask_is_a_usage_error(self):
        """An empty prompt is not sent."""
        result = ask(input=" \n")

        assert (result.exit_code, result.stdout) == (2, "")
        assert "There is nothing to ask." in result.stderr

    def test_binary_input_is_a_usage_error(self):
        """What is no text is not sent either."""
        result = ask(input=b"\xff\xfe")

        assert result.exit_code == 2
        assert "not UTF-8" in result.stderr

    def test_stdin_may_be_closed(self, program):
        """A program without stdin can ask all the same."""
        done = program("ask", "hello", input=None, preexec_fn=lambda: os.close(0))

        assert (done.stdout, done.stderr) == ("hello\n", "")


class TestParameters:
    def test_other_model_is_asked(self, project):
        """--llm names the instance."""
        with (project / "pegboard.toml").open("a") as file:
            file.write('[llm.poet]\nprovider = "fake"\nreplies = ["A rose."]\n')

        assert ask("--llm", "poet", "hello").output == "A rose.\n"

    def test_answer_is_limited(self):
        """--max-tokens reaches the model."""
        assert ask("--max-tokens", "2", "one two three").output == "one two \n"

    @pytest.mark.parametrize(
        "option", [["--temperature", "0.5"], ["--seed", "1"]], ids=lambda o: o[0]
    )
    def test_parameter_the_model_lacks_is_refused(self, project, option):
        """Parameters reach the model, which may not know them."""
        use(project, provider="fake", capabilities=[])

        result = ask(*option, "hello")

        assert result.exit_code == 1
        assert f"does not support {option[0].removeprefix('--')}" in result.stderr

    def test_system_is_put_before_the_prompt(self):
        """--system counts as input, but is not what is echoed."""
        result = ask("--usage", "--system", "Be very brief.", "hello")

        assert result.stdout == "hello\n"
        assert "input 4" in result.stderr

    def test_no_room_for_an_answer_is_a_usage_error(self):
        """--max-tokens is at least 1."""
        assert ask("--max-tokens", "0", "hello").exit_code == 2


class TestJSON:
    def schema(self, project, text):
        """Return the name of a file with *text*."""
        (project / "schema.json").write_text(text)
        return "schema.json"

    def test_answer_is_pretty_json(self, project):
        """--json prints JSON that fits, indented."""
        file = self.schema(project, json.dumps(SCHEMA))

        assert ask("--json", file, "Where?").output == '{\n  "city": "x"\n}\n'

    def test_answer_that_does_not_fit_is_an_error(self, project):
        """Nothing invalid is printed; what all corrections took is told."""
        use(project, provider="fake", replies=["{}"])
        file = self.schema(project, json.dumps(SCHEMA))

        result = ask("--usage", "--json", file, "Where?")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "does not fit its schema" in result.stderr
        assert "output 3" in result.stderr

    def test_missing_file_is_a_usage_error(self):
        """The file must exist."""
        result = ask("--json", "nowhere.json", "Where?")

        assert result.exit_code == 2
        assert "nowhere.json" in result.stderr

    @pytest.mark.parametrize("text", ["{", "[]"])
    def test_file_without_a_schema_is_a_usage_error(self, project, text):
        """The file must hold a JSON object."""
        result = ask("--json", self.schema(project, text), "Where?")

        assert result.exit_code == 2
        assert "schema.json" in result.stderr

    def test_wrong_schema_is_an_error(self, project):
        """It must be a JSON Schema, too."""
        result = ask("--json", self.schema(project, '{"type": 5}'), "Where?")

        assert result.exit_code == 1
        assert "is not a JSON Schema" in result.stderr


class TestUsage:
    def test_usage_is_told_on_stderr(self):
        """Address, provider, model, tokens by bucket, time."""
        result = ask("--usage", "hello world")
        address, provider, model, read, written, *time = result.stderr.split(", ")

        assert result.stdout == "hello world\n"
        assert [address, provider, model] == ["llm.default", "fake", "echo-1"]
        assert [read, written] == ["input 2", "output 2"]
        assert [part.lstrip("0123456789.") for part in time] == [" s", " tokens/s\n"]

    def test_answer_in_one_piece_is_printed(self, project, install):
        """A provider that cannot stream is asked for the whole."""
        install("gated", PLUGIN)
        use(project, provider="whole")

        result = ask("--usage", "hello")

        assert result.stdout == "all at once\n"
        assert "llm.default, whole, whole-1, input 1, output 3" in result.stderr


class TestTerminal:
    def test_prompt_may_be_typed(self, program, keyboard):
        """Without a prompt, it is read from the keyboard, which is said."""
        typist, terminal = keyboard
        with program.start("ask", stdin=terminal) as process:
            os.write(typist, b"typed\n\x04")
            answer, hint = process.communicate(timeout=60)

        assert (answer, hint) == (b"typed\n", b"Type the prompt, then Ctrl-D.\n")

    def test_keyboard_is_left_alone_with_a_prompt(self, program, keyboard):
        """Only what is piped in is put after a prompt."""
        _, terminal = keyboard
        with program.start("ask", "hello", stdin=terminal) as process:
            assert process.communicate(timeout=60) == (b"hello\n", b"")

    def test_any_character_is_shown_somehow(self, program, monkeypatch):
        """Also where the encoding of stdout does not have it."""
        monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")
        monkeypatch.setenv("PYTHONUTF8", "0")

        assert program("ask", input="h\u00e9llo").stdout == "h\\xe9llo\n"

    def test_full_disk_is_an_error(self, program):
        """An answer that cannot be written is told without a traceback."""
        with Path("/dev/full").open("wb") as full:
            process = program.start("ask", "hello", stdout=full)
            _, complaint = process.communicate(timeout=60)

        assert process.returncode == 1
        assert complaint.startswith(b"Error: The answer cannot be written: No space")

    @pytest.mark.parametrize("place", ["pipe", "terminal"])
    def test_answer_cannot_command_the_terminal(self, project, program, place):
        """Control characters are left out there, and nowhere else."""
        use(project, provider="fake", replies=["\x1b[31mred\x07"])
        if place == "pipe":
            assert program("ask", "hello").stdout == "\x1b[31mred\x07\n"
        else:
            assert program.on_terminal("ask", "hello") == b"[31mred\r\n"


@pytest.fixture
def keyboard():
    """Return both ends of a terminal: where keys are pressed, and what reads them."""
    typist, terminal = pty.openpty()
    yield typist, terminal
    os.close(typist)
    os.close(terminal)


@pytest.fixture
def gate(project, install):
    """Wait at a gate between first and last words: a connection that is open."""
    install("gated", PLUGIN)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        use(project, provider="gated", port=server.getsockname()[1])
        yield server


class TestStream:
    def test_first_words_arrive_while_the_rest_is_written(self, program, gate):
        """The answer cannot end before its first words have been read."""
        with program.start("ask", "hello") as process:
            first = process.stdout.read(len(FIRST))
            connection, _ = gate.accept()
            is_running = process.poll() is None
            connection.close()
            rest, _ = process.communicate(timeout=60)

        assert first == FIRST
        assert is_running
        assert rest == b"last words\n"

    def test_all_buckets_are_told(self, program, gate):
        """Tokens from a cache and those of thinking are told apart."""
        with program.start("ask", "--usage", "hello") as process:
            gate.accept()[0].close()
            _, usage = process.communicate(timeout=60)

        buckets = b"gated, gated-1, input 3, cache_read 2, output 4, reasoning 1, "
        assert buckets in usage

    def test_ctrl_c_ends_the_answer(self, program, gate):
        """Exit code 130, a whole line, no traceback, and what it took so far."""
        with program.start("ask", "--usage", "hello") as process:
            process.stdout.read(len(FIRST))
            connection, _ = gate.accept()
            process.send_signal(signal.SIGINT)
            rest, usage = process.communicate(timeout=60)
            connection.close()

        assert (process.returncode, rest) == (130, b"\n")
        assert usage.startswith(b"llm.default, gated, input about 2, output about 3, ")
        assert usage.endswith(b" tokens/s, cut off\n")

    def test_ctrl_c_closes_the_connection(self, program, gate):
        """The work at the other end is stopped before the program ends."""
        with program.start("ask", "hello") as process:
            connection, _ = gate.accept()
            process.send_signal(signal.SIGINT)

            assert connection.recv(1) == b""
            assert process.communicate(timeout=60) == (FIRST + b"\n", b"")
            connection.close()

    def test_reader_may_leave(self, program, gate):
        """As ``| head -1`` does: the program ends without a word."""
        with program.start("ask", "hello") as process:
            process.stdout.read(len(FIRST))
            process.stdout.close()
            gate.accept()[0].close()
            complaint = process.stderr.read()

        assert complaint == b""

    def test_whole_answer_may_lose_its_reader(self, program):
        """Also where nothing was read at all."""
        reader, writer = os.pipe()
        os.close(reader)
        with program.start("ask", "hello", stdout=writer) as process:
            os.close(writer)
            complaint = process.stderr.read()

        assert complaint == b""

    def test_failed_call_is_an_error(self, project):
        """The message says which instance failed, and how; the exit code is 1."""
        use(project, provider="fake", failures=["Authentication"])

        result = ask("hello")

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: llm.default stream: Scripted failure")

"""The configuration that `policy route` writes, in LiteLLM's own router: where requests go, and where they never do."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.routing.gateway import read_gateway
from tests.unit.cli.route_scene import GATEWAY, routed

#: What LiteLLM and what it imports say of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")
TAGGING = "platform_model-router_tagging"
_KEYS = ("SELF_HOSTED_API_KEY", "OPEN_MODEL_HOSTING_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
#: Host of each address -> the provider, as the gateway file and LiteLLM have them.
HOSTS = {
    "llm.internal.example": "self_hosted",
    "models.example": "open-model-hosting",
    "us.api.openai.example": "openai",
    "api.anthropic.com": "anthropic",
}
Ask = Callable[..., str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The configuration of the articles' router, and the route that it follows from."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "gateway.yaml").write_text(GATEWAY, encoding="utf-8")
    routed(folder, "--allow-conditions", "--gateway", str(folder / "gateway.yaml"))
    loaded = [yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in ("config.yaml", "route.json")]
    return loaded[0], loaded[1]


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network on import
        for name in _KEYS:
            patch.setenv(name, "no-key")
        import litellm

        logging.disable(logging.CRITICAL)
        yield litellm
        logging.disable(logging.NOTSET)


@pytest.fixture
def reached(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that are asked, each of which is down."""
    import httpx

    hosts: list[str] = []

    def send(_client: Any, request: httpx.Request, **_given: Any) -> Any:
        hosts.append(request.url.host)
        raise httpx.ConnectError("down", request=request)

    monkeypatch.setattr(httpx.Client, "send", send)
    return hosts


def loaded(litellm: Any, config: Any) -> Any:
    return litellm.Router(model_list=config["model_list"], **{**config["router_settings"], "num_retries": 0})


@pytest.fixture
def ask(litellm: Any, written: tuple[Any, Any], reached: list[str]) -> Ask:
    """Ask a model of the configuration, and return the deployment that answered, or the error's name."""
    made = loaded(litellm, written[0])

    def ask(model: str, text: str = "hello", **more: Any) -> str:
        reached.clear()
        try:
            found = made.completion(model, [{"role": "user", "content": text}], **more)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
            return type(error).__name__
        name: str = found._hidden_params["model_id"]
        return name

    return ask


def test_each_task_is_asked_in_the_order_of_its_chain_and_nobody_else(
    ask: Ask, written: tuple[Any, Any], reached: list[str]
) -> None:
    for task in written[1]["tasks"]:
        ask(task["alias"])
        wanted = [leg["provider"] or leg["deployment"] for leg in task["legs"]]
        asked = [HOSTS.get(host, host) for host in dict.fromkeys(reached)]
        assert asked == list(dict.fromkeys(wanted))
        assert len(asked) == 3


def test_a_failing_leg_is_followed_by_the_next(ask: Ask) -> None:
    assert ask(TAGGING, mock_response="yes") == TAGGING
    assert ask(TAGGING, mock_response="yes", mock_testing_fallbacks=True) == f"{TAGGING}+1"


def test_a_prompt_beyond_a_window_goes_to_a_longer_one_of_the_same_task(
    ask: Ask, written: tuple[Any, Any], reached: list[str]
) -> None:
    (task,) = (task for task in written[1]["tasks"] if task["alias"] == TAGGING)
    assert task["legs"][0]["context_tokens"] == 8192
    assert ask(TAGGING, "word " * 9000, mock_response="yes") == f"{TAGGING}+1"
    assert reached == []


def test_a_caller_that_names_a_region_is_served_there_or_not_at_all(ask: Ask, written: tuple[Any, Any]) -> None:
    regions = {each["model_name"]: each["litellm_params"]["region_name"] for each in written[0]["model_list"]}
    assert regions[ask(TAGGING, mock_response="yes", allowed_model_region="us")] == "us"
    assert ask(TAGGING, mock_response="yes", allowed_model_region="eu") == TAGGING
    assert ask(TAGGING, mock_response="yes", allowed_model_region="ap-southeast-2") not in regions


def test_what_is_in_no_route_is_asked_of_nobody(ask: Ask, reached: list[str]) -> None:
    for name in ("gpt-4o", "*", "claude-3.5-sonnet", "platform_model-router_other", "openai/gpt-4.1"):
        assert ask(name).endswith("Error")
        assert reached == []


def test_every_setting_is_one_that_the_proxy_passes_to_its_router(litellm: Any, written: tuple[Any, Any]) -> None:
    config = written[0]
    assert set(config) == {"model_list", "router_settings"}
    assert set(config["router_settings"]) <= set(inspect.signature(litellm.Router.__init__).parameters)
    made = loaded(litellm, config)
    assert set(made.registry().names(kind="group_set")) == {each["model_name"] for each in config["model_list"]}
    assert {name for row in made.settings().fallbacks for name in row if row[name]} == {
        each["alias"] for each in written[1]["tasks"]
    }
    prefixes = {each["litellm_params"]["model"].partition("/")[0] for each in config["model_list"]}
    assert prefixes <= {str(getattr(each, "value", each)) for each in litellm.provider_list}


def test_without_an_address_it_would_ask_openai_which_is_why_one_is_written(
    litellm: Any, reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LITELLM_TEST_BASE", raising=False)
    params = {"model": "hosted_vllm/llama-3-8b", "api_key": "no-key"}
    for more, host in (
        ({"api_base": "os.environ/LITELLM_TEST_BASE"}, "api.openai.com"),
        ({"api_base": "https://self-hosted.invalid/v1"}, "self-hosted.invalid"),
    ):
        reached.clear()
        made = litellm.Router(model_list=[{"model_name": "a", "litellm_params": {**params, **more}}], num_retries=0)
        with pytest.raises(Exception, match="Hosted_vllm"):
            made.completion("a", [{"role": "user", "content": "hello"}])
        assert reached == [host]


def test_no_key_goes_to_an_address_but_those_of_the_table(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    from policy_engine.routing.gateway import MAKERS, SERVERS

    own = {name: each.variables for name, each in MAKERS.items()} | {name: (each,) for name, each in SERVERS.items()}
    for variable in {each for variables in own.values() for each in variables}:
        monkeypatch.setenv(variable, f"sk-of-{variable}.")
    monkeypatch.delenv("ACME_API_KEY", raising=False)
    sent: list[str] = []

    def send(_client: Any, request: httpx.Request, **_given: Any) -> Any:
        sent.append(f"{request.url} {dict(request.headers)}")
        raise httpx.ConnectError("down", request=request)

    monkeypatch.setattr(httpx.Client, "send", send)

    def asked(prefix: str, key: str = "os.environ/ACME_API_KEY") -> set[str]:
        sent.clear()
        params = {"model": f"{prefix}/m", "api_base": "https://acme.example/v1", "api_key": key}
        made = litellm.Router(model_list=[{"model_name": "a", "litellm_params": params}], num_retries=0)
        with suppress(Exception):
            made.completion("a", [{"role": "user", "content": "hello"}])
        return set(re.findall(r"sk-of-(\w+)", "".join(sent)))

    found = {prefix: asked(prefix) for prefix in own}
    assert [prefix for prefix, keys in found.items() if not keys <= set(own[prefix])] == []
    assert {prefix for prefix, keys in found.items() if not keys} <= {"bedrock", "snowflake", "vertex_ai", "watsonx"}
    for leaking in ("custom_openai", "perplexity"):
        assert asked(leaking) == {"OPENAI_API_KEY"}
    for server in SERVERS:
        assert asked(server, "none") == set()
        assert len(sent) == 1


def test_addresses_of_the_environment_count_for_nothing(
    litellm: Any, reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL", "GEMINI_API_BASE"):
        monkeypatch.setenv(name, "https://elsewhere.example")
    hosts = {
        "openai": "api.openai.com",
        "anthropic": "api.anthropic.com",
        "google": "generativelanguage.googleapis.com",
    }
    for name, host in hosts.items():
        found = read_gateway(None)[name]
        params = {"model": f"{found.prefix}/m", "api_key": "k"}
        for more, wanted in (({"api_base": found.api_base}, host), ({}, "elsewhere.example")):
            reached.clear()
            made = litellm.Router(model_list=[{"model_name": "a", "litellm_params": {**params, **more}}], num_retries=0)
            with suppress(Exception):
                made.completion("a", [{"role": "user", "content": "hello"}])
            assert set(reached) == {wanted}


def test_the_shipped_names_of_models_are_those_that_litellm_knows(litellm: Any) -> None:
    path = Path(__file__).parents[3] / "policy_engine" / "routing" / "litellm.yaml"
    table = yaml.safe_load(path.read_text(encoding="utf-8"))["providers"]
    known = " ".join(litellm.model_cost)
    assert all(name in known for row in table.values() for name in row.get("models", {}).values())
    providers = {str(getattr(each, "value", each)) for each in litellm.provider_list}
    assert {row["prefix"] for row in table.values()} <= providers

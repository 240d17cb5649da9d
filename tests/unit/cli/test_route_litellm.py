"""What `policy route --format litellm` writes: what of it is approved, under which names, and where it leads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.errors import InputError
from policy_engine.routing.gateway import MAKERS, read_gateway
from policy_engine.routing.route import alias_of
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import AT, DENIED, MEMORY
from tests.unit.cli.route_scene import GATEWAY, HARDWARE, PROVIDERS, layer, routed, router, single, write

Run = Callable[..., Outcome]
HEAD = "apiVersion: policy-engine/v1\nkind: Gateway\nproviders:\n"
GPT_4O = {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us"}


@pytest.fixture
def written(policy: Run) -> Callable[..., Any]:
    """Return the configuration that is written, as YAML is read, and its text."""

    def run(*arguments: str | Path) -> Any:
        found = policy("route", *map(str, arguments), *AT, *MEMORY, "--format", "litellm")
        assert (found.status, found.err) == (0, "")
        return yaml.safe_load(found.out), found.out

    return run


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """What is written of the articles' router as it is approved."""
    text = (routed(tmp_path_factory.mktemp("approved")) / "config.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text), text


def names(config: Any) -> list[str]:
    return [each["model_name"] for each in config["model_list"]]


def test_what_waits_for_evidence_is_not_written_and_said(approved: Any) -> None:
    config, text = approved
    assert names(config) == [
        "platform_model-router_summaries",
        "platform_model-router_summaries+1",
        "platform_model-router_summaries+2",
        "platform_model-router_analysis",
        "platform_model-router_analysis+1",
        "platform_model-router_analysis+2",
        "platform_model-router_code",
        "platform_model-router_code+1",
        "platform_model-router_code+2",
    ]
    assert "# Left out: platform_model-router_tagging: self_hosted llama-3-8b in eu: it waits for approval" in text


def test_a_fallback_that_waits_takes_no_place_and_counts_for_none(policy: Run, tmp_path: Path) -> None:
    """Machines of one's own wait for their attestation, and are the only host beside the provider's."""
    given = (*layer(tmp_path), *AT, *MEMORY, "--fallbacks", "5")
    hosting = {"open-model-hosting": PROVIDERS["open-model-hosting"]}
    (tmp_path / "acme" / "catalog" / "providers.yaml").write_text(yaml.safe_dump({"providers": hosting}))
    data = yaml.safe_load(router(tmp_path).read_text(encoding="utf-8"))["spec"]["data"]
    path = router(tmp_path, data={**data, "residency": ["eu"]})
    for more, ready in (((), False), (("--allow-conditions",), True)):
        tasks = policy("route", str(path), *given, *more, "-o", "json").json["tasks"]
        (summaries,) = (task for task in tasks if task["name"] == "summaries")
        waits = [leg["outstanding"] for leg in summaries["legs"]]
        assert [leg["deployment"] for leg in summaries["legs"]].count("self_hosted") == 1
        assert waits.index(["hardware_attestation"]) == (1 if ready else len(waits) - 1)
        assert summaries["independent_fallback"] is ready
    assert policy("route", str(path), *given, "--fail-on", "no_fallback").status == 1
    (few,) = (
        task
        for task in policy("route", str(path), *given[:-1], "1", "-o", "json").json["tasks"]
        if task["name"] == "summaries"
    )
    assert [leg["deployment"] for leg in few["legs"]] == ["open_api", "open_api"]


def test_fallbacks_stay_inside_their_task_and_none_is_for_everything(approved: Any) -> None:
    config, text = approved
    settings = config["router_settings"]
    assert settings["default_fallbacks"] == []
    targets = {name: group for row in settings["fallbacks"] for name, group in row.items()}
    assert all(target.startswith(f"{name}+") for name, group in targets.items() for target in group)
    assert targets["platform_model-router_code"] == [f"platform_model-router_code+{n}" for n in (1, 2)]
    (decision,) = {each["model_info"]["policy_decision"] for each in config["model_list"]}
    assert f"review, decision {decision}, ledger entry 0, valid until 2027-01-01T23:59:59Z" in text


def test_prices_are_those_of_the_catalog_by_the_token(approved: Any) -> None:
    config, _ = approved
    params = config["model_list"][0]["litellm_params"]
    assert params["model"] == "hosted_vllm/llama-3-70b"
    assert (params["input_cost_per_token"], params["output_cost_per_token"]) == pytest.approx((0.6e-6, 0.7e-6))
    assert "input_cost_per_token" not in next(
        each["litellm_params"] for each in config["model_list"] if each["model_name"].endswith("code+1")
    )  # a price that nobody states is not zero


def test_an_address_that_nobody_gave_leads_nowhere(written: Any, tmp_path: Path) -> None:
    config, text = written(router(tmp_path), *layer(tmp_path), "--allow-conditions")
    assert len(names(config)) == 12
    assert config["model_list"][0]["model_info"]["policy_outstanding"] == ["hardware_attestation"]
    reached = {each["litellm_params"].get("api_base") for each in config["model_list"]}
    # of no address is it known in which region it is, not even where a provider is in one alone
    assert reached == {
        "https://self-hosted.eu.invalid/v1",
        "https://open-model-hosting.eu.invalid/v1",
        "https://openai.us.invalid/v1",
        "https://anthropic.us.invalid",
    }
    assert "os.environ" not in str(reached)  # of a variable that is not set LiteLLM makes OpenAI's address
    assert text.count("# An address is missing") == 4
    proposed = single(proposal={**GPT_4O, "region": "eu"})  # the data may go anywhere, and the team wants it there
    config, _ = written(write(tmp_path / "p.yaml", proposed))
    assert config["model_list"][0]["litellm_params"]["api_base"] == "https://openai.eu.invalid/v1"
    (tmp_path / "gateway.yaml").write_text(GATEWAY, encoding="utf-8")
    filled, text = written(
        router(tmp_path), *layer(tmp_path), "--allow-conditions", "--gateway", tmp_path / "gateway.yaml"
    )
    assert "# An address is missing" not in text
    assert {each["litellm_params"].get("api_base") for each in filled["model_list"]} == {
        "http://llm.internal.example:8000/v1",
        "https://models.example/v1",
        "https://us.api.openai.example/v1",
        "https://api.anthropic.com",
    }


def test_an_address_of_another_region_or_prefix_is_not_taken(written: Any, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway.yaml"
    text = GATEWAY.replace("regions: {us: ", "api_base: ").replace("v1}}", "v1}", 1)
    text = text.replace("anthropic: {address_region: us}", "anthropic: {prefix: hosted_vllm, api_key: OTHER_API_KEY}")
    gateway.write_text(text, encoding="utf-8")
    config, _ = written(router(tmp_path), *layer(tmp_path), "--gateway", gateway)
    openai = [each["litellm_params"] for each in config["model_list"] if "openai/" in each["litellm_params"]["model"]]
    assert {each["api_base"] for each in openai} == {"https://openai.us.invalid/v1"}
    claude = [each["litellm_params"] for each in config["model_list"] if "claude" in each["litellm_params"]["model"]]
    assert {each["api_base"] for each in claude} == {"https://anthropic.us.invalid/v1"}
    # neither the key nor the names of models that were said of Anthropic
    assert {each["api_key"] for each in claude} == {"os.environ/OTHER_API_KEY"}
    assert {each["model"] for each in claude} == {"hosted_vllm/claude-3.5-sonnet"}


def test_machines_in_two_regions_are_not_reached_at_one_address(written: Any, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway.yaml"
    own = {"deployment": "self_hosted", "model": "llama-3.1-8b"}
    documents = []
    for region in ("eu", "us"):
        documents.append(single(proposal={**own, "region": region}))
        documents[-1]["metadata"]["name"] = f"in-{region}"
        documents[-1]["spec"]["hardware"] = {**HARDWARE, "region": region}
    path = write(tmp_path / "w.yaml", *documents)
    for said, reached in (
        (
            "api_base: https://llm.example/v1",
            ["https://self-hosted.eu.invalid/v1", "https://self-hosted.us.invalid/v1"],
        ),
        (
            "api_base: https://llm.example/v1, address_region: us",
            ["https://self-hosted.eu.invalid/v1", "https://llm.example/v1"],
        ),
    ):
        gateway.write_text(f"{HEAD}  self_hosted: {{{said}}}\n", encoding="utf-8")
        config, _ = written(path, "--gateway", gateway, "--fallbacks", "0", "--allow-conditions")
        assert [each["litellm_params"]["api_base"] for each in config["model_list"]] == reached


def test_what_does_not_run_behind_a_gateway_is_left_out(policy: Run, written: Any, tmp_path: Path) -> None:
    batch = single(batch=True, latency_p95_ms=None, proposal={"deployment": "open_batch", "model": "qwen3-14b"})
    found = policy("route", str(write(tmp_path / "w.yaml", batch)), *AT, *MEMORY, "-o", "litellm")
    assert (found.status, found.out) == (2, "")
    assert "a batch provider takes files of requests" in found.err
    assert "[nothing-to-write]" in found.err
    config, text = written(write(tmp_path / "w.yaml", batch, {**single(), "metadata": {"name": "n", "owner": "o"}}))
    assert names(config)[0] == "default_n_tagging"
    assert "# Left out: platform_single_tagging: open_batch qwen3-14b" in text


@pytest.mark.parametrize(
    ("proposal", "code"),
    [({**GPT_4O, "provider": "azure"}, "provider-unmapped"), ({**GPT_4O, "provider": None}, "provider-unnamed")],
)
def test_a_provider_that_is_not_known_is_an_error_that_names_it(
    policy: Run, written: Any, tmp_path: Path, proposal: dict[str, Any], code: str
) -> None:
    path = write(tmp_path / "w.yaml", single(proposal=proposal))
    found = policy("route", str(path), *AT, *MEMORY, "-o", "litellm")
    assert (found.status, found.out) == (2, "")
    assert f"[{code}]" in found.err
    if proposal["provider"] is not None:
        gateway = tmp_path / "gateway.yaml"
        say = "{prefix: azure, api_key: AZURE_KEY, api_base: 'https://acme.openai.azure.com'}"
        gateway.write_text(f"{HEAD}  azure: {say}\n", encoding="utf-8")
        config, _ = written(path, "--gateway", gateway)
        params = config["model_list"][0]["litellm_params"]
        assert (params["model"], params["api_key"]) == ("azure/gpt-4o", "os.environ/AZURE_KEY")


#: As NAME_PATTERN has them, short enough to be often alike.
_NAMES = st.from_regex(r"[ab0]([ab.-]{0,2}[ab0])?", fullmatch=True)
_TASKS = st.text("ab_.- \u202e*", min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_NAMES, _NAMES, _TASKS), unique=True, max_size=12))
def test_no_two_tasks_have_one_alias(tasks: list[tuple[str, str, str]]) -> None:
    found = [alias_of(*task) for task in tasks]
    assert len(set(found)) == len(found)
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for each in found)


def test_aliases_that_look_alike_are_told_apart_and_two_of_one_name_are_refused(
    policy: Run, written: Any, tmp_path: Path
) -> None:
    first, second = single(name="x"), single(name="x")
    first["metadata"] |= {"namespace": "a", "name": "b-c"}
    second["metadata"] |= {"namespace": "a-b", "name": "c"}
    config, _ = written(write(tmp_path / "w.yaml", first, second))
    assert {name.partition("+")[0] for name in names(config)} == {"a_b-c_x", "a-b_c_x"}
    found = policy("route", str(write(tmp_path / "w.yaml", first, first)), *AT, *MEMORY, "-o", "litellm")
    assert (found.status, "[alias-twice]" in found.err) == (2, True)


def test_a_denied_workload_is_in_no_configuration(policy: Run, written: Any, tmp_path: Path) -> None:
    out = tmp_path / "config.yaml"
    assert policy("route", str(DENIED), *AT, *MEMORY, "-o", f"litellm={out}").status == 2
    assert not out.exists()
    config, text = written(DENIED, write(tmp_path / "w.yaml", single()))
    assert not [name for name in names(config) if "claims" in name]
    assert "# Left out: claims_claims-notes_notes: the proposed fallback is ruled out, and the decision denies" in text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("kind: Gateway", "kind: Gate"), "gateway.yaml:2:7: error: `kind` must be `Gateway` here"),
        (("https://models.example/v1", "os.environ/BASE"), "gateway.yaml:6:34: error: `api_base` is no address"),
        (("https://models.example/v1", "https://user:secret@models.example"), "`api_base` is no address"),
        (("{api_base: https://models.example/v1", "{api_key: sk-12/34"), "`api_key` is no name of an environment"),
        (
            ("self_hosted: {", "self_hosted: {prefix: openai, "),
            "gateway.yaml:7:25: error: `openai` is another provider",
        ),
        (("self_hosted", "acme: {prefix: openai, api_base: 'https://a.example'}\n  self_hosted"), "[key-leaves]"),
        (("self_hosted", "acme: {prefix: custom_openai, api_key: ACME}\n  self_hosted"), "hosted_vllm"),
        (("us.api.openai.example/v1}", "us.api.openai.example/v1}, api_key: OTHER"), "[key-leaves]"),
        (
            ("self_hosted", "acme: {prefix: groq, api_key: OTHER, api_base: 'https://a.example'}\n  self_hosted"),
            "leaves]",
        ),
        (("https://models.example/v1", "https://evil.example\\.models.example/v1"), "`api_base` is no address"),
        (("https://models.example/v1", "https://evil.example%2f.models.example/v1"), "`api_base` is no address"),
        (("self_hosted", "self_hosted: {prefix: 'a/b'}\n  x"), "`a/b` is no name of a provider"),
        (("regions: {us", "region: {us"), "`region` is not a key here"),
    ],
)
def test_a_gateway_file_that_is_none(policy: Run, tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    gateway, ledger = tmp_path / "gateway.yaml", tmp_path / "l.db"
    gateway.write_text(GATEWAY.replace(*change), encoding="utf-8")
    path = write(tmp_path / "w.yaml", single())
    found = policy("route", str(path), *AT, "--ledger", f"sqlite:///{ledger}", "--gateway", str(gateway))
    assert (found.status, ledger.exists()) == (2, False)
    assert problem in found.err
    assert "secret" not in found.err
    assert "sk-12" not in found.err


def test_no_report_takes_the_gateway_files_place(policy: Run, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway.yaml"
    gateway.write_text(GATEWAY, encoding="utf-8")
    path = write(tmp_path / "w.yaml", single())
    found = policy("route", str(path), *AT, *MEMORY, "--gateway", str(gateway), "-o", f"litellm={gateway}")
    assert (found.status, gateway.read_text(encoding="utf-8")) == (2, GATEWAY)


HOSTS = {
    "groq": ("api.groq.com", "groq.com.acme.example"),
    "xai": ("api.x.ai", "api.lux.ai"),
    "azure": ("acme.openai.azure.com", "acme.westeurope.cloudapp.azure.com"),
    "bedrock": ("bedrock-runtime.eu-west-1.amazonaws.com", "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com"),
    "ovhcloud": ("oai.endpoints.kepler.ai.cloud.ovh.net", "vps-1.vps.ovh.net"),
    "hosted_vllm": ("acme.example", None),
}


@pytest.mark.parametrize("prefix", HOSTS)
def test_makers_keys_are_for_makers_hosts(prefix: str, tmp_path: Path) -> None:
    def problems(host: str, key: str) -> list[str]:
        endpoint = f"{{prefix: {prefix}, api_base: 'https://{host}/v1', api_key: {key}}}"
        text = f"apiVersion: policy-engine/v1\nkind: Gateway\nproviders: {{acme: {endpoint}}}\n"
        (tmp_path / "gateway.yaml").write_text(text, encoding="utf-8")
        try:
            read_gateway(tmp_path / "gateway.yaml")
        except InputError as error:
            return [each.code for each in error.problems]
        return []

    own, foreign = HOSTS[prefix]
    assert problems(own, "ACME_API_KEY") == []
    if foreign is not None:
        assert problems(foreign, "ACME_API_KEY") == ["key-leaves"]
        assert problems(foreign, MAKERS[prefix].variables[0]) == []


def test_the_configuration_says_whose_key_stands_in(written: Any, tmp_path: Path) -> None:
    _, text = written(write(tmp_path / "w.yaml", single()))
    assert "# Set OPEN_MODEL_HOSTING_API_KEY: where it is not set LiteLLM sends HOSTED_VLLM_API_KEY" in text


def test_a_server_without_a_key_is_sent_none(written: Any, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway.yaml"
    gateway.write_text(
        f"{HEAD}  azure: {{prefix: hosted_vllm, api_base: 'https://acme.example/v1'}}\n", encoding="utf-8"
    )
    path = write(tmp_path / "w.yaml", single(proposal={**GPT_4O, "provider": "azure"}))
    config, text = written(path, "--gateway", gateway)
    assert config["model_list"][0]["litellm_params"]["api_key"] == "none"
    assert "Set none" not in text

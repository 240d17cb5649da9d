"""`GET /v1/policy`, `/v1/rules`, `/v1/catalog`: the documents of the command line, with tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from policy_engine.loading.policy import load_policy
from tests.serving import Server, serving
from tests.unit.served.reading import decide_all, told

Capture = pytest.CaptureFixture[str]
LAYER = "parameters:\n  attestation_days: {value: 60}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('in_force') / 'ledger.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client(server.token("read")) as found:
        yield found


def without_places(value: Any) -> Any:
    """Return a document without the files of this machine, of which the server says no more than the end."""
    if isinstance(value, dict):
        return {name: without_places(each) for name, each in value.items() if name != "place"}
    return [without_places(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/v1/rules", "rules list"),
        ("/v1/rules?topic=data-residency&effect=forbid", "rules list --topic data-residency --effect forbid"),
        ("/v1/rules/high-api-spend-favours-self-hosting", "rules show high-api-spend-favours-self-hosting"),
        ("/v1/catalog/models", "catalog list"),
        ("/v1/catalog/models?open_licence=true&context=32000&min_score=mmlu%3D80&fits=A100%2080GB:2&at=2026-03-01",
         "catalog list --open-licence --context 32000 --min-score mmlu=80 --at 2026-03-01"),
        ("/v1/catalog/models?commercial_use=allowed&commercial_use=review&modality=text&sort=price&known_only=true",
         "catalog list --commercial-use allowed --commercial-use review --modality text --sort price --known-only"),
        ("/v1/catalog/models/gpt-4o", "catalog show gpt-4o"),
        ("/v1/catalog/compare?model=gpt-4o&model=llama-3.1-70b&gpu=A100%2080GB&count=2",
         "catalog compare gpt-4o llama-3.1-70b --count 2"),
        ("/v1/catalog/compare?open_against_closed=true", "catalog compare --open-against-closed"),
        ("/v1/catalog/disputes", "catalog disputes"),
        ("/v1/catalog/disputes?id=DISPUTE-07&at=2026-03-01", "catalog disputes DISPUTE-07 --at 2026-03-01"),
    ],
)  # fmt: skip
def test_it_is_the_document_of_the_command(client: httpx.Client, path: str, command: str, capfd: Capture) -> None:
    words = command.split()
    words += ["--fits", "A100 80GB:2"] if "fits=" in path else []
    words += ["--gpu", "A100 80GB"] if "gpu=" in path else []
    served = client.get(path)
    assert served.status_code == 200, served.text
    assert without_places(served.json()) == without_places(told(capfd, *words))
    assert str(Path(__file__).parents[3]) not in served.text


def test_what_a_client_has_is_not_sent_again(client: httpx.Client) -> None:
    paths = ("/v1/policy", "/v1/rules", "/v1/rules?topic=data-residency", "/v1/catalog/models", "/v1/catalog/disputes")
    tags = {}
    for path in paths:
        first = client.get(path)
        tags[path] = first.headers["etag"]
        for known in (tags[path], f'"other", {tags[path]}', tags[path].removeprefix("W/"), "*"):
            again = client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), (path, known)
            assert again.headers["etag"] == tags[path]
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        assert client.get(path, headers={"Accept": "application/yaml"}).headers["etag"] != tags[path]
    for path in ("/v1/rules/no-such", "/v1/catalog/models/no-such"):
        assert client.get(path, headers={"If-None-Match": "*"}).status_code == 404
    assert len(set(tags.values())) == len(paths)
    assert client.get("/v1/catalog/models?at=2026-03-01").headers["etag"] != tags["/v1/catalog/models"]


def test_the_policy_in_force_with_digests_and_since_when_it_decides(server: Server, client: httpx.Client) -> None:
    policy = load_policy()
    before = client.get("/v1/policy").json()
    assert (before["policy"], before["catalog"]) == (policy.digest, policy.catalog.digest)
    assert before["first_decision"] is None
    assert before["parameters"]["attestation_days"]["value"] == policy.rules.values["attestation_days"]
    with server.client(server.token("decide")) as other:
        first = decide_all(other)[0]["ledger"]
    after = client.get("/v1/policy")
    assert after.json()["first_decision"] == {name: first[name] for name in ("index", "recorded_at")}
    with server.client(server.token("decide")) as other:
        assert other.get("/v1/policy").json() == after.json()


@pytest.mark.parametrize(
    ("path", "status", "help_"),
    [
        ("/v1/rules/high-api-spend-favours-self-hostin", 404, "did you mean `high-api-spend-favours-self-hosting`?"),
        ("/v1/catalog/models/gpt-44", 404, None),
        ("/v1/catalog/models/a/b/c", 404, None),
        ("/v1/rules?topic=data-residence", 400, "did you mean `data-residency`?"),
        ("/v1/rules?effect=forbids", 400, None),
        (
            "/v1/catalog/compare?model=gpt-4o",
            400,
            "name another one, or ask for the two fields with open_against_closed alone",
        ),
        ("/v1/catalog/compare?model=gpt-4o&model=gpt-4o", 400, None),
        ("/v1/catalog/models?min_score=mmlu", 400, "write min_score mmlu=85"),
        ("/v1/catalog/models?sort=age", 400, None),
        ("/v1/catalog/models?concurrency=3", 400, None),
        ("/v1/catalog/disputes?id=DISPUTE-99", 400, None),
        ("/v1/policy?digest=1", 400, "this path takes none"),
    ],
)
def test_what_is_not_there_or_is_wrong_is_said(client: httpx.Client, path: str, status: int, help_: str | None) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert help_ is None or answer.json()["help"] == help_


def test_rules_and_cases_that_have_changed_on_disk_are_not_passed_off(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    parameters = layer / "parameters.yaml"
    parameters.write_text(LAYER, encoding="utf-8")
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", layers=(layer,)) as server, server.client() as client:
        shown = client.get("/v1/policy").json()
        found = shown["parameters"]["attestation_days"]
        assert (found["value"], found["layer"], len(shown["layers"])) == (60, "layer", 2)
        parameters.write_text(LAYER.replace("60", "61"), encoding="utf-8")
        rule = client.get("/v1/rules/high-api-spend-favours-self-hosting").json()
        assert rule["cases"] is None
        parameters.write_text(LAYER, encoding="utf-8")
        assert client.get("/v1/rules/high-api-spend-favours-self-hosting").json()["cases"]

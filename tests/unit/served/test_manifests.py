"""The compose file and the manifests: least rights everywhere, no secret in them, and what they name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from policy_engine.cli.main import command

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def objects(kind: str) -> list[dict[str, Any]]:
    found = [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return [each for each in found if each["kind"] == kind]


def pods() -> list[dict[str, Any]]:
    return [each["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for each in objects(kind)]


def test_the_compose_file_is_one() -> None:
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_secret_stands_in_a_file() -> None:
    assert not objects("Secret")
    for path in [DEPLOY / "compose.yaml", DEPLOY / "secrets.sh", *MANIFESTS]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"://[^/\s@]+:[^/\s@]+@", text), "a password in a URL"
        for line in text.splitlines():
            if not line.lstrip().startswith("#") and (found := re.search(r"(?i)password\"?[:=]\s*(\S+)", line)):
                assert re.fullmatch(r"/run/secrets/\S+|\{file:|\"?\$\(cat|:'password';|:'password'", found[1]), line
    ignored = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "check-ignore", "-q", "deploy/secrets/ledger.key"],
        cwd=ROOT,
        check=False,
    )
    assert ignored.returncode == 0


def test_services_have_no_more_rights_than_they_need() -> None:
    services = compose()["services"]
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged")
        for published in service.get("ports", []):
            assert published.startswith("127.0.0.1:")
        if name != "database":
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert service["user"] == "10001:10001"
    assert services["server"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert compose()["networks"]["ledger"]["internal"]


def test_exports_have_room_that_is_not_memory() -> None:
    """Where the state is in no volume it is under /tmp, which is memory in a container, and too small."""
    server = compose()["services"]["server"]
    (deployment,) = objects("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volumes = dict(volume.split(":")[:2][::-1] for volume in server["volumes"])
    assert volumes["/state"] in compose()["volumes"]
    assert not any(mount.startswith("/state") for mount in server["tmpfs"])
    (name,) = [each["name"] for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == "/state"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == name]
    assert volume["emptyDir"].get("medium") is None
    for words in (server["command"], pod["containers"][0]["args"]):
        assert words[words.index("--state") + 1].startswith("/state/")
    # a new volume has the owner of the image's folder: without one it is root's, and the server writes nothing
    (made,) = [line for line in (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines() if "chown" in line]
    assert re.search(r"chown 10001:10001 .*(?<=\s)/state\b", made)


def test_the_database_is_utf_8_whatever_the_locale_of_its_image() -> None:
    assert "--encoding=UTF8" in compose()["services"]["database"]["environment"]["POSTGRES_INITDB_ARGS"].split()


def test_secrets_that_services_name_are_made() -> None:
    declared = compose()["secrets"]
    made = (DEPLOY / "secrets.sh").read_text(encoding="utf-8")
    for service in compose()["services"].values():
        assert set(service.get("secrets", [])) <= set(declared)
    for name in declared:
        role, _, rest = name.partition("-" if name.endswith("password") else ".")
        # the keys are the ledger's own to make
        assert rest.startswith("key") or (role in made and rest in made), name


@pytest.mark.skipif(os.name != "posix", reason="it makes files with modes")
def test_secrets_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    script = (DEPLOY / "secrets.sh").read_text(encoding="utf-8")
    here = tmp_path / "secrets.sh"
    # whoever runs the tests may not give files away
    here.write_text(re.sub(r"(?m)^chown ", ": chown ", script), encoding="utf-8")
    subprocess.run(["sh", here], check=True)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(first) == {f"{n}-password" for n in ("owner", "server", "auditor")} | {"owner.pgpass", "server.pgpass"}
    assert len({value for name, value in first.items() if name.endswith("password")}) == 3
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for name, value in first.items() if name.endswith("password"))
    assert first["server.pgpass"] == f"database:5432:policy:policy_server:{first['server-password']}\n"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    subprocess.run(["sh", here], check=True)
    assert first == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_pods_keep_to_the_restricted_standard() -> None:
    (namespace,) = objects("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(pods()) == 2
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = container["securityContext"]
            assert context == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert container["resources"]["limits"]["memory"]
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted <= {volume["name"] for volume in pod["volumes"]}


def test_passwords_come_in_files_that_their_pod_has_and_that_libpq_takes() -> None:
    for pod in pods():
        (keys,) = pod["initContainers"]
        install, mode, permissions, *files, target = keys["command"]
        assert (install, mode, permissions, target) == ("install", "-m", "0400", "/keys/")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        secret = volumes["secret"]
        sources = [each["secret"] for each in secret["projected"]["sources"]] if "projected" in secret else []
        named = [each.get("name") for each in sources] or [secret["secret"]["secretName"]]
        items = {item["path"] for each in sources or [secret["secret"]] for item in each.get("items", [])}
        assert {file.removeprefix("/secret/") for file in files} - items <= {"ledger.key", "ledger.key.personal"}
        (container,) = pod["containers"]
        variables = {each["name"]: each.get("value") for each in container["env"]}
        assert "PGPASSWORD" not in variables
        assert variables["PGPASSFILE"] is not None
        assert variables["PGPASSFILE"].removeprefix("/keys/") in items
        text = (DEPLOY / "README.md").read_text(encoding="utf-8")
        assert all(f"create secret generic {name} " in text for name in named)
        assert all(f"--from-file={item}" in text for item in items)


def test_the_server_is_probed_where_it_answers_and_stopped_in_its_time() -> None:
    (deployment,) = objects("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    paths = {name: server[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    from policy_engine.serving.run import STOP_SECONDS

    pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    for given in (
        pod["terminationGracePeriodSeconds"] - pause,
        int(compose()["services"]["server"]["stop_grace_period"].removesuffix("s")),
    ):
        assert given >= STOP_SECONDS + 5, "the supervisor, too, needs a moment to end"
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    for kind, at in (("Service", ("selector",)), ("PodDisruptionBudget", ("selector", "matchLabels"))):
        (found,) = objects(kind)
        value = found["spec"]
        for step in at:
            value = value[step]
        assert value == selector


def test_what_servers_are_started_with_is_what_the_command_takes() -> None:
    (deployment,) = objects("Deployment")
    known = CliRunner().invoke(command, ["serve", "--help"]).output
    started = [
        deployment["spec"]["template"]["spec"]["containers"][0]["args"],
        compose()["services"]["server"]["command"],
    ]
    for words in started:
        assert words[0] == "serve"
        for option in (word for word in words if word.startswith("--")):
            assert option in known


def test_every_manifest_is_listed() -> None:
    text = (DEPLOY / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8")
    for path in MANIFESTS:
        assert f"- {path.name}" in text
    assert set(yaml.safe_load(text)["resources"]) <= {path.name for path in MANIFESTS}

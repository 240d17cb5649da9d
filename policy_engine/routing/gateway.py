"""Which provider of the catalog is which to LiteLLM, and where it is reached: the shipped table, and a file over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.errors import InputError, Problem
from policy_engine.loading.reader import Reader
from policy_engine.loading.yaml_source import load_yaml, read_bytes

_SHIPPED = Path(__file__).with_name("litellm.yaml")
_KEYS = ("prefix", "api_key", "api_base", "regions", "models", "public_address")
#: LiteLLM sends what these are to get to OpenAI, where nobody says where they are.
_COMPATIBLE = ("hosted_vllm", "vllm", "custom_openai", "openai_like", "lm_studio", "llamafile")
_PREFIX, _VARIABLE = re.compile(r"[a-z0-9][a-z0-9_-]*\Z"), re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Endpoint(Struct, frozen=True):
    """How a provider is reached; `public_address` where LiteLLM knows an address of it, and that is the right one."""

    prefix: str | None = None
    api_key: str | None = None
    api_base: str | None = None
    regions: Mapping[str, str] = {}
    models: Mapping[str, str] = {}
    public_address: bool | None = None


def read_gateway(file: Path | None) -> Mapping[str, Endpoint]:
    """Return the endpoints by the catalog's names of providers, and `self_hosted`; `file` is laid over what is shipped.

    Raises:
        InputError: the file cannot be read, or is no such table; with every problem and its place.
    """
    found = _read(_SHIPPED, {})
    if file is None:
        return found
    for name, given in _read(file, found).items():
        old = found.get(name, Endpoint())
        told = {key: getattr(given, key) for key in ("prefix", "api_key", "api_base", "public_address")}
        if given.prefix not in (None, old.prefix) and given.public_address is None:
            told["public_address"] = False  # what was said of the address was said of another provider
        found[name] = replace(
            old,
            **{key: value for key, value in told.items() if value is not None},
            regions={**old.regions, **given.regions},
            models={**old.models, **given.models},
        )
    return found


def _read(file: Path, beneath: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    documents = load_yaml(read_bytes(file), str(file))
    problems: list[Problem] = []
    if len(documents) > 1:
        problems.append(Problem("several-documents", "a gateway file is one document", documents[1].span()))
    top = Reader(documents[0], problems)
    top.only(("apiVersion", "kind", "providers"))
    if top.text("kind", required=True) not in (None, "Gateway"):
        top.problem("wrong-kind", "`kind` must be `Gateway` here", "kind")
    if top.text("apiVersion", required=True) not in (None, "policy-engine/v1"):
        top.problem("wrong-kind", "`apiVersion` must be `policy-engine/v1` here", "apiVersion")
    providers = top.mapping("providers")
    found = {
        name: _endpoint(Reader(documents[0], problems, ("providers", name)), beneath.get(name)) for name in providers
    }
    if problems:
        raise InputError(problems)
    return found


def _endpoint(reader: Reader, beneath: Endpoint | None) -> Endpoint:
    reader.only(_KEYS)
    prefix, key, base = (reader.text(each) for each in ("prefix", "api_key", "api_base"))
    if prefix is not None and not _PREFIX.match(prefix):
        help_ = "it is LiteLLM's name of the provider, such as `openai` or `hosted_vllm`"
        reader.problem("wrong-prefix", f"`{prefix}` is no name of a provider", "prefix", help_=help_)
    if key is not None and not _VARIABLE.match(key):
        # never quoted: it may be a key that somebody put here
        help_ = "name the variable, such as OPENAI_API_KEY; a key itself does not belong into a file"
        reader.problem("wrong-variable", "`api_key` is no name of an environment variable", "api_key", help_=help_)
    regions, models = _texts(reader, "regions"), _texts(reader, "models")
    for path, url in ((("api_base",), base), *((("regions", each), url) for each, url in regions.items())):
        if url is not None and not _is_address(url):
            message = f"`{path[-1]}` is no address that begins with https or http"
            help_ = "an address is written out here: of a variable that is not set LiteLLM makes its own address"
            reader.problem("wrong-address", message, *path, help_=help_)
    public = reader.flag("public_address") if "public_address" in reader.value else None
    software = prefix or (beneath.prefix if beneath is not None else None)
    if public and software in _COMPATIBLE:
        message = f"`{software}` is software that anybody runs, and has no public address"
        reader.problem("wrong-address", message, "public_address", help_="say where it is: `api_base`")
    return Endpoint(prefix, key, base, regions, models, public)


def _texts(reader: Reader, key: str) -> dict[str, str]:
    found = {}
    for name, value in reader.mapping(key).items():
        if isinstance(value, str) and value.strip():
            found[name] = value
        else:
            reader.problem("wrong-type", f"`{name}` must be a string", key, name)
    return found


def _is_address(url: str) -> bool:
    """Whether it is an HTTP address with a host and neither a user nor a password in it, in plain characters."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc

"""Which provider of the catalog is which to LiteLLM, and where it is reached: the shipped table, and a file over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from policy_engine.errors import InputError, Problem
from policy_engine.loading.reader import Reader
from policy_engine.loading.yaml_source import load_yaml, read_bytes

_SHIPPED = Path(__file__).with_name("litellm.yaml")
_KEYS = ("prefix", "api_key", "api_base", "address_region", "regions", "models")
#: Servers whose interface is OpenAI's, under `/v1`.
OPENAI_LIKE = ("openai", "hosted_vllm", "llamafile", "lm_studio")
#: Where the variable of a key is not set, LiteLLM takes the maker's key for these, wherever the address leads.
_MAKERS = {
    "openai": ("OPENAI_API_KEY", "openai.com"),
    "anthropic": ("ANTHROPIC_API_KEY", "anthropic.com"),
    "gemini": ("GEMINI_API_KEY", "googleapis.com"),
}
#: To these it sends no key of another provider's then. To most of the others it sends OpenAI's.
KEEPS_KEYS = (
    "hosted_vllm", "llamafile", "lm_studio", "azure", "azure_ai", "bedrock", "cohere", "cohere_chat", "databricks",
    "deepseek", "fireworks_ai", "groq", "mistral", "openrouter", "ovhcloud", "snowflake", "together_ai", "vertex_ai",
    "watsonx", "xai",
)  # fmt: skip
_PREFIX, _VARIABLE = re.compile(r"[a-z0-9][a-z0-9_-]*\Z"), re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Endpoint(Struct, frozen=True):
    """How a provider is reached: at `api_base`, which is in `address_region`, or in a region at that of `regions`."""

    prefix: str | None = None
    api_key: str | None = None
    api_base: str | None = None
    address_region: str | None = None
    regions: Mapping[str, str] = {}
    models: Mapping[str, str] = {}


def read_gateway(file: Path | None) -> Mapping[str, Endpoint]:
    """Return the endpoints by the catalog's names of providers, and `self_hosted`; `file` is laid over what is shipped.

    Raises:
        InputError: the file cannot be read, or is no such table; with every problem and its place.
    """
    found = _read(_SHIPPED, {})
    return found if file is None else {**found, **_read(file, found)}


def _laid_over(old: Endpoint, given: Endpoint) -> Endpoint:
    """Return what is given over what was said of the same provider; of an address its region is said with it."""
    if given.prefix not in (None, old.prefix):
        return given  # all that was said was said of another provider: its key is not for this one
    region = given.address_region or (old.address_region if given.api_base is None else None)
    return Endpoint(
        old.prefix,
        given.api_key or old.api_key,
        given.api_base or old.api_base,
        region,
        {**old.regions, **given.regions},
        {**old.models, **given.models},
    )


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
        name: _endpoint(Reader(documents[0], problems, ("providers", name)), beneath.get(name, Endpoint()))
        for name in providers
    }
    if problems:
        raise InputError(problems)
    return found


def _endpoint(reader: Reader, beneath: Endpoint) -> Endpoint:
    reader.only(_KEYS)
    prefix, key, base, region = (reader.text(each) for each in ("prefix", "api_key", "api_base", "address_region"))
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
    given = Endpoint(prefix, key, base, region, regions, models)
    _check_keys(reader, beneath, given)
    return _laid_over(beneath, given)


def _check_keys(reader: Reader, beneath: Endpoint, given: Endpoint) -> None:
    """Report a key that would be sent to somebody whose it is not."""
    prefix = given.prefix
    if beneath.prefix is not None and prefix not in (None, beneath.prefix) and given.api_key is None:
        help_ = f"the key that was named is for `{beneath.prefix}`: name the variable of this one, `api_key`"
        reader.problem("no-key", f"`{prefix}` is another provider than `{beneath.prefix}`", "prefix", help_=help_)
        return
    found = _laid_over(beneath, given)
    if found.prefix is not None and _may_send_keys(found):
        message = f"where its key's variable is not set LiteLLM may send another's key to what is `{found.prefix}`"
        help_ = "for a server with OpenAI's interface say `prefix: hosted_vllm`, which does not"
        reader.problem("key-leaves", message, *(("prefix",) if prefix is not None else ()), help_=help_)


def _may_send_keys(endpoint: Endpoint) -> bool:
    """Whether LiteLLM would send a key there that the table does not name, where the one that it names is not set."""
    if endpoint.prefix in KEEPS_KEYS:
        return False
    key, domain = _MAKERS.get(endpoint.prefix or "", _MAKERS["openai"])
    if endpoint.api_key == key:
        return False  # it is named, and so meant to go there
    addresses = [each for each in (endpoint.api_base, *endpoint.regions.values()) if each is not None]
    hosts = [urlsplit(each).hostname for each in addresses if _is_address(each)]
    return endpoint.prefix not in _MAKERS or not all(f".{each}".endswith(f".{domain}") for each in hosts)


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

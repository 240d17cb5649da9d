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
#: Servers of nobody's own, wherever they are: the variable whose key LiteLLM sends them where the leg's own is not set.
SERVERS = {"hosted_vllm": "HOSTED_VLLM_API_KEY", "llamafile": "LLAMAFILE_API_KEY", "lm_studio": "LM_STUDIO_API_KEY"}


class _Maker(Struct, frozen=True):
    """The variables whose keys LiteLLM sends where the leg's own is not set, and the hosts that these are for.

    A host is an expression, and stands for what is beneath it: no names under which the maker's customers have hosts.
    """

    variables: tuple[str, ...]
    hosts: tuple[str, ...]


_AZURE = (r"(openai|cognitiveservices|services\.ai|inference\.ai|models\.ai)\.azure\.com",)
_COHERE = _Maker(("COHERE_API_KEY", "CO_API_KEY"), (r"cohere\.(com|ai)",))
#: To others than these LiteLLM sends OpenAI's key then.
MAKERS = {
    "openai": _Maker(("OPENAI_API_KEY",), (r"openai\.com",)),
    "anthropic": _Maker(("ANTHROPIC_API_KEY",), (r"anthropic\.com",)),
    "gemini": _Maker(("GEMINI_API_KEY", "GOOGLE_API_KEY"), (r"googleapis\.com",)),
    "vertex_ai": _Maker((), (r"googleapis\.com",)),  # it sends a token of the account that it runs under
    "azure": _Maker(("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"), _AZURE),
    "azure_ai": _Maker(("AZURE_AI_API_KEY",), _AZURE),
    "bedrock": _Maker(
        ("AWS_BEARER_TOKEN_BEDROCK",), (r"bedrock-runtime(-fips)?\.[a-z]+(-[a-z]+)+-\d\.amazonaws\.com",)
    ),
    "cohere": _COHERE,
    "cohere_chat": _COHERE,
    "databricks": _Maker(("DATABRICKS_API_KEY",), (r"databricks\.com", r"azuredatabricks\.net")),
    "deepseek": _Maker(("DEEPSEEK_API_KEY",), (r"deepseek\.com",)),
    "fireworks_ai": _Maker(
        ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"), (r"fireworks\.ai",)
    ),
    "groq": _Maker(("GROQ_API_KEY",), (r"groq\.com",)),
    "mistral": _Maker(("MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"), (r"mistral\.ai",)),
    "openrouter": _Maker(("OPENROUTER_API_KEY", "OR_API_KEY"), (r"openrouter\.ai",)),
    "ovhcloud": _Maker(("OVHCLOUD_API_KEY",), (r"ai\.cloud\.ovh\.net",)),
    "snowflake": _Maker(("SNOWFLAKE_JWT",), (r"snowflakecomputing\.com",)),
    "together_ai": _Maker(
        ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
        (r"together\.(xyz|ai)",),
    ),
    "watsonx": _Maker(("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"), (r"ml\.cloud\.ibm\.com",)),
    "xai": _Maker(("XAI_API_KEY",), (r"x\.ai",)),
}
_HOST = re.compile(r"[a-z0-9._-]+\Z|[0-9a-f:.]+\Z")
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
        message = f"where its key's variable is not set LiteLLM may send another key to what is `{found.prefix}`"
        help_ = "name the variable that LiteLLM takes for it, `api_key`; or for a server with OpenAI's interface "
        help_ += f"say `prefix: hosted_vllm`, where that is {SERVERS['hosted_vllm']}"
        reader.problem("key-leaves", message, *(("prefix",) if prefix is not None else ()), help_=help_)


def _may_send_keys(endpoint: Endpoint) -> bool:
    """Whether LiteLLM would send a key there that the table does not name, where the one that it names is not set."""
    if endpoint.prefix in SERVERS:
        return False  # theirs is for such servers, and the configuration names it
    maker = MAKERS.get(endpoint.prefix or "")
    if endpoint.api_key in (maker or MAKERS["openai"]).variables:
        return False  # it is named, and so meant to go there
    addresses = [each for each in (endpoint.api_base, *endpoint.regions.values()) if each is not None]
    hosts = [urlsplit(each).hostname or "" for each in addresses if _is_address(each)]
    return maker is None or not all(
        any(re.fullmatch(rf"(.+\.)?({own})", host) for own in maker.hosts) for host in hosts
    )


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
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(_HOST.match(host or "")) and "@" not in parts.netloc

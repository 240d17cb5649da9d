"""Which name of a source stands for what in the catalog: by hand, name by name, and never by likeness.

A wrong price is worse than none. Left out is what has a name alone in common with a model of the catalog: a later
checkpoint, a distillation, an alias that its vendor moves on ("-latest" of a family that went on), a size not said.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from policy_engine.pricing import genai, litellm_file

Names = Mapping[str, str]
_AWS = {
    "meta.llama3-8b-instruct-v1:0": "llama-3-8b",
    "meta.llama3-70b-instruct-v1:0": "llama-3-70b",
    "meta.llama3-1-8b-instruct-v1:0": "llama-3.1-8b",
    "meta.llama3-1-70b-instruct-v1:0": "llama-3.1-70b",
    "meta.llama3-1-405b-instruct-v1:0": "llama-3.1-405b",
    "meta.llama3-3-70b-instruct-v1:0": "llama-3.3-70b",
    "mistral.mixtral-8x7b-instruct-v0:1": "mixtral-8x7b",
    "google.gemma-3-27b-it": "gemma-3-27b",
    "deepseek.r1-v1:0": "deepseek-r1",
    "deepseek.v3.2": "deepseek-v3.2",
}
_TOGETHER = {
    "meta-llama/Llama-3-8b-chat-hf": "llama-3-8b",
    "meta-llama/Llama-3-70b-chat-hf": "llama-3-70b",
    "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo": "llama-3.1-8b",
    "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo": "llama-3.1-70b",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo": "llama-3.1-405b",
    "meta-llama/Llama-3.3-70B-Instruct-Turbo": "llama-3.3-70b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
}
_GROQ = {
    "llama3-8b-8192": "llama-3-8b",
    "llama3-70b-8192": "llama-3-70b",
    "llama-3.1-8b-instant": "llama-3.1-8b",
    "llama-3.1-70b-versatile": "llama-3.1-70b",
    "llama-3.3-70b-versatile": "llama-3.3-70b",
    "mixtral-8x7b-32768": "mixtral-8x7b",
    "gemma2-9b-it": "gemma-2-9b",
}
_CEREBRAS = {"llama3.1-8b": "llama-3.1-8b", "llama-3.3-70b": "llama-3.3-70b"}
_DEEPINFRA = {
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama-3-8b",
    "meta-llama/Meta-Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "meta-llama/Meta-Llama-3.1-70B-Instruct": "llama-3.1-70b",
    "meta-llama/Llama-3.3-70B-Instruct": "llama-3.3-70b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b",
    "Qwen/Qwen3-14B": "qwen3-14b",
    "Qwen/Qwen3-30B-A3B": "qwen3-30b-a3b",
    "google/gemma-3-27b-it": "gemma-3-27b",
    "deepseek-ai/DeepSeek-R1": "deepseek-r1",
    "deepseek-ai/DeepSeek-V3": "deepseek-v3",
    "deepseek-ai/DeepSeek-V3.2": "deepseek-v3.2",
}
_AZURE = {each: each for each in ("gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "o1", "o3")}


class Seller(Struct, frozen=True):
    """A provider: its name in the catalog, what it is on, and by which names a source knows it and its models.

    `own` are the beginnings of the names of its own models with closed weights, None where it has none; names in
    `foreign` begin like them, and are others. `names` has the model of the catalog by the source's name of it.
    """

    key: str
    title: str
    option: str
    names: Mapping[str, Names]
    own: tuple[str, ...] | None = None
    foreign: tuple[str, ...] = ()


def _host(key: str, title: str, **names: Names) -> Seller:
    return Seller(key, title, "open_api", {source.replace("_", "-"): each for source, each in names.items()})


#: What speaks of other things than text, as words of a name: its price for text is no price of the work.
OTHER_WORK = frozenset(
    "audio dall embed embedding image live moderation nano ocr omni realtime robotics search sora streaming transcribe"
    " translate tts veo vision voice whisper".split()
)
OPENAI, ANTHROPIC = "openai", "anthropic"
SELLERS: Mapping[str, Seller] = {
    each.key: each
    for each in (
        Seller(
            OPENAI,
            "OpenAI",
            "proprietary_api",
            {genai.NAME: {}, litellm_file.NAME: {}},
            own=("gpt-", "o1", "o3", "o4", "chatgpt-"),
            foreign=("gpt-oss",),
        ),
        Seller(
            ANTHROPIC,
            "Anthropic",
            "proprietary_api",
            {
                genai.NAME: {
                    "claude-3-5-sonnet": "claude-3.5-sonnet",
                    "claude-3-5-haiku-latest": "claude-3.5-haiku",
                    "claude-3-opus-latest": "claude-3-opus",
                },
                litellm_file.NAME: {
                    "claude-3-5-sonnet-20241022": "claude-3.5-sonnet",
                    "claude-3-5-haiku-20241022": "claude-3.5-haiku",
                    "claude-3-opus-20240229": "claude-3-opus",
                },
            },
            own=("claude-",),
        ),
        # "gemini-pro" and "gemini-2.0" of the catalog are of no version that a source prices
        Seller(
            "google",
            "Google",
            "proprietary_api",
            {genai.NAME: {}, litellm_file.NAME: {}},
            own=("gemini-",),
            foreign=("gemini-pro", "gemini-2.0-pro", "gemini-ultra"),
        ),
        # the weights of Grok 1 and 2 are open
        Seller(
            "x-ai",
            "xAI",
            "proprietary_api",
            {genai.NAME: {}, litellm_file.NAME: {}},
            own=("grok-",),
            foreign=("grok-1", "grok-2"),
        ),
        Seller("azure", "Microsoft Azure", "proprietary_api", {litellm_file.NAME: _AZURE}),
        Seller("azure-eu", "Microsoft Azure, data zone EU", "proprietary_api", {litellm_file.NAME: _AZURE}),
        Seller("azure-us", "Microsoft Azure, data zone US", "proprietary_api", {litellm_file.NAME: _AZURE}),
        _host("aws", "AWS Bedrock", genai_prices=_AWS, litellm=_AWS),
        _host("groq", "Groq", genai_prices=_GROQ, litellm=_GROQ),
        _host("together", "Together AI", genai_prices=_TOGETHER, litellm=_TOGETHER),
        _host("cerebras", "Cerebras", genai_prices=_CEREBRAS, litellm=_CEREBRAS),
        _host("deepinfra", "DeepInfra", litellm=_DEEPINFRA),
        _host("deepseek", "DeepSeek", genai_prices={"deepseek-v3.2": "deepseek-v3.2"}, litellm={}),
        _host(
            "fireworks",
            "Fireworks AI",
            genai_prices={"llama-v3p1-8b-instruct": "llama-3.1-8b", "gemma-3-27b-it": "gemma-3-27b"},
            litellm={
                "accounts/fireworks/models/llama-v3p1-8b-instruct": "llama-3.1-8b",
                "accounts/fireworks/models/llama-v3p1-405b-instruct": "llama-3.1-405b",
            },
        ),
    )
}
#: A source's name of a provider, where it is not the catalog's.
_OTHERWISE = {
    "gemini": "google",
    "xai": "x-ai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "bedrock": "aws",
    "azure/eu": "azure-eu",
    "azure/us": "azure-us",
}


def seller_of(source: str, provider: str) -> tuple[str, Seller] | None:
    """Return the catalog's key of a source's `provider`, and who it is; None where the table has it not for `source`.

    Each region of Bedrock is a provider of its own: it has prices of its own, and residency is asked by provider.
    """
    base, _, region = provider.partition("/")
    if base == "bedrock" and region:
        found = SELLERS["aws"]
        return (f"aws-{region}", found) if source in found.names else None
    key = _OTHERWISE.get(provider, provider)
    seller = SELLERS.get(key)
    return (key, seller) if seller is not None and source in seller.names else None


def is_own(seller: Seller, name: str) -> bool:
    """Tell whether `name` is a model with closed weights that the seller itself makes."""
    return seller.own is not None and name.startswith(seller.own) and not name.startswith(seller.foreign or ("\0",))

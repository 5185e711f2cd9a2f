"""
What tokens cost: what the service says, or else the price list of ``genai-prices``.

The list comes with the package, so nothing is fetched. It takes half a second to load
and is loaded when it is first asked. What is not in it has no price: unknown, not free.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from .errors import PluginError

if TYPE_CHECKING:
    from .contracts.chat import Usage


class Priced(Protocol):
    """What tells its tokens and its model: a reply, embeddings, pictures."""

    @property
    def usage(self) -> Usage | None:
        """The tokens, None if nobody told."""
        ...

    @property
    def model(self) -> str:
        """The model that answered."""
        ...


LIST = "genai_prices"
DIGITS = 12
SAME_API = "-compatible"
"""How the name ends of a provider for any server that speaks another one's API."""


def cost(reply: Priced, provider: str) -> Decimal | None:
    """
    Return what *reply* of *provider* cost in US dollars, or None if that is unknown.

    Raises:
        PluginError: The service does not say, and there is no price list.

    """
    if reply.usage is not None and reply.usage.cost is not None:
        return price(reply.usage, provider, reply.model)
    need_list()
    if reply.usage is None:
        return None
    return price(reply.usage, provider, reply.model)


def need_list() -> None:
    """
    Do nothing where there is a price list.

    Raises:
        PluginError: There is none.

    """
    if find_spec(LIST) is None:
        msg = "There is no price list. Install it: pip install 'pegboard[prices]'"
        raise PluginError(msg)


def price(usage: Usage, provider: str, model: str, calls: int = 1) -> Decimal | None:
    """Return what *calls* of one size that took *usage* cost, None if unknown."""
    if usage.cost is not None:
        return round(Decimal(str(usage.cost)), DIGITS)
    if find_spec(LIST) is None or not model or provider.endswith(SAME_API):
        return None
    import genai_prices  # noqa: PLC0415 - slow, and rarely needed

    read = usage.input + usage.cache_read + usage.cache_write
    of_one = genai_prices.Usage(  # tokens may be dearer in longer calls
        input_tokens=Decimal(read) / calls,
        cache_read_tokens=Decimal(usage.cache_read) / calls,
        cache_write_tokens=Decimal(usage.cache_write) / calls,
        output_tokens=Decimal(usage.output + usage.reasoning) / calls,
    )
    try:
        found = genai_prices.calc_price(of_one, model, provider_id=provider)
    except LookupError:
        return None
    return round(found.total_price * calls, DIGITS)

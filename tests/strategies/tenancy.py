"""Tenants, quotas and budgets."""

from functools import cache

from hypothesis import strategies as st

from tests.strategies import names, quantities
from tests.strategies.draw import Plain

QUOTAS = st.fixed_dictionaries(
    {},
    optional={
        "produce": quantities.BYTE_RATES,
        "consume": quantities.BYTE_RATES,
        "request": quantities.PERCENTS,
        "controllerMutations": quantities.COUNT_RATES,
    },
)

AMPLE_BUDGETS = st.fixed_dictionaries(
    {},
    optional={
        "produce": st.just("8000PiB/s"),
        "consume": st.just("8000PiB/s"),
        "request": st.just("999999999%"),
        "controllerMutations": st.just("999999999999/s"),
    },
)
"""So large that the quotas that we draw never add up to more, as long as each client has one."""


@cache
def tenants() -> st.SearchStrategy[Plain]:
    """A tenant. Each client has a quota that counts against the budget, if only the default of the cluster."""
    optional = {"quota": QUOTAS, "namespaces": st.lists(names.labels(), max_size=2), "budget": AMPLE_BUDGETS}
    return st.fixed_dictionaries({"name": names.labels(), "owner": names.OWNERS}, optional=optional)

"""Tests of the gateway may be coroutines: each gets an event loop of its own, and two minutes."""

import asyncio
import inspect
from collections.abc import Coroutine

import pytest

PATIENCE_S = 120.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    asyncio.run(_bounded(test))
    return True


async def _bounded(test: Coroutine[None, None, None]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await test

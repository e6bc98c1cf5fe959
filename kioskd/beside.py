"""Tasks that run beside a block of code: none without an owner, none outlives it, a crash of one ends the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines while the block runs; leaving cancels them and waits.

    One that crashes cancels the block and is raised as an ExceptionGroup. What the block itself raises leaves as
    itself: TaskGroup alone would wrap it once for each block around it.
    """
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below
            failure = error
        finally:
            for task in tasks:
                task.cancel()
    if failure is not None:
        raise failure

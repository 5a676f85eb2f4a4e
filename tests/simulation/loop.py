"""An event loop with virtual time and processes: a seed decides which process takes the next step.

Callbacks of one process run in the order asyncio promises; the processes interleave at random. A process can be
killed or paused at any await: its callbacks, wherever they were created, are dropped or held back.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any


class Process:
    """What lives and dies as one: a worker, a database, the broker, the outside world."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.queued = False
        self.paused = False
        self.dead = False
        self.context = copy_context()
        self.context.run(PROCESS.set, self)


PROCESS: ContextVar[Process] = ContextVar("PROCESS")


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs ready callbacks, a process at a time chosen by `rng`; when none is left, time jumps to the next timer."""

    def __init__(self, rng: Random) -> None:
        self._random = rng.random
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._runnable: list[Process] = []
        self.errors: list[BaseException] = []
        self.world = Process("world")

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass in which nothing happens."""
        self._now += seconds

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def spawn(self, process: Process, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in a process."""
        return asyncio.Task(coro, loop=self, context=process.context)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asyncio asks for it; a cancelled timer is passed by when it is due."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # What killed processes leave behind is no error; a callback that raises is one of the simulation itself.
        if "callback" in context.get("message", "") and "exception" in context:
            self.errors.append(context["exception"])

    def kill(self, process: Process) -> None:
        """The process takes no further step, ever."""
        process.dead = True

    def pause(self, process: Process) -> None:
        """The process takes no step until it is resumed."""
        process.paused = True

    def resume(self, process: Process) -> None:
        """The process goes on where it was; all that came meanwhile waits for it."""
        process.paused = False
        self._queue(process)

    def _enqueue(self, handle: asyncio.Handle) -> None:
        process = handle._context[PROCESS]
        # Kept for the dead too: freed at once, a coroutine would run its `finally` here and now.
        process.ready.append(handle)
        self._queue(process)

    def _queue(self, process: Process) -> None:
        if process.ready and not (process.queued or process.paused or process.dead):
            process.queued = True
            self._runnable.append(process)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run `main` in the world's process to its end. Raises what it raises, and what callbacks raise."""
        asyncio._set_running_loop(self)
        try:
            task = self.spawn(self.world, main)
            while not task.done() and not self.errors:
                self._step()
            if self.errors:
                raise self.errors[0]
            task.result()
        finally:
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        runnable = self._runnable
        if not runnable:
            self._fire_timers()
            return
        index = int(self._random() * len(runnable))
        process = runnable[index]
        if process.paused or process.dead or not process.ready:
            process.queued = False
            runnable[index] = runnable[-1]
            runnable.pop()
            return
        handle = process.ready.popleft()
        if not handle._cancelled:
            handle._run()

    def _fire_timers(self) -> None:
        if not self._timers:
            raise RuntimeError("nothing is left that could happen")
        self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            handle = heapq.heappop(self._timers)[2]
            if not handle._cancelled:
                self._enqueue(handle)

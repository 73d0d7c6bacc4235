"""The driver: one native function that walks a program's table, and the loop that pool threads run.

A table entry is three words: the kernel's address, its argument block's address, and 1 where the
pool may share the work. A kernel is `void(int64_t *args, int64_t thread, int64_t threads)`. After each
step the driver adds each advance's increment to its word, which is how many steps of training run in
one call. A kernel that writes to the status word ends the walk.

What does not live here: the threads themselves (threads.py), what the words mean (binding.py).
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from functools import cache

import llvmlite.binding as llvm
import numpy as np

POOL_WORDS = 64
SPINS_WORKER = 1 << 11  # looks at the generation word before a worker goes to sleep: some 50 us
SPINS_CALLER = 1 << 10  # looks at the count of finished workers before the caller yields its core
_FUTEX = {"x86_64": 202, "aarch64": 98}

# Pool words, each on a cache line of its own (in units of 8 words):
# 0 busy, 1 generation, 2 finished, 3 kernel, 4 args, 5 workers, 6 stop, 7 sleeping
_IR = """
declare i64 @syscall(i64, ...)
declare i32 @sched_yield()

define void @worker(ptr %pool, i64 %index, i64 %generation) {
start:
  %gen = getelementptr i64, ptr %pool, i64 8
  %finished = getelementptr i64, ptr %pool, i64 16
  %kernel_at = getelementptr i64, ptr %pool, i64 24
  %args_at = getelementptr i64, ptr %pool, i64 32
  %workers_at = getelementptr i64, ptr %pool, i64 40
  %stop = getelementptr i64, ptr %pool, i64 48
  %sleeping = getelementptr i64, ptr %pool, i64 56
  br label %wait
wait:
  %seen = phi i64 [ %generation, %start ], [ %now, %done ], [ %seen, %woken ]
  br label %spin
spin:
  %n = phi i64 [ 0, %wait ], [ %n1, %again ]
  %now = load atomic i64, ptr %gen acquire, align 8
  %changed = icmp ne i64 %now, %seen
  br i1 %changed, label %go, label %again
again:
  PAUSE
  %n1 = add i64 %n, 1
  %more = icmp ult i64 %n1, SPINS_WORKER
  br i1 %more, label %spin, label %sleep
sleep:
  %s0 = atomicrmw add ptr %sleeping, i64 1 seq_cst
  %seen32 = trunc i64 %seen to i32
  %r0 = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %gen, i32 128, i32 %seen32, ptr null, ptr null, i32 0)
  br label %woken
woken:
  %s1 = atomicrmw sub ptr %sleeping, i64 1 seq_cst
  br label %wait
go:
  %stopped = load atomic i64, ptr %stop acquire, align 8
  %leave = icmp ne i64 %stopped, 0
  br i1 %leave, label %out, label %work
work:
  %k = load ptr, ptr %kernel_at, align 8
  %a = load ptr, ptr %args_at, align 8
  %w = load i64, ptr %workers_at, align 8
  %threads = add i64 %w, 1
  call void %k(ptr %a, i64 %index, i64 %threads)
  br label %done
done:
  %f = atomicrmw add ptr %finished, i64 1 seq_cst
  br label %wait
out:
  ret void
}

define void @wake(ptr %pool) {
  %gen = getelementptr i64, ptr %pool, i64 8
  %sleeping = getelementptr i64, ptr %pool, i64 56
  %g = atomicrmw add ptr %gen, i64 1 seq_cst
  %s = load atomic i64, ptr %sleeping seq_cst, align 8
  %any = icmp ne i64 %s, 0
  br i1 %any, label %call, label %out
call:
  %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %gen, i32 129, i32 2147483647, ptr null, ptr null, i32 0)
  br label %out
out:
  ret void
}

define internal void @share(ptr %pool, ptr %k, ptr %a) {
start:
  %finished = getelementptr i64, ptr %pool, i64 16
  %kernel_at = getelementptr i64, ptr %pool, i64 24
  %args_at = getelementptr i64, ptr %pool, i64 32
  %workers_at = getelementptr i64, ptr %pool, i64 40
  store ptr %k, ptr %kernel_at, align 8
  store ptr %a, ptr %args_at, align 8
  store atomic i64 0, ptr %finished seq_cst, align 8
  call void @wake(ptr %pool)
  %w = load i64, ptr %workers_at, align 8
  %threads = add i64 %w, 1
  call void %k(ptr %a, i64 0, i64 %threads)
  br label %look
look:
  %n = phi i64 [ 0, %start ], [ %n1, %pause ], [ %n, %yield ]
  %f = load atomic i64, ptr %finished acquire, align 8
  %all = icmp eq i64 %f, %w
  br i1 %all, label %out, label %not
not:
  %long = icmp uge i64 %n, SPINS_CALLER
  br i1 %long, label %yield, label %pause
pause:
  PAUSE
  %n1 = add i64 %n, 1
  br label %look
yield:
  %y = call i32 @sched_yield()
  br label %look
out:
  ret void
}

define i64 @run(ptr %table, i64 %entries, i64 %steps, ptr %advances, i64 %n_advances, ptr %status, ptr %pool) {
start:
  %busy = getelementptr i64, ptr %pool, i64 0
  %workers_at = getelementptr i64, ptr %pool, i64 40
  %w = load i64, ptr %workers_at, align 8
  %has = icmp ne i64 %w, 0
  br i1 %has, label %try, label %ready
try:
  %pair = cmpxchg ptr %busy, i64 0, i64 1 seq_cst seq_cst
  %mine = extractvalue { i64, i1 } %pair, 1
  br label %ready
ready:
  %own = phi i1 [ false, %start ], [ %mine, %try ]
  br label %step
step:
  %s = phi i64 [ 0, %ready ], [ %s1, %stepped ]
  %live = icmp slt i64 %s, %steps
  br i1 %live, label %entry, label %end
entry:
  %i = phi i64 [ 0, %step ], [ %i1, %checked ]
  %left = icmp slt i64 %i, %entries
  br i1 %left, label %launch, label %move
launch:
  %row = mul i64 %i, 3
  %k_at = getelementptr i64, ptr %table, i64 %row
  %a_at = getelementptr i64, ptr %k_at, i64 1
  %p_at = getelementptr i64, ptr %k_at, i64 2
  %k = load ptr, ptr %k_at, align 8
  %a = load ptr, ptr %a_at, align 8
  %p = load i64, ptr %p_at, align 8
  %wants = icmp ne i64 %p, 0
  %both = and i1 %wants, %own
  br i1 %both, label %parallel, label %serial
parallel:
  call void @share(ptr %pool, ptr %k, ptr %a)
  br label %check
serial:
  call void %k(ptr %a, i64 0, i64 1)
  br label %check
check:
  %bad = load i64, ptr %status, align 8
  %stop = icmp ne i64 %bad, 0
  br i1 %stop, label %end, label %checked
checked:
  %i1 = add i64 %i, 1
  br label %entry
move:
  %m = phi i64 [ 0, %entry ], [ %m1, %moved ]
  %rest = icmp slt i64 %m, %n_advances
  br i1 %rest, label %moved, label %stepped
moved:
  %m2 = mul i64 %m, 2
  %word_at = getelementptr i64, ptr %advances, i64 %m2
  %inc_at = getelementptr i64, ptr %word_at, i64 1
  %word = load ptr, ptr %word_at, align 8
  %inc = load i64, ptr %inc_at, align 8
  %old = load i64, ptr %word, align 8
  %new = add i64 %old, %inc
  store i64 %new, ptr %word, align 8
  %m1 = add i64 %m, 1
  br label %move
stepped:
  %s1 = add i64 %s, 1
  br label %step
end:
  %reached = phi i64 [ -1, %step ], [ %s, %check ]
  br i1 %own, label %free, label %out
free:
  store atomic i64 0, ptr %busy release, align 8
  br label %out
out:
  ret i64 %reached
}
"""


class _Native:
    """The compiled functions, kept alive with their engine."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
        module = llvm.parse_assembly(_text())
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        word = ctypes.c_int64
        self.run = ctypes.CFUNCTYPE(word, *[word] * 7)(self._engine.get_function_address("run"))
        self.worker = ctypes.CFUNCTYPE(None, *[word] * 3)(self._engine.get_function_address("worker"))
        self.wake = ctypes.CFUNCTYPE(None, word)(self._engine.get_function_address("wake"))


def _text() -> str:
    machine = platform.machine()
    pause = "call void @llvm.x86.sse2.pause()" if machine == "x86_64" else "call void @llvm.aarch64.hint(i32 1)"
    declared = "declare void @llvm.x86.sse2.pause()" if machine == "x86_64" else "declare void @llvm.aarch64.hint(i32)"
    return (declared + _IR.replace("PAUSE", pause).replace("FUTEX", str(_FUTEX.get(machine, 0)))
            .replace("SPINS_WORKER", str(SPINS_WORKER)).replace("SPINS_CALLER", str(SPINS_CALLER)))


@cache
def native() -> _Native:
    """The driver's functions, compiled once per process."""
    return _Native()


def can_share() -> bool:
    """Whether this platform has what worker threads sleep on."""
    return platform.system() == "Linux" and platform.machine() in _FUTEX


def prepare(table: np.ndarray, status: np.ndarray, pool_address: int) -> Callable[[], int]:
    """A call that walks the table once and returns 0, or the status word if a kernel wrote to it.

    table i64[n,3], status i64[1]; both must stay alive and where they are.
    """
    run, word = native().run, ctypes.c_int64
    arguments = (word(table.ctypes.data), word(len(table)), word(1), word(0), word(0), word(status.ctypes.data),
                 word(pool_address))

    def walk() -> int:
        if run(*arguments) < 0:
            return 0
        code = int(status[0])
        status[0] = 0
        return code

    return walk


def run_steps(table: np.ndarray, status: np.ndarray, steps: int, advances: Sequence[tuple[int, int]],
              pool_address: int) -> int | None:
    """Walk the table `steps` times; the step whose kernel wrote to the status word, or None.

    advances: (address of an argument word, bytes to add to it after each step).
    """
    moves = np.array(advances or [(0, 0)], np.int64)
    reached = native().run(table.ctypes.data, len(table), steps, moves.ctypes.data, len(advances), status.ctypes.data,
                           pool_address)
    status[0] = 0
    return None if reached < 0 else reached
